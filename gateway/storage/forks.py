"""Logs that signed two trees: found once, recorded once."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection, fetch
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A checkpoint that we held, and another of the same log that contradicts it."""

    origin: str
    size: int
    root: bytes
    held_note: str = field(repr=False)
    other_note: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkRecorded(Effect):
    """The fork has its entry; refused if it had one before."""

    KIND: ClassVar[str] = "fork_recorded"

    origin: str
    size: int
    root: bytes

    @property
    def key(self) -> str:
        """The checkpoint that was held."""
        return f"{self.origin}\n{self.size}\n{self.root.hex()}"


_ADD: Final[LiteralString] = """
    INSERT INTO forks_found (origin, size, root, held_note, other_note, found_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (origin, size, root) DO NOTHING
    RETURNING true
"""


async def add_fork(connection: Connection, fork: Fork, *, at: datetime) -> bool:
    """Keep a fork; tells whether it was not known yet."""
    added = await connection.fetchval(
        _ADD, fork.origin, fork.size, fork.root, fork.held_note, fork.other_note, at
    )
    return added is not None


_UNRECORDED: Final[LiteralString] = """
    SELECT origin, size, root, held_note, other_note
      FROM forks_found
     WHERE NOT is_recorded
     ORDER BY found_at
     LIMIT $1
"""


async def unrecorded_forks(connection: Connection, limit: int) -> list[Fork]:
    """Return forks that have no entry yet, the oldest first."""
    return [Fork(**dict(row)) for row in await fetch(connection, _UNRECORDED, limit)]
