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

TOGETHER = 40
FACTOR = 100
"""How many rows a full day has for each that is there."""
ROWS_MORE_MAX = 12
"""Rows of one table that an exchange may read more: pages fill, batches differ."""

HEX = "replace(gen_random_uuid()::text, '-', '')"
HASH = "'\\x' || encode(sha256(gen_random_uuid()::text::bytea), 'hex')"
UUID = "gen_random_uuid()"
LOG = {
    "slot": "7",
    "index": "nextval('copies')",
    "entry_id": UUID,
    "permit_id": UUID,
    "subject": HASH,
    "leaf": "'\\x00'",
    "private": "'\\x00'",
}
FILLED = {
    cast.CORE: {
        "core_inquiries": {"leaf": HASH, "entry_id": UUID, "permit_id": UUID},
        "core_contacts": {"contact": HASH},
        "core_outcomes": {"permit_id": UUID, "leaf": HASH, "of": HASH, "entry_id": UUID},
        "core_holders": {"person": HASH},
        "log_entries": LOG,
    },
    cast.GUNMA_UNION: {
        "inquiries": {"inquiry_id": HEX, "entry_id": HEX, "permit_id": HEX},
        "network_codes": {"subject": HASH, "code": HASH},
        "log_entries": LOG,
    },
    cast.NAGAOKA: {
        "answers": {"permit_id": HEX},
        "answered_inquiries": {"leaf": HASH, "permit_id": UUID},
        "network_codes": {"subject": HASH, "code": HASH},
        "replicas": {"subject": HASH},
        "log_entries": LOG,
    },
}
"""What a day adds, and what must differ in each copy of a row."""

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
    for name in FILLED:
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


async def day_is_filled(network: Network, postgres: EmbeddedPostgres) -> None:
    """Copy the rows there are, and make every plan anew as autovacuum would have it made."""
    for name, tables in FILLED.items():
        database = network.parties[name].worker.dsn.split("?")[0].rpartition("/")[2]
        connection = await asyncpg.connect(postgres.dsn(SUPERUSER, database))
        await connection.execute("CREATE SEQUENCE copies")
        for table, changed in tables.items():
            members = ", ".join(f"'{column}', {value}" for column, value in changed.items())
            await connection.execute(
                f"INSERT INTO {table} SELECT (jsonb_populate_record(s.t, jsonb_build_object("
                f"{members}))).* FROM (SELECT r AS t FROM {table} AS r LIMIT {TOGETHER}) AS s,"
                f" generate_series(1, {FACTOR})"
            )
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") > TOGETHER * FACTOR
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
    await exchanged(network, numbers)

    at_first = await read_by_a_round(network, numbers)
    await day_is_filled(network, postgres)
    at_last = await read_by_a_round(network, numbers)

    # What waits to be told is looked at again and again, and is as much as at first.
    more = {
        name: (rows - at_first[name]) / TOGETHER
        for name, rows in at_last.items()
        if not name.endswith("outbox")
    }
    assert {name: rows for name, rows in more.items() if rows > ROWS_MORE_MAX} == {}
