"""A backup's rows put into an empty database, all of them or none.

As the owner, into the schema that the release's own migrations made: constraints are in place, and
only tables and columns of that schema are written. `sekisho serve` finds afterwards what was
restored and when (`restores`), and how far each slot had come (`log_restored`).
"""

import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, LiteralString

import asyncpg

from certs.errors import BackupError
from gateway.domain.backup import BackupMigration, BackupSequence, BackupTable
from gateway.errors import RefusedError
from gateway.storage.database import WriterConnection
from gateway.storage.dump import LOG_ENTRIES, OwnerDatabase, StoredTable, has_rows, stored_tables
from gateway.storage.migrate import Migration, SchemaError, migrate, shipped_migrations

STOPPED: Final = "backup-restored"
"""Reason of the stop switch that a restore sets where more may have followed the backup."""

_SEEDS: Final = ("gate", "cosign_lease")
_MONTH: Final = re.compile(r"log_entries_(?P<month>\d{6})", re.ASCII)
_DAY: Final = re.compile(r"(?P<table>[a-z_]+)_(?P<day>\d{8})", re.ASCII)

# Nobody opens streams or reads the gate until it is decided.
_LOCK: Final[LiteralString] = "LOCK TABLE log_slots, gate IN ACCESS EXCLUSIVE MODE"
_DROP_SEEDS: Final[LiteralString] = """
    WITH gone AS (DELETE FROM gate) DELETE FROM cosign_lease
"""
_ADD_MONTH: Final[LiteralString] = """
    SELECT partition_add('log_entries', 'log_entries_' || $1::integer, format('month = %s', $1),
                         format('FOR VALUES IN (%s)', $1))
"""
_ADD_DAY: Final[LiteralString] = """
    SELECT partition_add(name, name || '_' || to_char($2::date, 'YYYYMMDD'),
                         format('%1$I >= DATE %2$L AND %1$I < DATE %3$L', day_column, $2, $2 + 1),
                         format('FOR VALUES FROM (%L) TO (%L)', $2, $2 + 1))
      FROM day_tables WHERE name = $1
"""
_SET_SEQUENCE: Final[LiteralString] = """
    SELECT setval(format('public.%I', sequencename)::regclass, $2)
      FROM pg_sequences WHERE schemaname = 'public' AND sequencename = $1
"""
# Sessions and tokens are of another time, and may have been ended since.
_END_SESSIONS: Final[LiteralString] = """
    WITH gone AS (DELETE FROM staff_sessions) DELETE FROM access_tokens
"""
_TELL: Final[LiteralString] = """
    INSERT INTO restores (backup_id, taken_at, is_whole) VALUES ($1, $2, $3)
"""
_FORGET_STANDS: Final[LiteralString] = "DELETE FROM log_restored"
_STANDS: Final[LiteralString] = """
    INSERT INTO log_restored (slot, size) SELECT slot, size FROM log_slots WHERE NOT is_frozen
"""
_STOP: Final[LiteralString] = """
    INSERT INTO stop_switches (switch_id, by, value, reason, maker)
    SELECT replace(gen_random_uuid()::text, '-', ''), 'all', '', $1, $1
     WHERE NOT EXISTS (SELECT FROM stop_switches WHERE reason = $1 AND lifted_at IS NULL)
"""
_MOVE_GATE: Final[LiteralString] = "SELECT gate_change()"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOrder:
    """Which backup is restored, and the operator's word on what came after it."""

    backup_id: str
    taken_at: datetime
    is_whole: bool
    """Nothing was done after the backup was taken."""
    stops: bool
    """Set the stop switch (role gateway): flags and switches set since are lost."""


