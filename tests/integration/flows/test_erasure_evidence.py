"""What an erased month leaves for an auditor, and what keeps it from being told too early."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from certs.key_store_copy import lay_down
from certs.keystore import KeyStore
from codes.canonical import instant
from gateway.domain.backup import KEY_STORE_KEPT
from gateway.errors import SekishoError
from gateway.flows.erase_months import EraseMonths
from gateway.flows.erasure_evidence import NotErasedError, fates
from gateway.flows.key_store_copies import REGISTER, CopiesUnknownError, KeyStoreCopies
from gateway.flows.record_read import RecordReader, Search
from gateway.flows.verify_backup import OpenBackup
from gateway.storage import erasures
from gateway.storage.erasures import KnownCopy, MonthRow
from tests.integration.backups import Backups
from tests.integration.flows.erasure_scene import NEXT, OLD, Scene
from tests.integration.flows.test_erase_months import Killed, cut_off
from tests.integration.record_log import ORGANISATION

KEY_ID = "month/2018-05"


async def agree(scene: Scene, erasing: EraseMonths) -> None:
    for person in scene.people[:2]:
        await erasing.approve(OLD, by=person)


async def told(scene: Scene, kind: str) -> list[Any]:  # Any: a private part is JSON
    """Return the private parts of the entries of a kind, oldest first."""
    reader = RecordReader(database=scene.log.database, organisation=ORGANISATION, keys=scene.keys)
    return [entry.private for entry in reversed(await reader.search(Search(kinds=[kind])))]


async def row_of(scene: Scene, month: int = OLD) -> MonthRow:
    async with scene.log.database.read() as connection:
        return next(row for row in await erasures.months(connection) if row.month == month)


def registered(scene: Scene, backups: Backups) -> KeyStoreCopies:
    return backups.copies(scene.keys.directory.parent)


async def test_the_entry_says_how_by_whom_what_was_tried_and_from_when_nothing_opens(
    scene: Scene,
) -> None:
    async with scene.log.database.read() as connection:
        sample = await erasures.sample(connection, OLD)
    assert sample is not None
    began = instant(scene.log.clock.now())
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        await agree(scene, erasing)
        await erasing.turn()
        await erasing.turn()

    (said,) = await told(scene, "erased")
    row = await row_of(scene)
    reader = RecordReader(database=scene.log.database, organisation=ORGANISATION, keys=scene.keys)
    approvals = await reader.find(said["approvals"])
    assert [entry.public.kind for entry in approvals] == ["erasure-approved"] * 2
    assert said["method"]["technique"] == "cryptographic-erase"
    assert said["verification"] == {
        "key": "key-destroyed",
        "archive": "none",
        "sample": {
            "sha256": sha256(sample.private).hexdigest(),
            "result": "does-not-open",
            "keys_tried": 2,
        },
    }
    assert said["copies"] == []
    assert began <= said["unreadable_from"] <= instant(scene.log.clock.now())
    # Nothing is to wait for: the entry itself completes it.
    assert row.completed_entry_id == row.entry_id
    assert await told(scene, "erasure-completed") == []


async def test_a_second_entry_says_when_the_last_copy_with_the_key_is_gone(
    scene: Scene, backups: Backups, tmp_path: Path
) -> None:
    copies, now = registered(scene, backups), datetime.now(UTC)
    first = backups.copy_keys(scene.keys, tmp_path / "a", now=now - timedelta(seconds=60))
    backups.copy_keys(scene.keys, tmp_path / "b", now=now)
    shutil.rmtree(tmp_path / "b")
    last = now + KEY_STORE_KEPT
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer, copies)
        await agree(scene, erasing)
        await erasing.turn()
        backups.copy_keys(scene.keys, tmp_path / "a", now=now + timedelta(seconds=1))
        copies.sweep(now=last)
        await erasing.turn()
        at_first = await told(scene, "erasure-completed")
        copies.give_up(str(tmp_path / "b"), now=last)
        await erasing.turn()
        await erasing.turn()

    (said,), row = await told(scene, "erased"), await row_of(scene)
    assert [one["until"] for one in said["copies"]] == [
        instant(last - timedelta(seconds=60)),
        instant(last),
    ]
    assert said["unreadable_from"] == instant(last)
    assert first.name.endswith(said["copies"][0]["id"][:8])
    assert at_first == []
    (completed,) = await told(scene, "erasure-completed")
    assert (completed["month"], completed["erased"]) == ("2018-05", row.entry_id)
    assert [one["how"] for one in completed["copies"]] == ["removed", "place-gone"]
    assert completed["unreadable_since"] == instant(last)
    assert row.completed_entry_id not in {None, row.entry_id}


async def test_a_copy_that_was_begun_and_never_finished_counts_as_one(
    scene: Scene, backups: Backups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("gateway.flows.back_up.new_folder", die)
        with pytest.raises(Killed):
            backups.copy_keys(scene.keys, tmp_path / "a", now=datetime.now(UTC))
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer, registered(scene, backups))
        await agree(scene, erasing)
        await erasing.turn()

    (said,) = await told(scene, "erased")
    assert len(said["copies"]) == 1


async def test_without_a_register_to_believe_nothing_is_erased(
    scene: Scene, backups: Backups, tmp_path: Path
) -> None:
    backups.copy_keys(scene.keys, tmp_path / "a", now=datetime.now(UTC))
    path = scene.keys.directory.parent / REGISTER
    good = path.read_bytes()
    path.write_bytes(b"{}")
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer, registered(scene, backups))
        await agree(scene, erasing)
        with pytest.raises(CopiesUnknownError):
            await erasing.turn()
        between = await scene.state(), KEY_ID in scene.keys.key_ids()
        path.write_bytes(good)
        await erasing.turn()

    assert between == ("proposed", True)
    assert (await scene.state(), KEY_ID in scene.keys.key_ids()) == ("erased", False)


@pytest.mark.parametrize("what", ["key", "file", "archive", "sample"])
async def test_what_is_not_gone_is_not_told_as_erased(
    scene: Scene, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object, **__: object) -> None:
        return

    place = {
        "key": "certs.keystore.KeyStore.destroy",
        "file": "certs.keystore.overwrite_and_unlink",
        "archive": "gateway.flows.erase_months.remove_archives",
        "sample": "gateway.flows.erasure_evidence._opens",
    }[what]
    archives = scene.keys.directory.parent / "archives"
    archives.mkdir()
    (archives / "operations-2018-05-0123456789abcdef.sealed").write_bytes(b"x")
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        await agree(scene, erasing)
        with monkeypatch.context() as patch:
            patch.setattr(place, (lambda *_: True) if what == "sample" else nothing)
            with pytest.raises(NotErasedError):
                await erasing.turn()
        between = await scene.state(), await told(scene, "erased")
        await erasing.turn()

    assert between == ("erasing", [])
    (said,) = await told(scene, "erased")
    assert said["verification"]["sample"] == "none-left"  # its entries went in the turn before
    assert list(archives.iterdir()) == []


async def test_a_turn_that_was_cut_off_says_that_no_sample_was_left(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        await agree(scene, erasing)
        with monkeypatch.context() as patch:
            cut_off(patch, "key")
            with pytest.raises(Killed):
                await erasing.turn()
        await erasing.turn()

    (said,) = await told(scene, "erased")
    assert said["verification"] == {
        "key": "key-destroyed",
        "archive": "none",
        "sample": "none-left",
    }


async def test_a_key_that_comes_back_with_an_older_copy_is_destroyed_again(
    scene: Scene, backups: Backups, tmp_path: Path
) -> None:
    copies = registered(scene, backups)
    copy = backups.copy_keys(scene.keys, tmp_path / "a", now=datetime.now(UTC))
    stored = OpenBackup(backups.read(copy), backups.key).key_store()
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer, copies)
        await agree(scene, erasing)
        await erasing.turn()
        shutil.rmtree(scene.keys.directory)
        lay_down(stored, scene.keys.directory)
        came_back = KEY_ID in scene.keys.key_ids()

        await erasing.turn()

    assert came_back
    assert KEY_ID not in scene.keys.key_ids()
    assert f"month/{NEXT // 100}-06" in scene.keys.key_ids()


async def test_each_worker_refuses_what_another_one_erased(scene: Scene) -> None:
    elsewhere = KeyStore.open(scene.keys.directory, scene.master)
    reader = RecordReader(database=scene.log.database, organisation=ORGANISATION, keys=elsewhere)
    async with scene.log.database.read() as connection:
        stored = await erasures.sample(connection, OLD)
    assert stored is not None
    (before,) = await reader.find([stored.entry_id])
    async with scene.log.writer() as writer:
        erasing = scene.erasing(writer)
        await agree(scene, erasing)
        await erasing.turn()

    assert before.private is not None
    assert reader.open(before.stored).private is None


KNOWN = [
    KnownCopy(id="a" * 32, taken_at="2026-01-01T00:00:00.000Z", until="2026-02-05T00:00:00.000Z")
]


@pytest.mark.parametrize(
    ("day", "expected"), [(4, None), (5, ["not-known"])], ids=["alive", "over"]
)
def test_a_copy_of_another_machine_counts_as_living_until_its_time_is_over(
    tmp_path: Path, day: int, expected: Sequence[str] | None
) -> None:
    def nobody(_: datetime) -> Any:
        raise SekishoError

    empty = KeyStoreCopies(
        data_dir=tmp_path,
        network="testnet",
        organisation=ORGANISATION,
        key_sets=list,
        signer_at=nobody,
    ).known()

    found = fates(KNOWN, empty, datetime(2026, 2, day, tzinfo=UTC))

    assert (None if found is None else [one["how"] for one in found]) == expected
