"""Where a period lies in a slot, and the notes of peers received in it: what an export needs."""

from datetime import datetime
from typing import Final, LiteralString

from gateway.storage.database import Connection

# Time never decreases in a slot (PROTOCOL §5), so the neighbours of a period are its bounds.
_BEFORE: Final[LiteralString] = """
    SELECT index FROM log_entries WHERE slot = $1 AND time < $2
     ORDER BY time DESC, index DESC LIMIT 1
"""
_AFTER: Final[LiteralString] = """
    SELECT index FROM log_entries WHERE slot = $1 AND time >= $2
     ORDER BY time, index LIMIT 1
"""


async def range_of(
    connection: Connection, slot: int, size: int, *, begins: datetime, ends: datetime
) -> tuple[int, int]:
    """Return first index and end of a slot's part of a period, a neighbour on each side with it."""
    before: int | None = await connection.fetchval(_BEFORE, slot, begins)
    after: int | None = await connection.fetchval(_AFTER, slot, ends)
    first = before if before is not None else 0
    end = min(size, after + 1) if after is not None else size
    return min(first, size - 1), max(end, min(first, size - 1) + 1)


_PEER_NOTES: Final[LiteralString] = """
    SELECT c.note
      FROM peer_checkpoints AS c
     WHERE (c.received_at >= $1 AND c.received_at < $2)
        OR EXISTS (SELECT FROM peer_slots AS s WHERE s.hash = c.hash)
     ORDER BY c.received_at DESC
     LIMIT $3
"""


async def peer_notes(
    connection: Connection, *, begins: datetime, ends: datetime, limit: int
) -> list[str]:
    """Return peers' checkpoints received in a period, and the largest of each of their slots."""
    return [row["note"] for row in await connection.fetch(_PEER_NOTES, begins, ends, limit)]