class Loading:
    """One transaction into which a backup is put."""

    def __init__(self, connection: WriterConnection, tables: Sequence[StoredTable]) -> None:
        self._connection = connection
        self._tables = {table.name: table for table in tables}

    async def table(self, table: BackupTable, content: AsyncIterable[bytes]) -> None:
        """Put the rows of one table, or of one partition of one.

        Raises:
            BackupError: unknown-table, another-shape, row-count, not-loadable.
        """
        if table.of is not None and table.name not in self._tables:
            await self._add_partition(table)
        known = self._tables.get(table.name)
        if known is None or known.of != table.of:
            raise BackupError("unknown-table", table.name)
        if known.columns != tuple(table.columns):
            raise BackupError("another-shape", table.name)
        try:
            tag = await self._connection.copy_to_table(
                table.name,
                source=content,
                columns=list(table.columns),
                schema_name="public",
                format="binary",
            )
        except asyncpg.PostgresError as error:
            # The server's words quote the row.
            raise BackupError("not-loadable", f"{table.name}: {type(error).__name__}") from None
        if int(tag.rpartition(" ")[2]) != table.rows:
            raise BackupError("row-count", table.name)

    async def sequence(self, sequence: BackupSequence) -> None:
        """Let a sequence go on behind the value it gave last."""
        if sequence.last_value is not None:
            await self._connection.fetchval(_SET_SEQUENCE, sequence.name, sequence.last_value)

    async def finish(self, order: RestoreOrder) -> None:
        """Say what was restored, and stop what may no longer go on as if nothing had happened."""
        await self._connection.execute(_END_SESSIONS)
        await self._connection.execute(_TELL, order.backup_id, order.taken_at, order.is_whole)
        await self._connection.execute(_FORGET_STANDS)
        if not order.is_whole:
            await self._connection.execute(_STANDS)
            if order.stops:
                await self._connection.execute(_STOP, STOPPED)
        await self._connection.fetchval(_MOVE_GATE)

    async def _add_partition(self, table: BackupTable) -> None:
        month, day = _MONTH.fullmatch(table.name), _DAY.fullmatch(table.name)
        if table.of == LOG_ENTRIES and month is not None:
            await self._connection.fetchval(_ADD_MONTH, int(month["month"]))
        elif day is not None and day["table"] == table.of:
            try:
                moment = date.fromisoformat(day["day"])
            except ValueError:
                raise BackupError("unknown-table", table.name) from None
            await self._connection.fetchval(_ADD_DAY, table.of, moment)
        self._tables = {one.name: one for one in await stored_tables(self._connection)}


@asynccontextmanager
async def loading(
    owner: OwnerDatabase, applied: Sequence[BackupMigration]
) -> AsyncIterator[Loading]:
    """Lend the transaction for one backup; it is committed if the context ends well.

    The schema is brought to where the backup's was, and afterwards up to this release.

    Raises:
        SchemaError: the backup, or the database, is of another release.
        RefusedError: database-not-empty, naming the first table with rows.
        UnavailableError: the database is not there.
    """
    await migrate(owner.dsn, _migrations(applied))
    async with owner.connection() as connection, connection.transaction():
        await connection.execute(_LOCK)
        tables = await stored_tables(connection)
        await _require_empty(connection, tables)
        await connection.execute(_DROP_SEEDS)
        yield Loading(connection, tables)
    await migrate(owner.dsn)


def _migrations(applied: Sequence[BackupMigration]) -> list[Migration]:
    """Return the release's own migrations up to where the backup's schema was."""
    shipped = shipped_migrations()[: len(applied)]
    ours = [(one.number, one.sha256.hex()) for one in shipped]
    if ours != [(one.number, one.sha256) for one in applied]:
        raise SchemaError("the backup is of another release's schema: restore it with that release")
    return shipped


async def _require_empty(connection: WriterConnection, tables: Sequence[StoredTable]) -> None:
    for table in tables:
        if table.name not in _SEEDS and await has_rows(connection, table):
            raise RefusedError(
                f"the database is not empty: {table.name}; restore into a new one",
                reason="database-not-empty",
            )
