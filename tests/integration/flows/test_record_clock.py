"""No entry bears a time that cannot be, and nothing has to be mended when the clock is right again.

The clocks here are not moved on purpose as others of the tests are: they are off.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

import asyncpg
import pytest
from structlog.testing import capture_logs

from codes.canonical import parse_instant
from gateway import metrics
from gateway.clock import CLOCK_OFF_MAX, SystemClock
from gateway.errors import ClockOffError
from gateway.flows import record_clock
from gateway.flows.record import RecordWriter
from gateway.flows.record_types import SlotAheadError
from tests.conftest import Dsns
from tests.integration.record_log import RecordLog, SetClock, a_draft, recorded

SECOND = timedelta(seconds=1)
FAR = CLOCK_OFF_MAX + 10 * SECOND
NEAR = CLOCK_OFF_MAX - 10 * SECOND


@dataclass(slots=True)
class _WrongClock:
    """The machine's clock after somebody, or something, set it."""

    wrong_by: timedelta = timedelta(0)

    def now(self) -> datetime:
        return SystemClock().now() + self.wrong_by

    def monotonic(self) -> float:
        return SystemClock().monotonic()

    def ahead_of(self, other: datetime) -> timedelta:
        return self.now() - other


@pytest.fixture
def clock() -> _WrongClock:
    return _WrongClock()


@pytest.fixture
async def writer(record_log: RecordLog, clock: _WrongClock) -> AsyncIterator[RecordWriter]:
    wrong = cast("SystemClock", clock)  # as good as one, but for what it shows
    async with replace(record_log, clock=wrong).writer() as running:
        yield running


async def append(writer: RecordWriter) -> datetime:
    """Record one entry and return its time."""
    (outcome,) = await writer.append([a_draft()], source="a")
    return parse_instant(recorded(outcome).time)


@pytest.mark.parametrize("wrong_by", [FAR, -FAR])
async def test_a_clock_that_is_off_stamps_nothing_and_the_slot_goes_on_when_it_is_right(
    writer: RecordWriter, clock: _WrongClock, wrong_by: timedelta
) -> None:
    before, slot = await append(writer), writer.slot

    clock.wrong_by = wrong_by
    with capture_logs() as lines:
        for _ in range(2):
            with pytest.raises(ClockOffError):
                await append(writer)
        told = metrics.DATABASE_CLOCK_OFF._value.get()
        clock.wrong_by = timedelta(0)
        after = await append(writer)

    assert before <= after < before + FAR / 2
    assert writer.slot == slot
    assert told == pytest.approx(FAR.total_seconds(), abs=5)
    assert metrics.DATABASE_CLOCK_OFF._value.get() < 5
    assert [line["event"] for line in lines] == ["stamps_refused", "stamps_taken_again"]
    assert lines[0]["problem"] == "clock-off"


async def test_a_clock_that_is_a_little_off_is_borne(
    writer: RecordWriter, clock: _WrongClock
) -> None:
    before = await append(writer)
    clock.wrong_by = NEAR
    ahead = await append(writer)
    clock.wrong_by = timedelta(0)
    after = await append(writer)

    assert ahead >= before + NEAR
    assert after == ahead  # time never decreases within a slot


class _DatabaseClock:
    """What our sessions take for the database's clock: set by the test, and counting its looks."""

    def __init__(self, owner: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._owner = owner

    async def put_in_place(self) -> None:
        name = await self._owner.fetchval("SELECT current_database()")
        await self._owner.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
        await self._owner.execute("CREATE SEQUENCE looks")
        await self.set_ahead(timedelta(0))

    async def set_ahead(self, ahead: timedelta) -> None:
        await self._owner.execute(
            "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz"
            " LANGUAGE sql VOLATILE SECURITY DEFINER AS $$ SELECT nextval('public.looks');"
            f" SELECT pg_catalog.clock_timestamp() + interval '{ahead.total_seconds()} s' $$"
        )

    async def looks(self) -> int:
        looks: int = await self._owner.fetchval("SELECT last_value FROM looks")
        return looks


@pytest.fixture
async def database_clock(dsns: Dsns) -> AsyncIterator[_DatabaseClock]:
    connection = await asyncpg.connect(dsns.superuser)
    await (clock := _DatabaseClock(connection)).put_in_place()
    yield clock
    await connection.close()


async def test_a_database_whose_own_clock_is_off_is_noticed_at_the_next_look(
    database_clock: _DatabaseClock, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_clock, "LOOK_S", 0.0)
    await append(writer)

    await database_clock.set_ahead(FAR)
    with pytest.raises(ClockOffError):
        await append(writer)
    await database_clock.set_ahead(timedelta(0))
    await append(writer)


async def test_the_database_is_not_asked_for_every_batch(
    database_clock: _DatabaseClock, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_clock, "LOOK_S", 3_600.0)
    await append(writer)
    before = await database_clock.looks()
    for _ in range(5):
        await append(writer)

    assert await database_clock.looks() == before


async def test_a_machine_that_slept_asks_the_database_before_it_refuses(
    database_clock: _DatabaseClock,
    writer: RecordWriter,
    clock: _WrongClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Time went on without its monotonic clock; what it remembers of the database is of before."""
    monkeypatch.setattr(record_clock, "LOOK_S", 3_600.0)
    before = await append(writer)

    await database_clock.set_ahead(FAR)
    clock.wrong_by = FAR

    assert await append(writer) >= before + FAR


async def test_a_slot_that_is_ahead_rests_until_its_time_has_come(record_log: RecordLog) -> None:
    clock = record_log.clock
    assert isinstance(clock, SetClock)
    async with record_log.writer() as writer:
        clock.moment += 2 * FAR
        ahead = await append(writer)
        clock.moment -= 2 * FAR

        with capture_logs() as lines, pytest.raises(SlotAheadError):
            await append(writer)
        told = metrics.RECORD_SLOT_AHEAD._value.get()
        clock.moment = ahead - NEAR
        borne = await append(writer)

    assert borne == ahead
    assert told == pytest.approx(2 * FAR.total_seconds(), abs=5)
    assert [(line["event"], line["problem"]) for line in lines] == [
        ("stamps_refused", "slot-ahead")
    ]


async def test_whoever_takes_a_slot_that_is_ahead_leaves_it_at_rest_too(
    record_log: RecordLog,
) -> None:
    clock = record_log.clock
    assert isinstance(clock, SetClock)
    async with record_log.writer() as writer:
        clock.moment += 2 * FAR
        await append(writer)
        clock.moment -= 2 * FAR

    async with record_log.writer() as writer:
        with pytest.raises(SlotAheadError):
            await append(writer)
        clock.moment += 2 * FAR
        await append(writer)
