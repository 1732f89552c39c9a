"""Operation records become monthly archives: signed, sealed, gone with their month."""

import json
import re
import stat
from pathlib import Path

import asyncpg
import pytest

from certs.errors import KeyStoreError
from gateway.errors import NotFoundError
from gateway.flows.archive_operations import ArchiveOperations
from gateway.flows.context import Context
from gateway.flows.operation_files import ArchiveDamagedError, seal_archive, write_archive
from gateway.flows.record_read import RecordReader, Search
from gateway.records.kinds import KINDS
from gateway.records.operations import OPERATIONS, operation_row, read_csv, sign_archive, write_csv
from gateway.storage.records import OF_NO_EXCHANGE
from tests.conftest import Dsns
from tests.integration.flows.old_logs import MONTH, NAGAOKA, NEXT, erased
from tests.unit.records import made

MAY, JUNE = "2019-05", "2019-06"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archives"


@pytest.fixture
def archives(old_log: Context, folder: Path) -> ArchiveOperations:
    return ArchiveOperations(old_log, folder)


def files_in(folder: Path, month: str = "") -> list[Path]:
    return sorted(folder.glob(f"operations-{month}*"))


async def told(context: Context) -> list[dict[str, object]]:
    """Return what the entries say that tell of archives, oldest first."""
    reader = RecordReader(database=context.database, organisation=NAGAOKA, keys=context.vault.keys)
    found = await reader.search(Search(kinds=["operations-archived"]))
    return [entry.private or {} for entry in reversed(found)]


