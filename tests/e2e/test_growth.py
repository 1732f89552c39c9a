"""An exchange reads no more rows on a full day than on an empty one."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import asyncpg
import pytest

from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order

PARTIES = (cast.CORE, cast.GUNMA_UNION, cast.NAGAOKA)
TOGETHER = 40
ROUNDS_BEFORE = 2
ROUNDS_BETWEEN = 8
ROWS_MORE_MAX = 12
"""Rows of one table that an exchange may read more: pages fill, batches differ."""

pytestmark = pytest.mark.timeout(180)

_READ = """
    SELECT regexp_replace(relname, '_[0-9]{6,8}$', '') AS name,
           sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint AS rows
      FROM pg_stat_user_tables GROUP BY 1
     UNION ALL
    SELECT 'index of ' || regexp_replace(relname, '_[0-9]{6,8}$', ''),
           sum(idx_tup_read)::bigint
      FROM pg_stat_user_indexes GROUP BY 1
"""


async def rows_read(network: Network) -> Counter[str]:
    """Return how many rows everybody has read of each table until now."""
    read: Counter[str] = Counter()
    for name in PARTIES:
        connection = await asyncpg.connect(network.parties[name].worker.dsn)
        for row in await connection.fetch(_READ):
            read[f"{name} {row['name']}"] += row["rows"]
        await connection.close()
    return read


async def exchanged(network: Network, numbers: Sequence[UnifiedNumber]) -> None:
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire

    async def one(number: UnifiedNumber) -> InquiryState:
        inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
        await inquire.wait(inquiry_id, 30)
        return (await inquire.find(inquiry_id, REGISTRATION)).row.state

    assert set(await asyncio.gather(*map(one, numbers))) == {InquiryState.PROVIDED}


async def read_by_a_round(network: Network, numbers: Sequence[UnifiedNumber]) -> Counter[str]:
    # What a backend read is known to others a second later at the earliest.
    before = await settled(network)
    await exchanged(network, numbers)
    return await settled(network) - before


async def statistics_come(network: Network, postgres: EmbeddedPostgres) -> None:
    """Let every plan be made anew, with what autovacuum would find in the course of a day."""
    for name in PARTIES:
        database = network.parties[name].worker.dsn.split("?")[0].rpartition("/")[2]
        connection = await asyncpg.connect(postgres.dsn(SUPERUSER, database))
        await connection.execute("ANALYZE")
        await connection.close()


async def settled(network: Network) -> Counter[str]:
    """Return the rows read once nobody reads any more."""
    last = await rows_read(network)
    for _ in range(40):
        await asyncio.sleep(1.1)
        now = await rows_read(network)
        if sum((now - last).values()) < 200:
            return now
        last = now
    raise AssertionError("somebody reads on and on")


async def test_an_exchange_reads_no_more_rows_on_a_full_day(
    network: Network, people: People, postgres: EmbeddedPostgres
) -> None:
    numbers = [
        await people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA)) for _ in range(TOGETHER)
    ]
    for number in numbers:
        await people.put_replica(cast.NAGAOKA, number, TAX, {"XTK0000010000003": 3500})
    for _ in range(ROUNDS_BEFORE):
        await exchanged(network, numbers)

    at_first = await read_by_a_round(network, numbers)
    for _ in range(ROUNDS_BETWEEN):
        await exchanged(network, numbers)
    await statistics_come(network, postgres)
    at_last = await read_by_a_round(network, numbers)

    more = {name: (at_last[name] - rows) / TOGETHER for name, rows in at_first.items()}
    assert {name: rows for name, rows in more.items() if rows > ROWS_MORE_MAX} == {}
