"""The provision-checker's role reads what it derives decisions from, and can do nothing else."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.errors import ConfigurationError
from gateway.storage.database import CHECKER_ROLE, Database, as_role
from gateway.storage.preflight import preflight_checker
from tests.conftest import Dsns

READ = {
    *("log_entries", "log_months", "erasures", "decision_basis", "basis_documents"),
    *("stop_switches", "subject_flags"),
}
# What `SET` and `RESET` could take off, if the right were not missing.
TAKEN_OFF = (
    "SET default_transaction_read_only = off",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "RESET ROLE",
    "RESET SESSION AUTHORIZATION",
)


@pytest.fixture
async def checker(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The checker's session, after it took off everything that it can."""
    async with database.read_only() as reading, reading.read() as connection:
        for statement in TAKEN_OFF:
            await connection.execute(statement)
        yield connection  # type: ignore[misc]  # a pooled one does the same


@pytest.fixture
async def superuser(dsns: Dsns) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsns.superuser)
    yield connection
    await connection.close()


def checker_dsn(dsns: Dsns) -> str:
    return as_role(dsns.app, CHECKER_ROLE)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO stop_switches DEFAULT VALUES",
        "UPDATE subject_flags SET until = now()",
        "DELETE FROM log_entries",
        "DELETE FROM outbox",
        "TRUNCATE decision_basis",
        "SELECT log_make_months()",
        "SELECT 1 FROM log_entries FOR UPDATE",
        "CREATE TABLE public.mine (id integer)",
        "SET ROLE sekisho_app",
    ],
)
async def test_what_it_may_not_it_cannot_though_it_takes_read_only_off(
    checker: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await checker.execute(statement)


async def test_its_transactions_are_begun_read_only_besides(database: Database) -> None:
    async with database.read_only() as reading, reading.read() as connection:
        assert await connection.fetchval("SHOW transaction_read_only") == "on"
        assert await connection.fetchval("SELECT session_user") == CHECKER_ROLE


async def test_it_reads_exactly_what_it_needs(
    superuser: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rows = await superuser.fetch(
        "SELECT relname::text AS name FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S')"
        " AND relnamespace = 'public'::regnamespace"
        " AND has_table_privilege($1, oid, 'SELECT')",
        CHECKER_ROLE,
    )

    assert {row["name"] for row in rows} == READ


async def test_the_role_as_it_is_made_is_taken(dsns: Dsns) -> None:
    await preflight_checker(checker_dsn(dsns))


async def test_the_running_role_and_its_owner_check_nothing(dsns: Dsns) -> None:
    for dsn, said in (
        (dsns.app, "role sekisho_app: may write to access_tokens"),
        (dsns.owner, "role sekisho_owner: owns"),
        (dsns.superuser, "is superuser"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            await preflight_checker(dsn)


@pytest.mark.parametrize(
    ("power", "said"),
    [
        ("GRANT INSERT ON outbox TO sekisho_checker", "may write to outbox"),
        ("GRANT UPDATE (until) ON stop_switches TO sekisho_checker", "may write to stop_switches"),
        ("GRANT EXECUTE ON FUNCTION days_drop TO PUBLIC", "may call days_drop"),
        ("GRANT CREATE ON SCHEMA public TO sekisho_checker", "may make objects"),
    ],
)
async def test_a_checker_that_could_write_is_refused(
    dsns: Dsns, superuser: "asyncpg.Connection[asyncpg.Record]", power: str, said: str
) -> None:
    await superuser.execute(power)

    with pytest.raises(ConfigurationError, match=f"database.checker_dsn: .*{said}"):
        await preflight_checker(checker_dsn(dsns))


async def test_a_checker_that_may_become_who_writes_is_refused(
    dsns: Dsns, superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await superuser.execute("CREATE ROLE climber LOGIN")
    await superuser.execute("GRANT sekisho_app TO climber WITH INHERIT FALSE")
    try:
        with pytest.raises(ConfigurationError, match="role climber: may write to"):
            await preflight_checker(as_role(dsns.app, "climber"))
    finally:
        await superuser.execute("DROP ROLE climber")


async def test_a_role_that_is_not_let_in_is_a_matter_of_settings(dsns: Dsns) -> None:
    with pytest.raises(ConfigurationError, match=r"database\.checker_dsn: .* make sekisho_checker"):
        await preflight_checker(as_role(dsns.app, "nobody_known"))
