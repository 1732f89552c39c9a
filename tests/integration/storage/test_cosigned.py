"""Cosignatures are thinned to one a minute, and one worker at a time has the turn."""

from datetime import UTC, datetime, timedelta

from gateway.storage.cosigned import (
    Cosignature,
    give_lease_back,
    keep_cosignature,
    take_lease,
    thin_cosignatures,
)
from gateway.storage.database import Database
from tests.conftest import Dsns
from tests.integration.record_log import RecordLog

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ONE, OTHER = "1" * 32, "2" * 32


def line(seconds: int, *, slot: int = 0, witness: str = "core") -> Cosignature:
    return Cosignature(
        slot=slot,
        witness=witness,
        size=1 + seconds,
        at=NOON + timedelta(seconds=seconds),
        key_id=bytes(4),
        signature=bytes(2428),
    )


async def test_the_last_cosignature_of_each_minute_stays(record_log: RecordLog, dsns: Dsns) -> None:
    assert dsns.app
    lines = [line(seconds) for seconds in (0, 20, 59, 60, 61, 300)]
    lines += [line(10, witness="union"), line(10, slot=1)]
    async with record_log.database.transaction() as connection:
        for one in lines:
            await keep_cosignature(connection, one)

    async with record_log.database.read() as connection:
        gone = await thin_cosignatures(connection, since=NOON - DAY, until=NOON + DAY)
        untouched = await thin_cosignatures(connection, since=NOON - DAY, until=NOON)
        rows = await connection.fetch(
            "SELECT slot, witness, extract(epoch FROM cosigned_at - $1)::integer AS second"
            " FROM cosignatures ORDER BY slot, witness, cosigned_at",
            NOON,
        )

    assert (gone, untouched) == (3, 0)
    assert [tuple(row) for row in rows] == [
        *((0, "core", 59), (0, "core", 61), (0, "core", 300)),
        *((0, "union", 10), (1, "core", 10)),
    ]


async def test_only_what_is_old_is_thinned(record_log: RecordLog) -> None:
    async with record_log.database.transaction() as connection:
        for one in (line(0), line(20)):
            await keep_cosignature(connection, one)

    async with record_log.database.read() as connection:
        assert await thin_cosignatures(connection, since=NOON - DAY, until=NOON) == 0


async def test_the_turn_is_one_workers_until_its_time_is_up(database: Database) -> None:
    async with database.read() as connection:
        assert await take_lease(connection, ONE, 60)
        assert not await take_lease(connection, OTHER, 60)
        assert await take_lease(connection, ONE, -1)  # prolonged, into the past
        assert await take_lease(connection, OTHER, 60)
        assert not await take_lease(connection, ONE, 60)
        await give_lease_back(connection, ONE)
        assert not await take_lease(connection, ONE, 60)
        await give_lease_back(connection, OTHER)
        assert await take_lease(connection, ONE, 60)
