"""What a pooled connection costs, and in which state the next one finds it."""

import asyncio

import asyncpg
import pytest

from gateway.errors import UnavailableError
from gateway.storage import database as database_module
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.replica_batches import sweeping
from tests.conftest import Dsns, create_database, drop_database

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


async def test_a_database_that_comes_later_is_waited_for(
    postgres: EmbeddedPostgres, migrated_template: str
) -> None:
    name = "comes_later"
    opening = asyncio.create_task(
        Database.open_when_there(postgres.dsn(database=name), connections_max=1, patience_s=20)
    )
    await asyncio.wait({opening}, timeout=0.3)
    assert not opening.done()

    await create_database(postgres, name, migrated_template)
    database = await opening
    async with database.read() as connection:
        assert await connection.fetchval("SELECT current_database()") == name
    await database.close()
    await drop_database(postgres, name)


async def test_a_database_that_does_not_come_is_not_waited_for_longer(
    postgres: EmbeddedPostgres,
) -> None:
    with pytest.raises(UnavailableError, match="InvalidCatalogNameError"):
        await Database.open_when_there(postgres.dsn(database="never"), patience_s=0.3)


async def test_a_connection_that_nobody_gives_back_does_not_keep_it_open(
    dsns: Dsns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "CLOSE_TIMEOUT_S", 0.2)
    opened = await Database.open(dsns.app, connections_max=1)
    kept = await opened.pool.acquire()

    async with asyncio.timeout(10):
        await opened.close()

    with pytest.raises(asyncpg.InterfaceError):
        await kept.fetchval("SELECT 1")


async def test_a_cluster_without_a_leader_is_no_database_for_now(dsns: Dsns) -> None:
    """Whoever writes tries again and again, and must not end of it."""
    nobody = f"{dsns.app}&target_session_attrs=standby"
    database = await Database.open(dsns.app, connections_max=1)
    database._dsn = nobody

    with pytest.raises(UnavailableError, match="TargetServerAttributeNotMatched"):
        await Database.open(nobody)
    with pytest.raises(UnavailableError, match="TargetServerAttributeNotMatched"):
        await database.connect_writer(lambda _: None)
    await database.close()
