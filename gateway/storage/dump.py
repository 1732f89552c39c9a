"""Everything a database of ours holds, table by table, as it was at one instant.

Read as the owner, in one transaction that sees one snapshot and cannot write; COPY in its binary
format gives every value back bit for bit. The schema is not read: the release's own migrations
make it, so that nothing of a backup is ever executed.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, LiteralString, TypeAlias

import asyncpg

from gateway.errors import UnavailableError
from gateway.storage.database import CONNECT_TIMEOUT_S, WriterConnection
from gateway.storage.migrate import check_schema
from gateway.storage.slots import SlotState
from gateway.storage.tiles import read_slots

Put: TypeAlias = Callable[[bytes], Coroutine[None, None, None]]

SEEDED: Final = ("schema_migrations", "day_tables")
"""Tables that the migrations fill, and nobody else."""

# Rows of the log in the order of their slots: by the index, never sorted.
_SESSION: Final = {
    "application_name": "sekisho-backup",
    "enable_sort": "off",
    "enable_seqscan": "off",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
}
# Tables before those that refer to them; days and months last: the log is held against what the
# small tables say. Each partition is a table of its own.
_TABLES: Final[LiteralString] = """
    WITH RECURSIVE tables AS (
        SELECT c.oid, c.relname::text AS name, p.relname::text AS of, c.relkind,
               coalesce(p.oid, c.oid) AS family
          FROM pg_class AS c
          LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
          LEFT JOIN pg_class AS p ON p.oid = i.inhparent
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
           AND NOT c.relname = ANY ($1::text[])
    ), refers AS (
        SELECT conrelid AS oid, confrelid AS to FROM pg_constraint
         WHERE contype = 'f' AND conrelid <> confrelid
    ), depths AS (
        SELECT oid, 0 AS depth FROM tables
         UNION
        SELECT r.oid, d.depth + 1 FROM depths AS d JOIN refers AS r ON r.to = d.oid
    )
    SELECT t.name, t.of,
           (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute AS a
             WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND a.attgenerated = '') AS columns
      FROM tables AS t
     ORDER BY t.of IS NOT NULL, (SELECT max(d.depth) FROM depths AS d WHERE d.oid = t.oid), t.name
"""
# The text of a query, made where names are quoted as the server quotes them.
_QUERY: Final[LiteralString] = """
    SELECT format('SELECT %s FROM public.%I%s',
                  (SELECT string_agg(quote_ident(c), ', ' ORDER BY n)
                     FROM unnest($2::text[]) WITH ORDINALITY AS w (c, n)),
                  $1::text, CASE WHEN $3 THEN ' ORDER BY slot, index' ELSE '' END)
"""
_EXISTS: Final[LiteralString] = "SELECT format('SELECT EXISTS (SELECT FROM public.%I)', $1::text)"
_SEQUENCES: Final[LiteralString] = """
    SELECT sequencename::text AS name, last_value FROM pg_sequences
     WHERE schemaname = 'public' ORDER BY 1
"""
_APPLIED: Final[LiteralString] = "SELECT number, sha256 FROM schema_migrations ORDER BY number"
_ARCHIVES: Final[LiteralString] = "SELECT month, digest FROM operation_archives ORDER BY month"
_GATE: Final[LiteralString] = "SELECT version FROM gate"
_EXPORT: Final[LiteralString] = """
    SELECT format('SET TRANSACTION SNAPSHOT %L', pg_export_snapshot())
