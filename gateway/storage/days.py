"""Day partitions: made ahead, dropped when their term ends. Which days is the schema's to say."""

from dataclasses import dataclass
from datetime import date
from typing import Final, LiteralString

from gateway.storage.database import Connection

ANSWERS: Final = ("answers", "answered_inquiries")
ASSERTIONS: Final = "client_assertions"
CORE: Final = ("core_inquiries", "core_contacts", "core_outcomes")

_MAKE: Final[LiteralString] = "SELECT days_make($1)"
_DROP: Final[LiteralString] = "SELECT days_drop($1)"


async def make(connection: Connection, table: str) -> list[date]:
    """Make the partitions that what happens now may fall into; return their days."""
    return list(await connection.fetchval(_MAKE, table))


async def turn(connection: Connection, table: str) -> list[str]:
    """Make the days to come and drop those whose term is over; return what was dropped."""
    await make(connection, table)
    return list(await connection.fetchval(_DROP, table))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Which days a table keeps: none before `first`; `standing` are there, in term or not."""

    first: date
    standing: frozenset[date]


_KEPT: Final[LiteralString] = """
    SELECT (now() AT TIME ZONE t.zone)::date - t.kept AS first,
           ARRAY(SELECT to_date(right(c.relname, 8), 'YYYYMMDD')
                   FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
                  WHERE i.inhparent = to_regclass(format('public.%I', t.name))) AS standing
      FROM day_tables AS t
     WHERE t.name = $1
"""


async def kept(connection: Connection, table: str) -> Kept:
    """Return which days of a table stand and from which on they are in their term."""
    row = await connection.fetchrow(_KEPT, table)
    assert row is not None, table
    return Kept(first=row["first"], standing=frozenset(row["standing"]))
