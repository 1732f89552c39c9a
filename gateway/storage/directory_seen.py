"""The highest directory version this organisation has seen, for all its workers and for ever."""

from dataclasses import dataclass
from typing import Final, LiteralString

from gateway.storage.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDirectory:
    """One version of the directory by its number and digest (hex)."""

    version: int
    digest: str


_HIGHEST: Final[LiteralString] = "SELECT version, digest FROM directory_seen"


async def highest(connection: Connection) -> SeenDirectory | None:
    """Return the highest version ever kept, none in a new database."""
    row = await connection.fetchrow(_HIGHEST)
    return None if row is None else SeenDirectory(version=row["version"], digest=row["digest"])


# Of two workers the one with the older version changes nothing.
_KEEP: Final[LiteralString] = """
    INSERT INTO directory_seen AS s (version, digest) VALUES ($1, $2)
    ON CONFLICT (is_only) DO UPDATE
       SET version = EXCLUDED.version, digest = EXCLUDED.digest, seen_at = now()
     WHERE s.version < EXCLUDED.version
"""


async def keep(connection: Connection, seen: SeenDirectory) -> None:
    """Keep a version unless a higher one, or one of that number, is kept already."""
    await connection.execute(_KEEP, seen.version, seen.digest)
