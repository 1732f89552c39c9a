"""People find entries by what they may be found by, and open them while the key stands."""

import shutil
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from certs.errors import KeyStoreError
from certs.keystore import KeyStore
from gateway.flows.record import SearchColumns
from gateway.flows.record_read import RecordReader, Search
from gateway.storage.records import find_by_permit
from tests.conftest import Dsns
from tests.integration.record_log import ORGANISATION, RecordLog, a_draft, recorded

_ALICE, _BOB = b"a" * 32, b"b" * 32
_PERMIT = "0" * 31 + "1"


@pytest.fixture
def reader(record_log: RecordLog) -> RecordReader:
    return RecordReader(
        database=record_log.database, organisation=ORGANISATION, keys=record_log.keys
    )


async def _fill(record_log: RecordLog) -> list[str]:
    columns = [
        SearchColumns(subject=_ALICE, staff="tanaka", outcome="provided", permit_id=_PERMIT),
        SearchColumns(subject=_BOB, system="tax", counterparty="union", procedure="117"),
        SearchColumns(subject=_ALICE, system="tax", information="tax", outcome="withheld"),
    ]
    ids = []
    async with record_log.writer() as writer:
        for search in columns:
            (outcome,) = await writer.append([a_draft(search=search)], source="a")
            ids.append(recorded(outcome).entry_id)
    return ids


async def test_every_column_finds_its_entries_newest_first(
    record_log: RecordLog, reader: RecordReader
) -> None:
    first, second, third = await _fill(record_log)
    wanted = {
        Search(subject=_ALICE): [third, first],
        Search(staff="tanaka"): [first],
        Search(system="tax"): [third, second],
        Search(system="tax", subject=_ALICE): [third],
        Search(outcome="provided"): [first],
        Search(counterparty="union"): [second],
        Search(procedure="117"): [second],
        Search(information="tax"): [third],
        Search(permit_id=_PERMIT): [first],
        Search(subject=b"c" * 32): [],
        Search(staff="tax"): [],
    }

    for search, expected in wanted.items():
        found = await reader.search(search)
        assert [entry.stored.entry_id for entry in found] == expected


async def test_pages_follow_each_other_without_gap_or_overlap(
    record_log: RecordLog, reader: RecordReader
) -> None:
    async with record_log.writer() as writer:
        outcomes = await writer.append([a_draft() for _ in range(25)], source="a")
    pages, after = [], None
    while page := await reader.search(Search(kinds=["records-read"]), after=after, limit=7):
        pages.append([entry.stored.entry_id for entry in page])
        after = page[-1].stored.position

    assert [len(page) for page in pages] == [7, 7, 7, 4]
    assert [one for page in pages for one in page] == [
        recorded(outcome).entry_id for outcome in reversed(outcomes)
    ]


async def test_time_bounds_are_from_and_before(record_log: RecordLog, reader: RecordReader) -> None:
    ids = await _fill(record_log)
    times = {entry.stored.entry_id: entry.stored.time for entry in await reader.find(ids)}

    found = await reader.search(Search(since=times[ids[1]], until=times[ids[2]]))

    assert [entry.stored.entry_id for entry in found] == [ids[1]]


async def test_entries_of_a_permit_are_found_whatever_their_month(record_log: RecordLog) -> None:
    first, _, _ = await _fill(record_log)

    async with record_log.database.read() as connection:
        found = await find_by_permit(connection, [_PERMIT])

    assert [entry.entry_id for entry in found] == [first]


async def test_a_private_part_moved_to_another_entry_does_not_open(
    record_log: RecordLog, reader: RecordReader, dsns: Dsns
) -> None:
    first, second, _ = await _fill(record_log)
    connection = await asyncpg.connect(dsns.superuser)
    await connection.execute(
        "UPDATE log_entries SET private = (SELECT private FROM log_entries WHERE entry_id = $1)"
        " WHERE entry_id = $2",
        first,
        second,
    )
    await connection.close()

    with pytest.raises(KeyStoreError, match="box-does-not-open"):
        await reader.find([second])


async def test_what_lay_under_a_destroyed_key_is_neither_found_nor_opened(
    record_log: RecordLog, key_store: KeyStore, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(key_store.directory, tmp_path / "own"))
    keys = KeyStore(
        own, key_store._master, network=key_store.network, organisation=key_store.organisation
    )
    log = replace(record_log, keys=keys)
    first, _, _ = await _fill(log)
    for key_id in keys.key_ids():
        keys.destroy(key_id)
    reader = RecordReader(database=log.database, organisation=ORGANISATION, keys=keys)

    (entry,) = await reader.find([first])

    assert entry.private is None
    assert await reader.search(Search(subject=_ALICE)) == []
