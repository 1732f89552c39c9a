"""The writer waits for company while company comes, and alone for nobody."""

import asyncio

import pytest

from gateway.flows import record, record_run
from gateway.flows.record import Recorded, RecordWriter
from tests.integration.record_log import RecordLog, a_draft, recorded

FIRST = record_run.ALONE_MAX + 1


async def one(writer: RecordWriter) -> Recorded:
    (outcome,) = await writer.append([a_draft()], source="a")
    return recorded(outcome)


def batch_of(entry: Recorded) -> int:
    """Return the size of the tree that an entry was released under: one for each batch."""
    assert entry.under is not None
    return entry.under.size


async def test_who_comes_while_others_wait_is_in_their_batch(
    record_log: RecordLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_run, "LINGER_S", 0.5)
    monkeypatch.setattr(record_run, "COMPANY_S_MAX", 20.0)
    async with record_log.writer() as writer:
        first = [asyncio.create_task(one(writer)) for _ in range(FIRST)]
        await asyncio.sleep(0.05)  # the writer has seen them
        entries = await asyncio.gather(*first, *(one(writer) for _ in range(5)))

    assert len({batch_of(entry) for entry in entries}) == 1


async def test_nobody_waits_longer_than_a_batch_may_grow(
    record_log: RecordLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_run, "LINGER_S", 0.05)
    monkeypatch.setattr(record_run, "COMPANY_S_MAX", 0.0)
    async with record_log.writer() as writer:
        first = [asyncio.create_task(one(writer)) for _ in range(FIRST)]
        early = await asyncio.gather(*first)
        late = await one(writer)

    assert len({batch_of(entry) for entry in early}) == 1
    assert batch_of(late) > batch_of(early[0])


async def test_alone_waits_for_nobody(
    record_log: RecordLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_run, "LINGER_S", 3600.0)
    async with record_log.writer() as writer, asyncio.timeout(20):
        for _ in range(3):
            await one(writer)


async def test_what_was_recorded_a_moment_ago_is_recalled_without_reading(
    record_log: RecordLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "RECENT_MAX", 2)
    async with record_log.writer() as writer:
        entries = [await one(writer) for _ in range(3)]
        recalled = await writer.recall([*(entry.entry_id for entry in entries), "0" * 32])

    assert recalled == {entry.entry_id: entry for entry in entries}
    assert [recalled[entry.entry_id] is entry for entry in entries] == [False, True, True]
    assert [recalled[entry.entry_id].under is None for entry in entries] == [True, False, False]
