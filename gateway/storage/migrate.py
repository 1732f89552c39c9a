"""The schema and how it grows: numbered files, forward only, each in a transaction of its own.

A file that was applied never changes: its SHA-256 stands in the database. Everything runs
under one advisory lock, as the owner of the schema.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import Final, LiteralString

import asyncpg

from gateway.errors import ConfigurationError, UnavailableError
from gateway.storage.database import CHECKER_ROLE, CONNECT_TIMEOUT_S, Connection

APP_ROLE: Final = "sekisho_app"
_PACKAGE: Final = "gateway.storage"
_NAME: Final = re.compile(r"(?P<number>\d{4})_[a-z][a-z0-9_]*\.sql", re.ASCII)
_LOCK: Final[LiteralString] = "SELECT pg_advisory_lock(4, 0)"
_CREATE: Final[LiteralString] = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        number integer PRIMARY KEY,
        name text NOT NULL,
        sha256 bytea NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""
_GRANT: Final[LiteralString] = "GRANT SELECT ON schema_migrations TO sekisho_app"
_IS_THERE: Final[LiteralString] = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_APPLIED: Final[LiteralString] = (
    "SELECT number, name, sha256 FROM schema_migrations ORDER BY number"
)
_INSERT: Final[LiteralString] = """
    INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)
"""
_HAS_ROLE: Final[LiteralString] = "SELECT true FROM pg_roles WHERE rolname = $1"


class SchemaError(ConfigurationError):
    """The database's schema is not the one this release works with."""

    problem = "wrong-schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema, as shipped."""

    number: int
    name: str
    sql: str = field(repr=False)

    @property
    def sha256(self) -> bytes:
        """The digest by which a changed file is noticed."""
        return sha256(self.sql.encode()).digest()


def shipped_migrations() -> list[Migration]:
    """Return the migrations of this release, in order.

    Raises:
        SchemaError: a file is misnamed, or two have one number.
    """
    found = []
    for entry in files(_PACKAGE).joinpath("migrations").iterdir():
        match = _NAME.fullmatch(entry.name)
        if match is None:
            raise SchemaError(f"not a migration: {entry.name}")
        found.append(
            Migration(
                number=int(match["number"]),
                name=entry.name,
                sql=entry.read_text(encoding="utf-8"),
            )
        )
    found.sort(key=lambda migration: migration.number)
    if len({migration.number for migration in found}) != len(found):
        raise SchemaError("two migrations have one number")
    return found


async def migrate(dsn: str, migrations: Sequence[Migration] | None = None) -> list[Migration]:
    """Bring the schema up to this release and return what was applied.

    Raises:
        SchemaError: the schema is newer, an applied file was changed, or one was skipped.
        UnavailableError: nobody answers at the DSN.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise UnavailableError(f"database: {type(error).__name__}") from error
    try:
        await connection.execute(_LOCK)
        return await _migrate(
            connection, shipped_migrations() if migrations is None else migrations
        )
    finally:
        await connection.close()


async def check_schema(
    connection: Connection, migrations: Sequence[Migration] | None = None
) -> None:
    """Refuse to work on a schema older or newer than this release.

    Raises:
        SchemaError: it is; the message says which way.
    """
    is_there = await connection.fetchval(_IS_THERE)
    applied = await connection.fetch(_APPLIED) if is_there else []
    missing = _missing(applied, shipped_migrations() if migrations is None else migrations)
    if missing:
        raise SchemaError(f"run `sekisho migrate`: {missing[0].name} has not been applied")


async def _migrate(
    connection: "asyncpg.Connection[asyncpg.Record]", migrations: Sequence[Migration]
) -> list[Migration]:
    for role in (APP_ROLE, CHECKER_ROLE):
        if not await connection.fetchval(_HAS_ROLE, role):
            raise SchemaError(f"the database has no role {role}; create it first")
    if not await connection.fetchval(_IS_THERE):
        await connection.execute(_CREATE)
        await connection.execute(_GRANT)
    missing = _missing(await connection.fetch(_APPLIED), migrations)
    for migration in missing:
        await _apply(connection, migration)
    return missing


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(_INSERT, migration.number, migration.name, migration.sha256)
    except asyncpg.PostgresError as error:
        raise SchemaError(f"{migration.name}: {error}") from error


def _missing(applied: Sequence[asyncpg.Record], migrations: Sequence[Migration]) -> list[Migration]:
    """Return what is to be applied, which must come after everything that was."""
    shipped = {migration.number: migration for migration in migrations}
    for row in applied:
        known = shipped.get(row["number"])
        if known is None:
            raise SchemaError(f"the schema is newer than this release: {row['name']}")
        if known.sha256 != row["sha256"]:
            raise SchemaError(f"{known.name} was changed after it was applied")
    last = max((row["number"] for row in applied), default=0)
    done = {row["number"] for row in applied}
    missing = [migration for migration in migrations if migration.number not in done]
    if missing and missing[0].number < last:
        raise SchemaError(f"{missing[0].name} was skipped")
    return missing
