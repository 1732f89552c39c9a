"""The schema grows forward only, by files that never change."""

import asyncpg
import pytest

from gateway.storage.database import Database
from gateway.storage.migrate import (
    Migration,
    SchemaError,
    check_schema,
    migrate,
    shipped_migrations,
)
from tests.conftest import Dsns

_NEXT = Migration(number=9999, name="9999_more.sql", sql="CREATE TABLE more (id integer)")


async def test_a_migrated_schema_is_the_one_this_release_works_with(database: Database) -> None:
    async with database.read() as connection:
        await check_schema(connection)


async def test_migrating_again_applies_nothing(dsns: Dsns) -> None:
    assert await migrate(dsns.owner) == []


async def test_only_what_is_missing_is_applied(dsns: Dsns) -> None:
    assert await migrate(dsns.owner, [*shipped_migrations(), _NEXT]) == [_NEXT]


async def test_an_older_schema_is_refused(database: Database) -> None:
    async with database.read() as connection:
        with pytest.raises(SchemaError, match=r"9999_more\.sql has not been applied"):
            await check_schema(connection, [*shipped_migrations(), _NEXT])


async def test_a_newer_schema_is_refused(database: Database, dsns: Dsns) -> None:
    await migrate(dsns.owner, [*shipped_migrations(), _NEXT])

    async with database.read() as connection:
        with pytest.raises(SchemaError, match=r"newer than this release: 9999_more\.sql"):
            await check_schema(connection)
    with pytest.raises(SchemaError, match=r"newer than this release: 9999_more\.sql"):
        await migrate(dsns.owner)


async def test_a_migration_changed_after_it_was_applied_is_refused(dsns: Dsns) -> None:
    first, *others = shipped_migrations()
    changed = Migration(number=first.number, name=first.name, sql=first.sql + "-- more\n")

    with pytest.raises(SchemaError, match="was changed after it was applied"):
        await migrate(dsns.owner, [changed, *others])


async def test_a_migration_below_an_applied_one_is_refused(dsns: Dsns) -> None:
    late = Migration(number=0, name="0000_late.sql", sql="SELECT 1")

    with pytest.raises(SchemaError, match=r"0000_late\.sql was skipped"):
        await migrate(dsns.owner, [late, *shipped_migrations()])


async def test_a_failing_migration_leaves_nothing_behind(dsns: Dsns) -> None:
    broken = Migration(
        number=9999, name="9999_broken.sql", sql="CREATE TABLE half (id integer); SELECT 1 / 0"
    )

    with pytest.raises(SchemaError, match=r"9999_broken\.sql: division by zero"):
        await migrate(dsns.owner, [*shipped_migrations(), broken])

    connection = await asyncpg.connect(dsns.owner)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_entries SET leaf = ''",
        "DELETE FROM log_entries",
        "TRUNCATE log_entries",
        "DROP TABLE log_entries",
        "UPDATE log_tiles SET hashes = NULL",
        "DELETE FROM log_tiles",
        "DELETE FROM log_slots",
        "UPDATE log_months SET first_index = 0",
        "UPDATE peer_checkpoints SET note = ''",
        "INSERT INTO gate (is_only) VALUES (true)",
        "CREATE TABLE mine (id integer)",
        "UPDATE schema_migrations SET number = 7",
    ],
)
async def test_the_running_role_may_not_rewrite_the_log(database: Database, statement: str) -> None:
    async with database.read() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_partitions_reach_from_last_month_to_two_months_ahead(database: Database) -> None:
    async with database.read() as connection:
        months = await connection.fetchval("SELECT log_make_months()")

        found = await connection.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
            " WHERE inhparent = 'log_entries'::regclass"
        )
    assert sorted(row["name"] for row in found) == [f"log_entries_{month}" for month in months]


async def test_a_database_without_one_of_the_roles_is_not_migrated(
    dsns: Dsns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.storage.migrate.CHECKER_ROLE", "sekisho_nobody")

    with pytest.raises(SchemaError, match="has no role sekisho_nobody; create it first"):
        await migrate(dsns.owner)
