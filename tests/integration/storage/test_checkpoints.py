"""Whoever was given nothing of a slot is told so without a look through the log."""

import json

import asyncpg
import pytest

from gateway.storage.checkpoints import _HOLDS, holds_statement
from gateway.storage.database import Database
from tests.conftest import Dsns

ENTRIES = 5_000
_FILL = """
    INSERT INTO log_entries (month, slot, index, entry_id, time, kind, leaf, leaf_hash, private,
                             counterparty)
    SELECT to_char(now() AT TIME ZONE 'Asia/Tokyo', 'YYYYMM')::integer, $1, n, gen_random_uuid(),
           now(), $2, '', sha256(n::text::bytea), '', $3
      FROM generate_series(1, $4::integer) AS n
"""


async def fill(dsns: Dsns, slot: int, kind: str, counterparty: str, count: int) -> None:
    owner = await asyncpg.connect(dsns.superuser)
    await owner.execute(_FILL, slot, kind, counterparty, count)
    await owner.close()


@pytest.mark.parametrize(
    ("kind", "asked", "is_holder"),
    [
        ("provision", (0, "union"), True),
        ("provision", (1, "union"), False),
        ("provision", (0, "stranger"), False),
        ("security-events", (0, "union"), False),
    ],
)
async def test_only_a_statement_of_this_slot_makes_a_holder(
    database: Database,
    dsns: Dsns,
    kind: str,
    asked: tuple[int, str],
    is_holder: bool,  # noqa: FBT001
) -> None:
    await fill(dsns, 0, kind, "union", 1)

    async with database.read() as connection:
        assert await holds_statement(connection, *asked) is is_holder


async def test_a_stranger_costs_no_scan_of_the_log(database: Database, dsns: Dsns) -> None:
    await fill(dsns, 0, "provision", "union", ENTRIES)
    await fill(dsns, 1, "security-events", "stranger", ENTRIES)

    async with database.read() as connection:
        plans = [
            json.loads(
                await connection.fetchval(
                    f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_HOLDS}", slot, "stranger"
                )
            )[0]["Plan"]
            for slot in (0, 1)
        ]

    # A few pages for each month there is, whatever they hold.
    assert all(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 50 for plan in plans)
