"""A month of the record log ends: seven years, no legal hold, two people; the rest is whole."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from certs.errors import KeyStoreError
from certs.keystore import KeyStore
from codes.canonical import parse_instant, tokyo_month
from gateway.domain.hold import SameApproverError
from gateway.errors import NotFoundError, RefusedError
from gateway.flows.erase_months import month_text
from gateway.flows.record_read import RecordReader, Search
from gateway.flows.restore_backup import Restore
from gateway.flows.verify_backup import OpenBackup
from gateway.storage import erasures
from gateway.storage.database import Database
from gateway.storage.erasures import ErasureRefusedError
from gateway.storage.record_ranges import range_of
from tests.conftest import FORGETFUL, Dsns
from tests.integration.backups import Backups
from tests.integration.flows.erasure_scene import FIRST_DAY, NEXT, OLD, PERSON, Scene
from tests.integration.record_log import ORGANISATION, a_draft, recorded


async def test_two_people_let_a_month_go_and_nobody_reads_it_again(scene: Scene) -> None:
    officer, auditor, _ = scene.people
    reader = RecordReader(database=scene.log.database, organisation=ORGANISATION, keys=scene.keys)
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        await erasing.approve(OLD, by=officer)
        await erasing.turn()
        after_one = await scene.state()
        await erasing.approve(OLD, by=auditor)
        await erasing.turn()
        await erasing.turn()
        with pytest.raises(NotFoundError, match="its month is erased"):
            await writer.statements([scene.old[0]])
        group = await writer.statements(scene.following)

    assert (after_one, await scene.state()) == ("proposed", "erased")
    assert scene.log.verify(group)
    found = await reader.search(Search(subject=PERSON))
    assert len(found) == len(scene.following) + 1
    assert await reader.find([scene.old[0].entry_id]) == []
    with pytest.raises(KeyStoreError, match="key-destroyed"):
        scene.keys.month(month_text(OLD))
    (entry,) = await reader.search(Search(kinds=["erased"]))
    assert entry.private is not None
    assert entry.private["month"] == month_text(OLD)
    assert entry.private["key_id"] == "month/2018-05"
    ranges = entry.private["ranges"]
    assert isinstance(ranges, list)
    assert [(one["slot"], one["first"], one["end"]) for one in ranges] == [(0, 0, 601), (1, 0, 1)]


async def test_what_is_left_is_a_whole_tree_in_every_slot(scene: Scene) -> None:
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        for person in scene.people[:2]:
            await erasing.approve(OLD, by=person)
        await erasing.turn()

    # Slot 1 had one entry, which is gone: its next one still leads to its root.
    async with scene.log.writer() as writer, scene.log.writer() as other:
        kept = [await one.append([a_draft()], source="a") for one in (writer, other)]
        groups = [await writer.statements([replace(recorded(o), under=None)]) for (o,) in kept]
    for group in groups:
        assert scene.log.verify(group)
    async with scene.log.database.read() as connection:
        begins, ends = FIRST_DAY - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
        goes_on = await range_of(connection, 0, 612, begins=begins, ends=ends)
        pruned = await connection.fetchval(
            "SELECT count(*) FROM log_tiles WHERE slot = 0 AND level = 0 AND hashes IS NULL"
        )
        nothing_left = await range_of(connection, 1, 1, begins=begins, ends=ends)
    assert goes_on.first == 601
    assert (nothing_left.first, nothing_left.end) == (1, 1)
    assert pruned == 2


@pytest.mark.parametrize("what", ["one-twice", "same-credential", "wrong-role", "retired"])
async def test_one_pair_of_eyes_is_never_two(scene: Scene, what: str) -> None:
    officer, auditor, approver = scene.people
    second = {
        "one-twice": officer,
        "same-credential": replace(auditor, credential_id=officer.credential_id),
        "wrong-role": approver,
        "retired": auditor,
    }[what]
    if what == "retired":
        await scene.execute(
            "UPDATE staff_credentials SET retired_at = now(), password = NULL, totp_box = NULL"
            " WHERE credential_id = $1",
            auditor.credential_id,
        )
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        await erasing.approve(OLD, by=officer)

        with pytest.raises((SameApproverError, ErasureRefusedError)) as caught:
            await erasing.approve(OLD, by=second)

        await erasing.turn()
    assert await scene.state() == "proposed"
    same = what == "one-twice"
    assert isinstance(caught.value, SameApproverError) == same
    assert same or caught.value.members["reason"] == "may-not-decide"


async def test_the_database_itself_refuses_whatever_the_program_says(scene: Scene) -> None:
    async def refused(month: int) -> str:
        async with scene.log.database.transaction() as connection:
            with pytest.raises(ErasureRefusedError) as caught:
                await erasures.erase(connection, month)
            return caught.value.reason

    young = int(tokyo_month(datetime.now(UTC)).replace("-", ""))

    assert await refused(OLD) == "two-people-needed"
    assert await refused(young) == "not-due"
    async with scene.log.database.read() as connection:
        for table in ("erasures", "erasure_approvals", "legal_holds", "log_minimums"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"DELETE FROM {table}")


async def test_neither_database_nor_its_backup_reads_an_erased_month_but_with_an_older_key_store(
    scene: Scene, backups: Backups, another: Dsns, tmp_path: Path
) -> None:
    """A backup of the database opens only with a key-store copy, which is kept 35 days at most."""
    wanted, now = [scene.old[0].entry_id], datetime.now(UTC)
    backup = await backups.make(scene.owner)
    copy = backups.copy_keys(scene.keys, tmp_path / "third-place", now=now)
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer, backups.copies(scene.keys.directory.parent))
        for person in scene.people[:2]:
            await erasing.approve(OLD, by=person)
        await erasing.turn()
    later = await backups.make(scene.owner)
    done = await backups.restore(backup, another.owner, scene.keys.directory)
    restore = Restore(
        opened=OpenBackup(backups.read(copy), backups.key), is_whole=False, stops=False
    )
    restore.key_store(tmp_path / "copy", now=now + timedelta(days=35, seconds=-2))
    with pytest.raises(RefusedError) as too_old:
        restore.key_store(tmp_path / "late", now=now + timedelta(days=35))

    async def read(dsn: str, folder: Path) -> list[object]:
        database = await Database.open(dsn, demands=FORGETFUL)
        keys = KeyStore.open(folder, scene.master)
        reader = RecordReader(database=database, organisation=ORGANISATION, keys=keys)
        found = [entry.private for entry in await reader.find(wanted)]
        await database.close()
        return list(found)

    database, restored = scene.log.database._dsn, another.app
    today, before = scene.keys.directory, tmp_path / "copy"
    assert await read(database, today) == await read(database, before) == []
    assert await read(restored, today) == [None]
    assert await read(restored, before) == [{"note": "x"}]  # for 35 days, and no longer
    assert too_old.value.reason == "key-store-copy-too-old"
    assert done.erased_months == [month_text(OLD)]
    assert backups.look_through(backup).faults == backups.look_through(later).faults == []


async def test_what_corrects_what_goes_with_the_month_it_was_corrected_in(scene: Scene) -> None:
    made = "INSERT INTO corrections (corrected_id, number, entry_id, made_at) VALUES ($1,1,$2,$3)"
    for place, entry in enumerate((scene.old[0], scene.following[0])):
        await scene.execute(made, entry.entry_id, f"{place:032x}", parse_instant(entry.time))

    async with scene.log.writer() as writer:
        for person in scene.people[:2]:
            await scene.erasing(writer).approve(OLD, by=person)
        await scene.erasing(writer).turn()

    async with scene.log.database.read() as connection:
        left = await connection.fetch("SELECT corrected_id FROM corrections")
    assert [row["corrected_id"] for row in left] == [scene.following[0].entry_id]


async def test_months_go_in_their_order(scene: Scene) -> None:
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        for person in scene.people[:2]:
            await erasing.approve(NEXT, by=person)
        await erasing.turn()
        async with scene.log.database.transaction() as connection:
            with pytest.raises(ErasureRefusedError) as caught:
                await erasures.erase(connection, NEXT)

    assert caught.value.reason == "earlier-month-first"


async def test_a_legal_hold_keeps_a_month_and_voids_what_was_agreed(scene: Scene) -> None:
    officer, auditor, _ = scene.people
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        await erasing.approve(OLD, by=officer)
        await erasing.approve(OLD, by=auditor)
        hold = await erasing.set_legal_hold(OLD, NEXT, ground="court", by=officer)
        await erasing.turn()
        with pytest.raises(ErasureRefusedError) as caught:
            await erasing.approve(OLD, by=officer)
        held = await scene.state()
        await erasing.lift_legal_hold(hold, by=auditor)
        await erasing.turn()
        lifted = await scene.state()
        await erasing.approve(OLD, by=officer)
        await erasing.approve(OLD, by=auditor)
        await erasing.turn()

    assert caught.value.reason == "legal-hold"
    assert (held, lifted, await scene.state()) == ("proposed", "proposed", "erased")


@pytest.mark.parametrize("step", ["database", "key", "entry"])
async def test_an_erasure_that_was_cut_off_goes_on(
    scene: Scene, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        for person in scene.people[:2]:
            await erasing.approve(OLD, by=person)
        with monkeypatch.context() as patch:
            cut_off(patch, step)
            with pytest.raises(Killed):
                await erasing.turn()
        between = await scene.state()

        await erasing.turn()

    assert between == ("proposed" if step == "database" else "erasing")
    assert await scene.state() == "erased"
    assert "month/2018-05" not in scene.keys.key_ids()
    reader = RecordReader(database=scene.log.database, organisation=ORGANISATION, keys=scene.keys)
    assert len(await reader.search(Search(kinds=["erased"]))) == 1


class Killed(BaseException):
    """The process ended here."""


def cut_off(patch: pytest.MonkeyPatch, step: str) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    place = {
        "database": "gateway.storage.erasures.erase",
        "key": "certs.keystore.KeyStore.destroy",
        "entry": "gateway.flows.record.RecordWriter.append",
    }[step]
    patch.setattr(place, die)
