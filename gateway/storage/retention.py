"""What is due to end, ended batch by batch, and when each term was last seen to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from gateway.storage.database import Connection

COUNTED_MAX: Final = 100_000
"""Beyond so many due rows the plan counts no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one table whose term runs from `since` (an SQL expression), those `where` says."""

    table: LiteralString
    since: LiteralString
    where: LiteralString = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """How many rows are past their term (at most `COUNTED_MAX`), and when the oldest began."""

    rows: int
    oldest: datetime | None


_PARTS: Final[dict[str, LiteralString]] = {
    "due": """
        SELECT (SELECT count(*) FROM (
                    SELECT FROM {table} WHERE {where} AND {since} <= $1 LIMIT $2) AS d) AS due,
               (SELECT min({since}) FROM {table} WHERE {where}) AS oldest
    """,
    "drop": """
        DELETE FROM {table}
         WHERE ctid = ANY (ARRAY(
               SELECT ctid FROM {table} WHERE {where} AND {since} <= $1 LIMIT $2))
    """,
}


async def due(connection: Connection, rows: Rows, *, before: datetime) -> Due:
    """Count the rows whose term began at `before` or earlier."""
    row = await connection.fetchrow(_query("due", rows), before, COUNTED_MAX)
    return Due(rows=row["due"], oldest=row["oldest"]) if row else Due(rows=0, oldest=None)


async def drop(connection: Connection, rows: Rows, *, before: datetime, limit: int) -> int:
    """Delete so many of the rows whose term began at `before` or earlier; return how many."""
    tag = await connection.execute(_query("drop", rows), before, limit)
    return int(tag.rpartition(" ")[2])


_DAYS_DUE: Final[LiteralString] = """
    SELECT count(*) FILTER (WHERE d.day < d.first_kept) AS due,
           min(d.day)::timestamp AT TIME ZONE d.zone AS oldest
      FROM (SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day, t.zone,
                   (now() AT TIME ZONE t.zone)::date - t.kept AS first_kept
              FROM day_tables AS t
              JOIN pg_inherits AS i ON i.inhparent = to_regclass(format('public.%I', t.name))
              JOIN pg_class AS c ON c.oid = i.inhrelid
             WHERE t.name = $1) AS d
     GROUP BY d.zone
"""


async def days_due(connection: Connection, table: str) -> Due:
    """Count the day partitions of a table that are past their term."""
    row = await connection.fetchrow(_DAYS_DUE, table)
    return Due(rows=row["due"], oldest=row["oldest"]) if row else Due(rows=0, oldest=None)


# One worker of the instance at a time; a connection that cannot give the lock back ends with it.
_LEASE: Final[LiteralString] = "SELECT pg_try_advisory_lock(7, 0)"
_GIVE_BACK: Final[LiteralString] = "SELECT pg_advisory_unlock(7, 0)"


@asynccontextmanager
async def leased(connection: Connection) -> AsyncIterator[bool]:
    """Tell whether this caller alone ends terms now, until the context ends."""
    is_ours = bool(await connection.fetchval(_LEASE))
    try:
        yield is_ours
    finally:
        if is_ours:
            try:
                await connection.execute(_GIVE_BACK)
            except BaseException:
                connection.terminate()
                raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """When a term was last begun with and last seen to, and what went wrong since."""

    age_s: float
    done_at: datetime | None
    problem: str | None


_RUNS: Final[LiteralString] = """
    SELECT term, extract(epoch FROM now() - begun_at)::float8 AS age_s, done_at, problem
      FROM retention_runs
"""


async def runs(connection: Connection) -> dict[str, Run]:
    """Return the last run of every term that was ever begun with."""
    return {
        row["term"]: Run(age_s=row["age_s"], done_at=row["done_at"], problem=row["problem"])
        for row in await connection.fetch(_RUNS)
    }


_BEGUN: Final[LiteralString] = """
    INSERT INTO retention_runs (term) VALUES ($1)
    ON CONFLICT (term) DO UPDATE SET begun_at = now()
"""


async def begun(connection: Connection, term: str) -> None:
    """Say that a term is being seen to."""
    await connection.execute(_BEGUN, term)


_ENDED: Final[LiteralString] = """
    UPDATE retention_runs
       SET done_at = CASE WHEN $2::text IS NULL THEN now() ELSE done_at END, problem = $2
     WHERE term = $1
"""


async def ended(connection: Connection, term: str, problem: str | None = None) -> None:
    """Say that a term was seen to, or what kept it from being."""
    await connection.execute(_ENDED, term, problem)


def _query(part: str, rows: Rows) -> LiteralString:
    return (
        _PARTS[part]
        .replace("{table}", rows.table)
        .replace("{since}", rows.since)
        .replace("{where}", rows.where)
    )