"""
_NOW: Final[LiteralString] = "SELECT now()"
LOG_ENTRIES: Final = "log_entries"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """A table, or one partition `of` a table, and its columns in order."""

    name: str
    of: str | None
    columns: tuple[str, ...]


class Snapshot:
    """One instant of a database.

    One connection keeps the instant and no lock on what is copied. Another looks at each table in
    a short transaction of its own: whoever drops a day meanwhile waits for one table at most, and
    nobody waits behind them.
    """

    def __init__(
        self, connection: WriterConnection, copying: WriterConnection, *, adopt: str
    ) -> None:
        """`adopt` is the statement by which a transaction sees this instant."""
        self._connection = connection
        self._copying = copying
        self._adopt = adopt

    async def taken_at(self) -> datetime:
        """Return the instant, by the server's clock."""
        moment: datetime = await self._connection.fetchval(_NOW)
        return moment

    async def tables(self) -> list[StoredTable]:
        """Return what there is to copy, in an order in which it can be loaded."""
        return await stored_tables(self._connection)

    async def slots(self) -> list[SlotState]:
        """Return how far each slot of the record log had come."""
        return list((await read_slots(self._connection)).values())

    async def sequences(self) -> dict[str, int | None]:
        """Return the value each sequence gave last."""
        rows = await self._connection.fetch(_SEQUENCES)
        return {row["name"]: row["last_value"] for row in rows}

    async def archives(self) -> list[tuple[int, str]]:
        """Return month and digest of every archive of operation records."""
        rows = await self._connection.fetch(_ARCHIVES)
        return [(row["month"], row["digest"]) for row in rows]

    async def migrations(self) -> list[tuple[int, bytes]]:
        """Return number and SHA-256 of each step of the schema."""
        return [(row["number"], row["sha256"]) for row in await self._connection.fetch(_APPLIED)]

    async def gate(self) -> int:
        """Return the gate's version."""
        version: int = await self._connection.fetchval(_GATE)
        return version

    async def has_rows(self, table: StoredTable) -> bool:
        """Tell whether there is anything to copy; nothing is left of a day that ended since."""
        try:
            async with self._at_this_instant() as connection:
                return await has_rows(connection, table)
        except asyncpg.UndefinedTableError:
            if table.of is None or table.of == LOG_ENTRIES:
                raise
            return False

    async def copy(self, table: StoredTable, put: Put) -> int:
        """Give every row of a table to `put`, in pieces, and return how many there were."""
        is_log = table.of == LOG_ENTRIES
        async with self._at_this_instant() as connection:
            query = await connection.fetchval(_QUERY, table.name, table.columns, is_log)
            tag = await connection.copy_from_query(query, output=put, format="binary")
        return int(tag.rpartition(" ")[2])

    @asynccontextmanager
    async def _at_this_instant(self) -> AsyncIterator[WriterConnection]:
        async with self._copying.transaction(isolation="repeatable_read", readonly=True):
            await self._copying.execute(self._adopt)
            yield self._copying


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerDatabase:
    """A database as its owner reaches it."""

    dsn: str = field(repr=False)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[WriterConnection]:
        """Lend a connection of the owner's.

        Raises:
            UnavailableError: nobody answers there, or lets us in.
        """
        try:
            connection = await asyncpg.connect(
                self.dsn, timeout=CONNECT_TIMEOUT_S, server_settings=_SESSION
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise UnavailableError(f"database: {type(error).__name__}") from error
        try:
            yield connection
        finally:
            connection.terminate()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Lend one instant of the database; it is of this release's schema.

        Raises:
            SchemaError: it is not.
            UnavailableError: the database is not there, or went away.
        """
        try:
            async with (
                self.connection() as connection,
                self.connection() as copying,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                await check_schema(connection)
                adopt = await connection.fetchval(_EXPORT)
                yield Snapshot(connection, copying, adopt=adopt)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise UnavailableError(f"database: {type(error).__name__}") from error


async def has_rows(connection: WriterConnection, table: StoredTable) -> bool:
    """Tell whether a table has a row."""
    query = await connection.fetchval(_EXISTS, table.name)
    return bool(await connection.fetchval(query))


async def stored_tables(connection: WriterConnection) -> list[StoredTable]:
    """Return every table that holds rows of its own, those first that others refer to."""
    rows = await connection.fetch(_TABLES, list(SEEDED))
    return [
        StoredTable(name=row["name"], of=row["of"], columns=tuple(row["columns"])) for row in rows
    ]
