"""Operation records by month, and which months lie in archives."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection, fetch
from gateway.storage.effects import Effect
from gateway.storage.records import EXPORT_CHUNK, OF_NO_EXCHANGE, StoredEntry, stored_entry


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsArchived(Effect):
    """A month's archive was made; refused if there is one, or it is not due, or erased."""

    KIND: ClassVar[str] = "operations_archived"

    month: int
    entry_id: str
    row_count: int
    digest: str
    """Hex SHA-256 of the sealed file."""

    @property
    def key(self) -> str:
        """Return the month."""
        return str(self.month)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRow:
    """An archive that was made of a month (201905)."""

    month: int
    entry_id: str
    row_count: int
    digest: str
    archived_at: datetime


# Months that left the window, have no archive, and are not erased nor about to be.
_DUE: Final[LiteralString] = """
    SELECT DISTINCT m.month
      FROM log_months AS m
     WHERE operations_leave_at(m.month) <= now()
       AND to_regclass('public.log_entries_' || m.month) IS NOT NULL
       AND NOT EXISTS (SELECT FROM operation_archives AS a WHERE a.month = m.month)
     ORDER BY m.month
"""


async def due_months(connection: Connection) -> list[int]:
    """Return the months of which an archive is to be made, oldest first."""
    return [row["month"] for row in await connection.fetch(_DUE)]


_ARCHIVES: Final[LiteralString] = """
    SELECT month, entry_id, row_count, digest, archived_at FROM operation_archives ORDER BY month
"""


async def archives(connection: Connection) -> list[ArchiveRow]:
    """Return every archive that there is, oldest month first."""
    return [ArchiveRow(**dict(row)) for row in await connection.fetch(_ARCHIVES)]


_ONLINE_SINCE: Final[LiteralString] = """
    SELECT (date_trunc('month', now() AT TIME ZONE 'Asia/Tokyo') - interval '3 months')
           AT TIME ZONE 'Asia/Tokyo'
"""


async def online_since(connection: Connection) -> datetime:
    """Return from when on operation records are searched at once: three whole months ago."""
    since: datetime = await connection.fetchval(_ONLINE_SINCE)
    return since


_MONTH: Final[LiteralString] = """
    SELECT entry_id, slot, index, month, time, kind, leaf, leaf_hash, private
      FROM log_entries
     WHERE month = $1 AND (slot, index) > ($2, $3)
"""
_IN_ORDER: Final[LiteralString] = " ORDER BY slot, index LIMIT $4"


async def page_of_month(
    connection: Connection, month: int, *, after: tuple[int, int] = (-1, -1)
) -> list[StoredEntry]:
    """Return the next of a month's operation records, by (slot, index); none: there are no more."""
    query = _MONTH + OF_NO_EXCHANGE + _IN_ORDER
    rows = await fetch(connection, query, month, *after, EXPORT_CHUNK)
    return [stored_entry(row) for row in rows]


_LEAVES: Final[LiteralString] = """
    SELECT e.slot, e.index, e.leaf_hash
      FROM unnest($2::smallint[], $3::bigint[]) AS w (slot, index)
      JOIN log_entries AS e USING (slot, index)
     WHERE e.month = $1
"""


async def leaves(
    connection: Connection, month: int, places: list[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """Return the leaf hashes of a month's entries at these (slot, index)."""
    found: dict[tuple[int, int], bytes] = {}
    for start in range(0, len(places), EXPORT_CHUNK):
        part = places[start : start + EXPORT_CHUNK]
        slots, indexes = [slot for slot, _ in part], [index for _, index in part]
        for row in await fetch(connection, _LEAVES, month, slots, indexes):
            found[row["slot"], row["index"]] = row["leaf_hash"]
    return found
