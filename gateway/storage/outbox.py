"""Rows of the outbox: what others must be told, until they say they know."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, LiteralString

import msgspec

from gateway.storage.database import Connection
from gateway.storage.effects import Effect

LEASE_S: Final = 60.0
BACK_OFF_S_MAX: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEffect(Effect):
    """One thing to tell `destination`; `body` holds ids only, nothing personal.

    `after_s` is how long the row lets the worker that wrote it tell from memory first;
    `keep_s` is when it is given up.
    """

    KIND: ClassVar[str] = "outbox"
    ORDER: ClassVar[int] = 90

    outbox_id: str
    kind: str
    destination: str
    body: dict[str, object] = field(repr=False)
    after_s: float
    keep_s: float

    @property
    def key(self) -> str:
        """Return the row's id."""
        return self.outbox_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One thing that is due to be told."""

    outbox_id: str
    destination: str
    body: dict[str, object]
    attempts: int
    last_problem: str | None = None


_PUT: Final[LiteralString] = """
    INSERT INTO outbox (outbox_id, kind, destination, body, next_attempt_at, expires_at)
    SELECT w.outbox_id, $2, w.destination, w.body, now(), now() + make_interval(secs => $5)
      FROM unnest($1::text[], $3::text[], $4::jsonb[]) AS w (outbox_id, destination, body)
    ON CONFLICT (outbox_id) DO NOTHING
"""


async def put(connection: Connection, rows: Sequence[OutboxEffect]) -> None:
    """Tell again what was told before, at once; what still waits to be told stays as it is.

    The rows are of one kind.
    """
    if rows:
        await connection.execute(
            _PUT,
            [row.outbox_id for row in rows],
            rows[0].kind,
            [row.destination for row in rows],
            [msgspec.json.encode(row.body).decode() for row in rows],
            rows[0].keep_s,
        )


# SKIP LOCKED and the lease: workers share the rows, and a worker that dies gives its rows back.
_CLAIM: Final[LiteralString] = """
    UPDATE outbox
       SET next_attempt_at = now() + make_interval(secs => $3), attempts = attempts + 1
     WHERE outbox_id IN (
           SELECT outbox_id FROM outbox
            WHERE kind = $1 AND next_attempt_at <= now() AND expires_at > now()
              AND destination <> ALL ($4::text[])
            ORDER BY next_attempt_at
            LIMIT $2
              FOR UPDATE SKIP LOCKED)
    RETURNING outbox_id, destination, body, attempts, last_problem
"""


async def claim(
    connection: Connection, kind: str, *, limit: int, but_to: Sequence[str] = ()
) -> list[OutboxRow]:
    """Take rows that are due for this worker alone, until their lease ends.

    None to the destinations of `but_to`.
    """
    rows = await connection.fetch(_CLAIM, kind, limit, LEASE_S, list(but_to))
    return [
        OutboxRow(
            outbox_id=row["outbox_id"],
            destination=row["destination"],
            body=msgspec.json.decode(row["body"], type=dict[str, object]),
            attempts=row["attempts"],
            last_problem=row["last_problem"],
        )
        for row in rows
    ]


_DONE: Final[LiteralString] = "DELETE FROM outbox WHERE outbox_id = ANY ($1::text[])"


async def done(connection: Connection, outbox_ids: Sequence[str]) -> None:
    """Forget rows whose destination has acknowledged them, or will never take them."""
    await connection.execute(_DONE, list(outbox_ids))


_RETRY: Final[LiteralString] = """
    UPDATE outbox AS o
       SET next_attempt_at =
               now() + make_interval(secs => least($3, power(2, least(attempts, 20)))),
           last_problem = $2
     WHERE outbox_id = ANY ($1::text[])
"""


async def retry(connection: Connection, outbox_ids: Sequence[str], problem: str) -> None:
    """Ask again later, twice as late each time, five minutes at most."""
    await connection.execute(_RETRY, list(outbox_ids), problem, BACK_OFF_S_MAX)


_LAPSED: Final[LiteralString] = """
    DELETE FROM outbox WHERE expires_at <= now() RETURNING kind
"""


async def drop_lapsed(connection: Connection) -> list[str]:
    """Give up what nobody took in its time, and say of which kinds it was."""
    return [row["kind"] for row in await connection.fetch(_LAPSED)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many rows of one kind wait, and how many of them their destination refused last."""

    rows: int = 0
    refused: int = 0


_WAITING: Final[LiteralString] = """
    SELECT kind, count(*) AS waiting,
           count(*) FILTER (WHERE last_problem = ANY ($1::text[])) AS refused
      FROM outbox GROUP BY kind
"""


async def waiting(connection: Connection, *, refusals: Sequence[str]) -> dict[str, Waiting]:
    """Return for each kind how many rows wait; `refusals` are the problems that are a no."""
    return {
        row["kind"]: Waiting(rows=row["waiting"], refused=row["refused"])
        for row in await connection.fetch(_WAITING, list(refusals))
    }
