"""Backups: everything comes back bit for bit, and nothing that was changed passes for whole."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from certs.backup_manifest import sign_manifest
from certs.errors import BackupError
from certs.keystore import KeyStore
from certs.log_keys import LogSigner
from certs.sealed_files import CHUNK_BYTES, TAG_BYTES
from certs.sealing_keys import SealingPrivateKey
from codes.canonical import canonical_json, parse_canonical
from gateway.demo import cast
from gateway.domain.backup import BackupMigration
from gateway.errors import RefusedError
from gateway.flows.backup_folder import MANIFEST
from gateway.flows.record import NoFreeSlotError
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_read import RecordReader, Search
from gateway.storage.copy_rows import CopyRows
from gateway.storage.database import Database
from gateway.storage.dump import OwnerDatabase
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from gateway.storage.load import loading
from gateway.storage.migrate import SchemaError, shipped_migrations
from tests.conftest import FORGETFUL, Dsns, create_database, drop_database
from tests.integration.backups import Backups, digests, execute
from tests.integration.record_log import ORGANISATION, Mark, RecordLog, a_draft


async def grown(log: RecordLog, entries: int, *, begin: int = 0) -> None:
    async with log.writer() as writer:
        drafts = [a_draft(Mark(mark=f"{begin + n}", body=bytes(50_000))) for n in range(entries)]
        await writer.append(drafts, source="a")


async def test_everything_comes_back_bit_for_bit_and_the_log_goes_on(
    record_log: RecordLog, dsns: Dsns, another: Dsns, backups: Backups, key_store: KeyStore
) -> None:
    await grown(record_log, 60)
    backup = await backups.make(dsns.owner)
    looked = backups.look_through(backup)
    before = await digests(dsns.owner)

    done = await backups.restore(backup, another.owner, key_store.directory, is_whole=True)

    assert backup.faults() == looked.faults == done.faults == []
    assert looked.plain > CHUNK_BYTES  # so that chunks met each other
    assert done.rows == looked.rows
    assert await digests(another.owner) == before
    assert before["marks"][0] == 60
    database = await Database.open(another.app, demands=FORGETFUL)
    restored = replace(record_log, database=database)
    await grown(restored, 1, begin=60)
    assert len(await restored.leaves(0)) == 62
    await database.close()


async def test_a_restored_slot_goes_on_only_where_a_mark_shows_that_nothing_followed(
    record_log: RecordLog,
    dsns: Dsns,
    another: Dsns,
    backups: Backups,
    key_store: KeyStore,
) -> None:
    await grown(record_log, 3)
    await backups.restore(await backups.make(dsns.owner), another.owner, key_store.directory)
    database = await Database.open(another.app, demands=FORGETFUL)
    on_this_machine = replace(record_log, database=database)
    elsewhere = replace(on_this_machine, marks=ReleasedMarks(backups.target / "no-marks"))

    async with on_this_machine.writer() as writer:
        here = writer.slot
    async with elsewhere.writer() as writer:
        there = writer.slot
        reader = RecordReader(database=database, organisation=ORGANISATION, keys=record_log.keys)
        (loss,) = await reader.search(Search(kinds=("log-loss",)))
    async with database.read() as connection:
        switches = await connection.fetch("SELECT reason FROM stop_switches")
    await database.close()

    assert (here, there) == (0, 1)
    assert loss.private is not None
    assert (loss.private["slot"], loss.private["known_from"]) == (0, "restore")
    assert (loss.private["size"], loss.private["known_size"]) == (4, 4)
    assert [row["reason"] for row in switches] == ["backup-restored"]


async def test_where_no_slot_is_vouched_for_none_is_written_and_none_is_lost_by_trying(
    record_log: RecordLog,
    dsns: Dsns,
    another: Dsns,
    backups: Backups,
    key_store: KeyStore,
) -> None:
    """Every slot was written: without marks there has to be another one, or the marks."""
    async with record_log.writer() as first, record_log.writer() as second:
        for writer in (first, second):
            await writer.append([a_draft()], source="a")
    await backups.restore(await backups.make(dsns.owner), another.owner, key_store.directory)
    database = await Database.open(another.app, demands=FORGETFUL)
    with_marks = replace(record_log, database=database)
    without = replace(with_marks, marks=ReleasedMarks(backups.target / "no-marks"))

    async def frozen() -> int:
        async with database.read() as connection:
            count: int = await connection.fetchval("SELECT count(*) FROM log_slots WHERE is_frozen")
            return count

    with pytest.raises(NoFreeSlotError):
        async with without.writer():
            pass
    at_first = await frozen()
    async with with_marks.writer() as writer:
        assert writer.slot == 0
    await without.open(slots=3)
    async with without.writer() as writer:
        assert writer.slot == 2

    assert (at_first, await frozen()) == (0, 2)
    await database.close()


async def test_only_an_empty_database_is_filled_and_only_whole(
    record_log: RecordLog, dsns: Dsns, another: Dsns, backups: Backups, key_store: KeyStore
) -> None:
    await grown(record_log, 3)
    backup = await backups.make(dsns.owner)
    keys, untouched = key_store.directory, await digests(another.owner)
    await execute(another.owner, "INSERT INTO marks VALUES ('mine')")

    with pytest.raises(RefusedError, match="not empty: marks") as refused:
        await backups.restore(backup, another.owner, keys)
    await execute(another.owner, "DELETE FROM marks")
    # The last table that is loaded does not fit any more: nothing of the others stays.
    last = next(t for t in reversed(backup.manifest.database.tables) if t.rows)  # type: ignore[union-attr]
    await execute(another.owner, f"ALTER TABLE {last.name} ADD CHECK (slot < 0)")
    with pytest.raises(BackupError, match="CheckViolationError") as broken:
        await backups.restore(backup, another.owner, keys)

    assert refused.value.reason == "database-not-empty"
    assert broken.value.reason == "not-loadable"
    assert await digests(another.owner) == untouched


@pytest.mark.usefixtures("record_log")
async def test_a_key_store_older_than_the_backup_is_named_before_anything_is_done(
    dsns: Dsns, another: Dsns, backups: Backups, tmp_path: Path
) -> None:
    backup, untouched = await backups.make(dsns.owner), await digests(another.owner)

    with pytest.raises(RefusedError, match="newest copy first") as refused:
        await backups.restore(backup, another.owner, tmp_path)

    assert refused.value.reason == "no-month-key"
    assert await digests(another.owner) == untouched


@pytest.mark.usefixtures("record_log")
async def test_a_key_store_without_the_key_of_the_seals_is_named_too(
    dsns: Dsns, another: Dsns, backups: Backups, key_store: KeyStore, tmp_path: Path
) -> None:
    """Under another key every slot would look forged, and be frozen."""
    backup, untouched = await backups.make(dsns.owner), await digests(another.owner)
    older = Path(shutil.copytree(key_store.directory, tmp_path / "older"))
    (older / "secret.slot-seal.key").unlink()

    with pytest.raises(RefusedError, match="newest copy first") as refused:
        await backups.restore(backup, another.owner, older)

    assert refused.value.reason == "no-seal-key"
    assert await digests(another.owner) == untouched


async def test_an_older_schema_is_brought_up_after_its_rows_and_another_releases_refused(
    postgres: EmbeddedPostgres, another: Dsns
) -> None:
    shipped = shipped_migrations()
    older = [BackupMigration(number=one.number, sha256=one.sha256.hex()) for one in shipped[:-1]]
    await create_database(postgres, "older", "template1")
    owner = OwnerDatabase(dsn=postgres.dsn(OWNER_ROLE, "older"))

    async with loading(owner, older), owner.connection() as connection:
        last = await connection.fetchval("SELECT max(number) FROM schema_migrations")
    async with owner.snapshot() as snapshot:
        brought_up = await snapshot.migrations()
    with pytest.raises(SchemaError, match="restore it with that release"):
        async with loading(
            OwnerDatabase(dsn=another.owner), [BackupMigration(number=1, sha256="0" * 64)]
        ):
            pass
    await drop_database(postgres, "older")

    assert last == older[-1].number
    assert [number for number, _ in brought_up] == [one.number for one in shipped]


async def test_a_day_that_ends_meanwhile_waits_for_nobody_and_is_left_out(
    record_log: RecordLog, dsns: Dsns
) -> None:
    """Whoever drops a day locks its parent: waiting for a backup, it would stop every answer."""
    async with OwnerDatabase(dsn=dsns.owner).snapshot() as snapshot:
        (old, *_) = [table for table in await snapshot.tables() if table.of == "answers"]
        await snapshot.has_rows(old)
        await execute(dsns.owner, f"SET lock_timeout = '1s'; DROP TABLE {old.name}")
        await grown(record_log, 1)
        is_there = await snapshot.has_rows(old)
        slots = [table for table in await snapshot.tables() if table.name == "log_slots"]
        rows: list[bytes] = []

        async def put(content: bytes) -> None:
            rows.append(content)

        await snapshot.copy(slots[0], put)

    index = slots[0].columns.index("size")
    sizes = [int.from_bytes(row[index] or b"") for row in CopyRows().feed(b"".join(rows))]
    assert not is_there
    assert sizes == [1, 1]  # as they were when the snapshot was taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What is done to a backup, and what it is called without and with the backup key."""

    name: str
    do: Callable[[Path, Path], object]
    reason: str


