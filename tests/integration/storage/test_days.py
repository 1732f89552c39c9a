"""Day partitions: made ahead, dropped at their term, never earlier, by one worker at a time."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from codes.canonical import tokyo_day
from gateway.flows.presented import INQUIRY_AGE_MAX, REQUEST_LIFE_MAX
from gateway.storage import days
from gateway.storage.database import Database
from tests.conftest import Dsns

_ADD = """
    SELECT partition_add($1, $1 || '_' || to_char($2::date, 'YYYYMMDD'),
                         format('%I >= %L AND %I < %L', $3::text, $2::date, $3::text, $2::date + 1),
                         format('FOR VALUES FROM (%L) TO (%L)', $2::date, $2::date + 1))
"""
_PARTITIONS = """
    SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
     WHERE i.inhparent = to_regclass($1) AND c.relkind = 'r'
"""
_WAITING = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 3 AND NOT granted
"""


def today(table: str) -> date:
    now = datetime.now(UTC)
    return now.date() if table == days.ASSERTIONS else tokyo_day(now)


def name(table: str, ago: int) -> str:
    return f"{table}_{today(table) - timedelta(days=ago):%Y%m%d}"


async def partitions(database: Database, table: str) -> set[str]:
    async with database.read() as connection:
        return {row["relname"] for row in await connection.fetch(_PARTITIONS, table)}


async def add(dsns: Dsns, table: str, column: str, *ago: int) -> None:
    owner = await asyncpg.connect(dsns.owner)
    for days_ago in ago:
        await owner.execute(_ADD, table, today(table) - timedelta(days=days_ago), column)
    await owner.close()


@pytest.mark.parametrize(
    ("table", "behind", "ahead"),
    [
        ("answers", 1, 32),
        ("answered_inquiries", 39, 2),
        (days.ASSERTIONS, 1, 7),
        *((table, 8, 2) for table in days.CORE),
    ],
)
async def test_the_days_that_may_be_asked_for_are_made_and_making_them_again_does_nothing(
    database: Database, table: str, behind: int, ahead: int
) -> None:
    async with database.read() as connection:
        made = await days.make(connection, table)
        before = await partitions(database, table)
        again = await days.make(connection, table)

    assert made == [today(table) + timedelta(days=n) for n in range(-behind, ahead + 1)]
    assert again == made
    assert before == {f"{table}_{day:%Y%m%d}" for day in made}
    assert await partitions(database, table) == before


@pytest.mark.parametrize(
    ("table", "column", "kept"),
    [
        ("answers", "day", 8),
        ("answered_inquiries", "day", 40),
        (days.ASSERTIONS, "day", 1),
        ("core_contacts", "day", 8),
        ("core_inquiries", "inquiry_day", 80),
        ("core_outcomes", "inquiry_day", 80),
    ],
)
async def test_days_are_dropped_when_their_term_is_over_and_not_before(
    database: Database, dsns: Dsns, table: str, column: str, kept: int
) -> None:
    await add(dsns, table, column, kept, kept + 1, kept + 2)

    async with database.read() as connection:
        dropped = await days.turn(connection, table)

    assert dropped == [name(table, kept + 2), name(table, kept + 1)]
    left = await partitions(database, table)
    assert min(left) == name(table, kept)
    assert max(left) > name(table, 0)


async def test_of_two_workers_one_drops_a_day_and_the_other_finds_it_gone(
    database: Database, dsns: Dsns
) -> None:
    await add(dsns, "answers", "day", 9)
    owner = await asyncpg.connect(dsns.owner)
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("SELECT pg_advisory_xact_lock(3, hashtext($1))", "answers")

    async def drop() -> list[str]:
        async with database.read() as connection:
            return list(await connection.fetchval("SELECT days_drop($1)", "answers"))

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        dropping = [group.create_task(drop()) for _ in range(2)]
        while await owner.fetchval(_WAITING) < len(dropping):
            await asyncio.sleep(0.01)
        await transaction.rollback()
    await owner.close()

    assert sorted(task.result() for task in dropping) == [[], [name("answers", 9)]]


async def test_the_running_role_cannot_say_which_days_end(database: Database) -> None:
    async with database.read() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE day_tables SET kept = 0, behind = 0")
        with pytest.raises(asyncpg.NoDataFoundError):
            await connection.execute("SELECT days_drop('log_entries')")


def test_an_answered_inquiry_is_known_as_long_as_any_request_for_it_lives() -> None:
    assert timedelta(days=39) > REQUEST_LIFE_MAX + INQUIRY_AGE_MAX
