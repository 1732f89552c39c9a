"""Day partitions of the core: made ahead, dropped at their term, never earlier."""

from datetime import UTC, date, datetime, timedelta

import asyncpg

from codes.canonical import tokyo_day
from gateway.storage.core_codes import sweep_requests
from gateway.storage.core_days import drop_days, make_days
from gateway.storage.database import Database
from tests.conftest import Dsns

_ADD = """
    SELECT partition_add($1, $1 || '_' || to_char($2::date, 'YYYYMMDD'),
                         format('%I >= %L AND %I < %L', $3::text, $2::date, $3::text, $2::date + 1),
                         format('FOR VALUES FROM (%L) TO (%L)', $2::date, $2::date + 1))
"""


def today() -> date:
    return tokyo_day(datetime.now(UTC))


async def partitions(database: Database) -> set[str]:
    async with database.read() as connection:
        rows = await connection.fetch(
            "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
            " WHERE c.relname LIKE 'core\\_%' AND c.relkind = 'r'"
        )
    return {row["relname"] for row in rows}


async def test_the_days_an_inquiry_may_be_of_are_there_and_making_them_again_does_nothing(
    database: Database,
) -> None:
    async with database.read() as connection:
        made = await make_days(connection)
        before = await partitions(database)
        await make_days(connection)

    assert made[0] == today() - timedelta(days=8)
    assert made[-1] == today() + timedelta(days=2)
    assert len(before) == 3 * len(made)
    assert await partitions(database) == before


async def test_days_are_dropped_when_their_term_is_over_and_not_before(
    database: Database, dsns: Dsns
) -> None:
    owner = await asyncpg.connect(dsns.owner)
    for table, column, days in (
        ("core_inquiries", "inquiry_day", (80, 81)),
        ("core_outcomes", "inquiry_day", (80, 81)),
        ("core_contacts", "day", (8, 9)),
    ):
        for ago in days:
            await owner.execute(_ADD, table, today() - timedelta(days=ago), column)
    await owner.close()

    async with database.read() as connection:
        dropped = await drop_days(connection)

    def name(table: str, ago: int) -> str:
        return f"{table}_{today() - timedelta(days=ago):%Y%m%d}"

    assert set(dropped) == {
        name("core_contacts", 9),
        name("core_inquiries", 81),
        name("core_outcomes", 81),
    }
    assert {name("core_contacts", 8), name("core_inquiries", 80)} <= await partitions(database)


async def test_acquisition_numbers_end_when_they_lapse_and_made_codes_a_month_later(
    database: Database,
) -> None:
    now = datetime.now(UTC)
    person = b"\1" * 32
    rows = [
        (b"live" * 4, now + timedelta(days=1), None, None),
        (b"late" * 4, now - timedelta(seconds=1), None, None),
        (b"made" * 4, now - timedelta(days=29), person, "acquired"),
        (b"gone" * 4, now - timedelta(days=31), person, "acquired"),
    ]
    async with database.read() as connection:
        await connection.executemany(
            "INSERT INTO core_code_requests"
            " (organisation, request_id, number, expires_at, person, state)"
            " VALUES ('nagaoka', gen_random_uuid(), $1, $2, $3, $4)",
            rows,
        )

        await sweep_requests(connection, now=now, linked_before=now - timedelta(days=30))

        left = await connection.fetch("SELECT number FROM core_code_requests")
    assert {bytes(row["number"][:4]) for row in left} == {b"live", b"made"}
