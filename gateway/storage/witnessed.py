"""What this organisation cosigned as a witness: one row a stream, moved by compare-and-set."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, LiteralString

from gateway.storage.database import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """The newest checkpoint of one stream that we cosigned."""

    origin: str
    size: int
    root: bytes
    note: str = field(repr=False)
    """The checkpoint with its log's two lines."""


_FIND: Final[LiteralString] = """
    SELECT size, root, note FROM witnessed WHERE origin = $1
"""


async def find_witnessed(connection: Connection, origin: str) -> Witnessed | None:
    """Return what was cosigned last of a stream, if anything was."""
    row = await connection.fetchrow(_FIND, origin)
    if row is None:
        return None
    return Witnessed(origin=origin, size=row["size"], root=row["root"], note=row["note"])


_EVERY: Final[LiteralString] = """
    SELECT origin, size, root, note FROM witnessed ORDER BY origin
"""


async def every_witnessed(connection: Connection) -> list[Witnessed]:
    """Return what was cosigned last of every stream, by origin."""
    return [
        Witnessed(origin=row["origin"], size=row["size"], root=row["root"], note=row["note"])
        for row in await connection.fetch(_EVERY)
    ]


_FIRST: Final[LiteralString] = """
    INSERT INTO witnessed (origin, size, root, note, cosigned_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (origin) DO NOTHING
    RETURNING true
"""
_NEXT: Final[LiteralString] = """
    UPDATE witnessed SET size = $2, root = $3, note = $4, cosigned_at = $5
     WHERE origin = $1 AND size = $6 AND root = $7
    RETURNING true
"""


async def advance(
    database: Database, new: Witnessed, *, before: Witnessed | None, at: datetime
) -> bool:
    """Set what was cosigned last, if it is still `before`; tells whether it was.

    Raises:
        UnavailableError: it is not certain that this is stored for good; sign nothing.
    """
    values = (new.origin, new.size, new.root, new.note, at)
    async with database.certain() as connection:
        if before is None:
            is_set = await connection.fetchval(_FIRST, *values)
        else:
            is_set = await connection.fetchval(_NEXT, *values, before.size, before.root)
    return is_set is not None