def _file(folder: Path) -> Path:
    return folder / "marks.sealed"


def _flip(path: Path, place: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


def _swap_chunks(folder: Path, _: Path) -> None:
    raw, size = _file(folder).read_bytes(), CHUNK_BYTES + TAG_BYTES
    begins = raw.index(b"\n") + 1
    first, second = raw[begins : begins + size], raw[begins + size : begins + 2 * size]
    _file(folder).write_bytes(raw[:begins] + second + first + raw[begins + 2 * size :])


def _edit_manifest(folder: Path, _: Path) -> None:
    value = parse_canonical((folder / MANIFEST).read_bytes(), bytes_max=2**20)
    value["signed"]["taken_at"] = "2020-01-01T00:00:00.000Z"  # type: ignore[index]
    (folder / MANIFEST).write_bytes(canonical_json(value, bytes_max=2**20))


def _edit_program(folder: Path, _: Path) -> None:
    value = parse_canonical((folder / MANIFEST).read_bytes(), bytes_max=2**20)
    value["signed"]["program"] = "other"  # type: ignore[index]
    (folder / MANIFEST).write_bytes(canonical_json(value, bytes_max=2**20))


def _sign_by_somebody(folder: Path, _: Path) -> None:
    value = parse_canonical((folder / MANIFEST).read_bytes(), bytes_max=2**20)
    signed = value["signed"]
    assert isinstance(signed, dict)
    (folder / MANIFEST).write_bytes(sign_manifest(signed, LogSigner.generate()))


DAMAGES = (
    Damage(name="flip", do=lambda f, _: _flip(_file(f), -5), reason="altered"),
    Damage(name="flip-header", do=lambda f, _: _flip(_file(f), 0), reason="not-sealed"),
    Damage(
        name="cut", do=lambda f, _: os.truncate(_file(f), CHUNK_BYTES + 2_000), reason="truncated"
    ),
    Damage(
        name="longer",
        do=lambda f, _: _file(f).write_bytes(_file(f).read_bytes() + b"x"),
        reason="runs-on",
    ),
    Damage(name="swapped-chunks", do=_swap_chunks, reason="altered"),
    Damage(
        name="other-file",
        do=lambda f, _: shutil.copy(f / "log_slots.sealed", _file(f)),
        reason="another-file",
    ),
    Damage(
        name="other-backup",
        do=lambda f, other: shutil.copy(_file(other), _file(f)),
        reason="of-another-backup",
    ),
    Damage(name="missing", do=lambda f, _: _file(f).unlink(), reason="file-missing"),
    Damage(name="stray", do=lambda f, _: (f / "x.sealed").touch(), reason="unexpected-file"),
    Damage(name="no-manifest", do=lambda f, _: (f / MANIFEST).unlink(), reason="no-manifest"),
    Damage(name="edited", do=_edit_program, reason="manifest-altered"),
    Damage(name="dated-back", do=_edit_manifest, reason="manifest-unsigned"),
    Damage(name="foreign-signature", do=_sign_by_somebody, reason="manifest-unsigned"),
    Damage(
        name="garbage-manifest",
        do=lambda f, _: (f / MANIFEST).write_bytes(b"{}"),
        reason="manifest-unreadable",
    ),
)


async def test_every_damage_is_named_without_any_key(
    record_log: RecordLog, dsns: Dsns, backups: Backups, tmp_path: Path
) -> None:
    await grown(record_log, 60)
    good, other = [await backups.make(dsns.owner) for _ in range(2)]
    named = {}
    for damage in DAMAGES:
        folder = Path(shutil.copytree(good.folder, tmp_path / "damaged" / damage.name))
        damage.do(folder, other.folder)
        named[damage.name] = _fault(backups, folder)

    assert named == {damage.name: damage.reason for damage in DAMAGES}
    assert good.faults() == other.faults() == []


def _fault(backups: Backups, folder: Path) -> str | None:
    try:
        return next((fault.reason for fault in backups.read(folder).faults()), None)
    except BackupError as error:
        return error.reason


@pytest.mark.usefixtures("record_log")
async def test_a_backup_is_for_its_organisation_and_its_key_alone(
    dsns: Dsns, backups: Backups
) -> None:
    backup = await backups.make(dsns.owner)

    with pytest.raises(BackupError) as another:
        replace(backups, organisation=cast.GUNMA_UNION).read(backup.folder)
    with pytest.raises(BackupError) as key:
        replace(backups, key=SealingPrivateKey.generate()).look_through(backup)

    assert (another.value.reason, key.value.reason) == ("of-another-organisation", "other-key")


async def test_a_log_that_was_damaged_before_its_backup_is_named_when_it_is_opened(
    record_log: RecordLog, dsns: Dsns, backups: Backups
) -> None:
    await grown(record_log, 10)
    await execute(dsns.superuser, "DELETE FROM log_entries WHERE slot = 0 AND index = 5")
    gap = backups.look_through(await backups.make(dsns.owner))
    await execute(dsns.superuser, "UPDATE log_entries SET leaf = 'x' WHERE slot = 0 AND index = 4")
    changed = backups.look_through(await backups.make(dsns.owner))
    await execute(dsns.superuser, "DELETE FROM log_entries WHERE slot = 0 AND index > 3")
    short = backups.look_through(await backups.make(dsns.owner))

    assert [fault.where for fault in gap.faults] == ["slot 0: entry 5 is missing"]
    assert [fault.where for fault in changed.faults] == ["slot 0: entry 4 is not what was hashed"]
    assert [fault.where for fault in short.faults] == ["slot 0: 4 entries lead to another root"]