async def test_a_month_that_left_the_window_is_archived_once_and_opens(
    old_log: Context, archives: ArchiveOperations, folder: Path
) -> None:
    await archives.turn()
    await archives.turn()
    opened = await archives.open(MONTH)

    rows = read_csv(opened.raw)
    assert len(rows) == 300
    assert {row.kind for row in rows} == {"records-read"}
    assert [row.time for row in rows] == sorted(row.time for row in rows)
    kept = await archives.archives()
    assert [(row.month, row.row_count) for row in kept] == [(MONTH, 300), (NEXT, 10)]
    entries = [(one["month"], one["count"], one["digest"]) for one in await told(old_log)]
    assert entries == [(MAY, 300, kept[0].digest), (JUNE, 10, kept[1].digest)]
    files = files_in(folder)
    assert [path.name for path in files] == [
        f"operations-{month}-{row.digest[:16]}.sealed"
        for month, row in zip((MAY, JUNE), kept, strict=True)
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert b"records-read" not in files[0].read_bytes()


async def test_an_erased_month_has_no_archive_and_no_copy_of_it_opens(
    old_log: Context, archives: ArchiveOperations, folder: Path
) -> None:
    await archives.turn()
    (row, _) = await archives.archives()
    (path,) = files_in(folder, MAY)
    copy = path.read_bytes()

    await erased(old_log, folder)
    await archives.turn()

    assert [path.name[:18] for path in files_in(folder)] == [f"operations-{JUNE}"]
    assert [one.month for one in await archives.archives()] == [NEXT]
    with pytest.raises(NotFoundError):
        await archives.open(MONTH)
    assert write_archive(folder, MAY, copy) == row.digest
    with pytest.raises(KeyStoreError, match="key-destroyed"):
        archives._open(MAY, row.digest)


@pytest.mark.parametrize("step", ["writing", "recording"])
async def test_an_archive_that_was_cut_off_is_made_again(
    old_log: Context,
    archives: ArchiveOperations,
    folder: Path,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    place = {
        "writing": "gateway.flows.archive_operations.write_archive",
        "recording": "gateway.flows.record.RecordWriter.append",
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(place, die)
        with pytest.raises(Killed):
            await archives.turn()
    left = len(files_in(folder))

    await archives.turn()

    assert left == (0 if step == "writing" else 1)
    assert len(files_in(folder)) == len(await told(old_log)) == 2
    assert len(read_csv((await archives.open(MONTH)).raw)) == 300


async def test_a_broken_archive_is_named(
    old_log: Context, archives: ArchiveOperations, folder: Path, dsns: Dsns
) -> None:
    await archives.turn()
    (row, _) = await archives.archives()
    (path,) = files_in(folder, MAY)
    good, opened = path.read_bytes(), await archives.open(MONTH)
    key = old_log.vault.keys.month(MAY)
    owner = await asyncpg.connect(dsns.owner)

    async def named(note: str, raw: bytes) -> str:
        """Return what is said of an archive that somebody with every right put there."""
        sealed = seal_archive(key, organisation=NAGAOKA, month=MAY, note=note, raw=raw)
        await owner.execute(
            "UPDATE operation_archives SET digest = $1 WHERE month = $2",
            write_archive(folder, MAY, sealed),
            MONTH,
        )
        with pytest.raises(ArchiveDamagedError) as caught:
            await archives.open(MONTH)
        return caught.value.reason

    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(ArchiveDamagedError, match="file-changed"):
        await archives.open(MONTH)
    assert await named(opened.note, opened.raw.replace(b"staff", b"stuff", 1) + b"x") == (
        "archive-changed"
    )
    forged = sign_archive(
        opened.raw,
        count=300,
        origin=archives._origin(MAY),
        signer=made.a_signer("forger"),
        time=int(old_log.clock.now().timestamp()),
    )
    assert await named(forged, opened.raw) == "log-line-missing"
    strange = made.an_entry("records-read", members={}, number=1, organisation=NAGAOKA)
    odd = operation_row(strange.public, {}, index=1, leaf_hash=strange.leaf_hash)
    rows = [odd if row.index == "1" else row for row in read_csv(opened.raw)]
    told_wrong = write_csv(rows)
    signed = sign_archive(
        told_wrong,
        count=300,
        origin=archives._origin(MAY),
        signer=old_log.trust.log_signer_at(old_log.clock.now()),
        time=int(old_log.clock.now().timestamp()),
    )
    assert await named(signed, told_wrong) == "rows-not-of-the-log"
    path.unlink()
    await owner.execute(
        "UPDATE operation_archives SET digest = $1 WHERE month = $2", row.digest, MONTH
    )
    await owner.close()
    with pytest.raises(ArchiveDamagedError, match="missing"):
        await archives.turn()


async def test_the_database_takes_no_archive_that_is_not_due(
    old_log: Context, archives: ArchiveOperations
) -> None:
    month = int(f"{old_log.clock.now():%Y%m}")
    effect = {"month": month, "entry_id": "0" * 32, "row_count": 1, "digest": "0" * 64}

    async with old_log.database.transaction() as connection:
        accepted = await connection.fetch(
            "SELECT effect_operations_archived(jsonb_build_array($1::jsonb))",
            json.dumps(effect),
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM operation_archives")

    assert accepted == []
    assert month not in [row.month for row in await archives.archives()]


async def test_a_search_of_operations_reads_no_exchange(old_log: Context) -> None:
    of_exchanges = KINDS.keys() - OPERATIONS
    async with old_log.database.transaction() as connection:
        index = await connection.fetchval(
            "SELECT pg_get_indexdef('log_entries_operations'::regclass)"
        )
        for way in ("seqscan", "bitmapscan", "sort"):
            await connection.execute(f"SET LOCAL enable_{way} = off")
        plan = await connection.fetch(
            "EXPLAIN SELECT entry_id FROM log_entries WHERE month = 201905"
            + OF_NO_EXCHANGE
            + " AND time >= '2019-05-01' ORDER BY time DESC, slot DESC, index DESC LIMIT 5"
        )

    assert set(re.findall(r"'([a-z-]+)'", index)) == of_exchanges
    assert set(re.findall(r"'([a-z-]+)'", OF_NO_EXCHANGE)) == of_exchanges
    assert "Index Scan Backward using log_entries_201905_time_slot_index_idx1" in plan[1][0]
