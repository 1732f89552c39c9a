"""What a pooled connection costs, and in which state the next one finds it."""

import asyncio

import asyncpg
import pytest

from gateway.storage.database import Database
from gateway.storage.replica_batches import sweeping
from tests.conftest import Dsns

LAST_STATEMENT = "SELECT query FROM pg_stat_activity WHERE pid = $1"


async def test_a_connection_that_comes_back_asks_nothing_more_of_the_server(
    database: Database, dsns: Dsns
) -> None:
    async with database.read() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid() AS mine")

    other = await asyncpg.connect(dsns.app)
    last = await other.fetchval(LAST_STATEMENT, pid)
    await other.close()

    assert last == "SELECT pg_backend_pid() AS mine"


async def test_a_transaction_left_open_is_rolled_back_when_its_connection_comes_back(
    dsns: Dsns,
) -> None:
    database = await Database.open(dsns.app, connections_max=1)
    async with database.read() as connection:
        transaction = connection.transaction()
        await transaction.start()

    async with database.read() as connection:
        assert not connection.is_in_transaction()
    await database.close()


async def sweep_and_break(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Take the lock and leave the connection in a transaction that takes no statement any more."""
    async with sweeping(connection) as is_alone:
        assert is_alone
        await connection.execute("BEGIN")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.execute("SELECT 1 / 0")


async def test_a_sweeping_lock_that_cannot_be_given_back_ends_its_connection(dsns: Dsns) -> None:
    one, other = await asyncpg.connect(dsns.app), await asyncpg.connect(dsns.app)
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await sweep_and_break(one)

    is_alone = False
    while not is_alone:
        async with sweeping(other) as is_alone:
            await asyncio.sleep(0.01)
    await other.close()

    assert one.is_closed()
