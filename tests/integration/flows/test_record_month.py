"""Months are index ranges: a batch has one time, in one month, which never runs backwards."""

from datetime import UTC, datetime, timedelta

from codes.canonical import TOKYO, parse_instant
from gateway.flows.record_read import RecordReader, Search
from gateway.storage.records import read_months
from tests.integration.record_log import ORGANISATION, RecordLog, SetClock, a_draft, recorded


def _month_end() -> datetime:
    """Return the first instant of the next month in Tokyo."""
    here = datetime.now(TOKYO)
    following = here.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)
    return following.replace(day=1).astimezone(UTC)


async def test_entries_on_both_sides_of_a_month_s_end_stand_in_their_months(
    record_log: RecordLog,
) -> None:
    clock, end = record_log.clock, _month_end()
    assert isinstance(clock, SetClock)
    async with record_log.writer() as writer:
        clock.moment = end - timedelta(milliseconds=2)
        before = recorded((await writer.append([a_draft()], source="a"))[0])
        clock.moment = end - timedelta(milliseconds=1)
        after = [recorded(o) for o in await writer.append([a_draft(), a_draft()], source="a")]

    async with record_log.database.read() as connection:
        months = list((await read_months(connection))[0].items())
    assert parse_instant(before.time) == end - timedelta(milliseconds=1)
    assert {parse_instant(entry.time) for entry in after} == {end}
    last = end.astimezone(TOKYO)
    assert months[-1] == (last.year * 100 + last.month, after[0].index)
    assert months[-2][1] <= before.index


async def test_time_in_a_slot_never_decreases(record_log: RecordLog) -> None:
    clock = record_log.clock
    assert isinstance(clock, SetClock)
    async with record_log.writer() as writer:
        first = recorded((await writer.append([a_draft()], source="a"))[0])
        clock.moment -= timedelta(seconds=20)
        second = recorded((await writer.append([a_draft()], source="a"))[0])
    async with record_log.writer() as writer:
        third = recorded((await writer.append([a_draft()], source="a"))[0])

    assert first.time == second.time == third.time


async def test_each_month_s_private_parts_lie_under_its_own_key(record_log: RecordLog) -> None:
    clock, end = record_log.clock, _month_end()
    assert isinstance(clock, SetClock)
    reader = RecordReader(
        database=record_log.database, organisation=ORGANISATION, keys=record_log.keys
    )
    async with record_log.writer() as writer:
        await writer.append([a_draft()], source="a")
        clock.moment = end
        await writer.append([a_draft()], source="a")

    found = await reader.search(Search(kinds=["records-read"]))

    assert [entry.private for entry in found] == [{"note": "x"}, {"note": "x"}]
    assert len({entry.stored.month for entry in found}) == 2
