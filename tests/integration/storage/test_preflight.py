"""A database is refused for each thing that would break a promise, and told the remedy."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.errors import ConfigurationError, UnavailableError
from gateway.storage.database import STRICT, Database, Demands
from gateway.storage.embedded import APP_ROLE, SUPERUSER, EmbeddedPostgres
from gateway.storage.preflight import preflight, require_writer
from tests.conftest import FORGETFUL, Dsns
from tests.integration.storage.pooler import pooled


@pytest.fixture
async def superuser(dsns: Dsns) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Somebody who may set everything of this database, and of its roles inside it."""
    connection = await asyncpg.connect(dsns.superuser)
    yield connection
    await connection.close()


@pytest.fixture
async def role(
    superuser: "asyncpg.Connection[asyncpg.Record]",
) -> AsyncIterator[str]:
    """A running role of this test's own, with the rights of the real one."""
    name = "another_runner"
    await superuser.execute(f"CREATE ROLE {name} LOGIN")
    await superuser.execute(f"GRANT {APP_ROLE} TO {name}")
    yield name
    await superuser.execute(f"REASSIGN OWNED BY {name} TO {SUPERUSER}")
    await superuser.execute(f"DROP OWNED BY {name}")
    await superuser.execute(f"DROP ROLE {name}")


def as_(role: str, dsns: Dsns) -> str:
    return dsns.app.replace(APP_ROLE, role)


async def test_a_database_as_it_is_laid_is_taken(dsns: Dsns, role: str) -> None:
    await preflight(dsns.app, FORGETFUL)
    await preflight(as_(role, dsns), FORGETFUL)


async def test_a_server_that_does_not_sync_is_refused(dsns: Dsns, database: Database) -> None:
    with pytest.raises(ConfigurationError, match=r"fsync is off.*full_page_writes is off"):
        await preflight(dsns.app, STRICT)

    writer = await database.connect_writer(lambda _: None)
    with pytest.raises(ConfigurationError, match="fsync is off"):
        await require_writer(writer, STRICT)
    await require_writer(writer, FORGETFUL)
    await writer.close()


async def test_a_database_that_does_not_wait_for_its_disk_is_refused_and_not_believed(
    dsns: Dsns, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    name = await superuser.fetchval("SELECT current_database()")
    await superuser.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")

    with pytest.raises(ConfigurationError, match="synchronous_commit is off"):
        await preflight(dsns.app, FORGETFUL)

    # Whoever changes it while we run changes nothing of what our sessions promise.
    database = await Database.open(dsns.app, connections_max=1)
    async with database.certain() as connection:
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await database.close()


async def test_an_encoding_that_takes_any_bytes_is_refused(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn(SUPERUSER, "postgres"))
    await connection.execute(
        "CREATE DATABASE any_bytes ENCODING 'SQL_ASCII' LOCALE_PROVIDER 'libc'"
        " LOCALE 'C' TEMPLATE template0"
    )
    try:
        with pytest.raises(ConfigurationError, match="encoding SQL_ASCII"):
            await preflight(postgres.dsn(database="any_bytes"), FORGETFUL)
    finally:
        await connection.execute("DROP DATABASE any_bytes")
        await connection.close()


async def test_whoever_owns_the_tables_or_everything_does_not_run(dsns: Dsns) -> None:
    with pytest.raises(ConfigurationError, match="is superuser"):
        await preflight(dsns.superuser, FORGETFUL)
    with pytest.raises(ConfigurationError, match=r"owns access_tokens.* and more"):
        await preflight(dsns.owner, FORGETFUL)


@pytest.mark.parametrize(
    ("power", "said"),
    [
        ("GRANT sekisho_owner TO {} WITH INHERIT FALSE", "owns .* can become who does"),
        ("ALTER ROLE {} BYPASSRLS", "is bypassrls"),
        ("ALTER ROLE {} CREATEROLE", "is createrole"),
        ("ALTER ROLE {} REPLICATION", "is replication"),
        ("ALTER TABLE outbox OWNER TO {}", "owns outbox"),
        ("GRANT CREATE ON SCHEMA public TO {}", "may make objects"),
        ("GRANT DELETE ON log_entries TO {}", "may change log_entries"),
        ("GRANT UPDATE (private) ON log_entries TO {}", "may change log_entries"),
        ("GRANT TRUNCATE ON decision_basis TO {}", "may change decision_basis"),
        ("GRANT pg_write_all_data TO {}", "may change basis_documents"),
    ],
)
async def test_a_role_that_could_change_records_does_not_run(
    dsns: Dsns,
    superuser: "asyncpg.Connection[asyncpg.Record]",
    role: str,
    power: str,
    said: str,
) -> None:
    await superuser.execute(power.format(role))

    with pytest.raises(ConfigurationError, match=f"database.dsn: role {role}: .*{said}"):
        await preflight(as_(role, dsns), FORGETFUL)


async def test_a_month_of_records_that_may_be_changed_is_enough(
    dsns: Dsns, superuser: "asyncpg.Connection[asyncpg.Record]", role: str
) -> None:
    month = await superuser.fetchval(
        "SELECT max(inhrelid::regclass::text) FROM pg_inherits"
        " WHERE inhparent = 'log_entries'::regclass"
    )
    await superuser.execute(f"GRANT UPDATE ON {month} TO {role}")

    with pytest.raises(ConfigurationError, match=f"may change {month}"):
        await preflight(as_(role, dsns), FORGETFUL)


async def test_replication_is_refused_where_commits_wait_for_nobody(dsns: Dsns) -> None:
    demands = Demands(may_forget=True, is_replicated=True)

    with pytest.raises(ConfigurationError, match="no synchronous standby"):
        await preflight(dsns.app, demands)

    database = await Database.open(dsns.app, connections_max=1, demands=demands)
    with pytest.raises(UnavailableError, match="no synchronous standby"):
        async with database.certain():
            pytest.fail("nothing is certain here")
    with pytest.raises(UnavailableError, match="no synchronous standby"):
        async with database.snapshot(is_certain=True):
            pass
    await database.close()


@pytest.mark.parametrize(
    "kind", [{"own_keys": True}, {"servers": 2}], ids=["keys of its own", "another session"]
)
async def test_a_pooler_before_the_database_is_refused(
    dsns: Dsns, kind: dict[str, bool | int]
) -> None:
    async with pooled(dsns.app) as nothing_between:
        await preflight(nothing_between, FORGETFUL)
    async with pooled(dsns.app, **kind) as dsn:  # type: ignore[arg-type]  # named above
        with pytest.raises(ConfigurationError, match="leads to a pooler"):
            await preflight(dsn, FORGETFUL)


async def test_a_database_that_is_not_there_is_no_matter_of_settings(
    postgres: EmbeddedPostgres,
) -> None:
    with pytest.raises(UnavailableError, match="InvalidCatalogNameError"):
        await preflight(postgres.dsn(database="nobodys"), FORGETFUL)
