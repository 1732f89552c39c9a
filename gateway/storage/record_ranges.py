"""Where a period lies in a slot, and the notes of peers received in it: what an export needs."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A slot's part of a period, with a neighbour on each side."""

    first: int
    end: int
    covered: int
    """How many entries the slot had when the period ended."""


# What is below it is erased: no export begins there.
_MINIMUM: Final[LiteralString] = """
    SELECT coalesce(max(minimum), 0) FROM log_minimums WHERE slot = $1
"""


async def range_of(
    connection: Connection, slot: int, size: int, *, begins: datetime, ends: datetime
) -> Range:
    """Return where a period lies in a slot whose tree has this size.

    An empty range at the slot's end where everything in it is erased.
    """
    before: int | None = await connection.fetchval(_BEFORE, slot, begins)
    after: int | None = await connection.fetchval(_AFTER, slot, ends)
    minimum: int = await connection.fetchval(_MINIMUM, slot)
    if minimum >= size:
        return Range(first=size, end=size, covered=size)
    first = max(minimum, before if before is not None else 0)
    end = min(size, after + 1) if after is not None else size
    first = min(first, size - 1)
    return Range(
        first=first,
        end=max(end, first + 1),
        covered=size if after is None else min(size, after),
    )


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
