"""Batches of replicas: received row by row, applied whole, swept behind."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Final, LiteralString, NamedTuple

import msgspec

from gateway.storage.database import Connection
from gateway.storage.effects import Effect
from gateway.storage.replicas import TABLE

RECEIVING: Final = "receiving"
APPLIED: Final = "applied"
REFUSED: Final = "refused"
ABANDONED: Final = "abandoned"
COPY_TIMEOUT_S: Final = 60.0


class Finding(msgspec.Struct, frozen=True):
    """A row that was refused: which one (from 1) and why; never what it said."""

    ordinal: int
    reason: str


class PutRow(NamedTuple):
    """One row of a batch in the order of its columns."""

    subject: bytes
    term: str
    record_key: str
    generation: int
    ordinal: int
    is_deletion: bool
    period_from: date | None
    period_to: date | None
    published_from: date
    published_until: date | None
    key_year: int
    items_box: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicasApplied(Effect):
    """A received batch counts exactly when the entry says so; it changes the gate."""

    KIND: ClassVar[str] = "replicas_applied"
    ORDER: ClassVar[int] = 5

    batch_id: str
    rows_put: int
    rows_deleted: int
    rows_refused: int
    findings: tuple[Finding, ...]
    digest: bytes

    @property
    def key(self) -> str:
        """Return the batch's id."""
        return self.batch_id


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One batch as it stands."""

    batch_id: str
    client_id: str
    kind: str
    term: str
    layout: str
    generation: int
    state: str
    reason: str | None
    rows_put: int
    rows_deleted: int
    rows_refused: int
    findings: list[Finding]
    digest: bytes | None = field(repr=False)
    created_at: datetime
    applied_at: datetime | None


_BEGIN: Final[LiteralString] = """
    INSERT INTO replica_batches (batch_id, client_id, kind, term, layout, state)
    VALUES ($1, $2, $3, $4, $5, 'receiving')
    RETURNING generation
"""


async def begin(
    connection: Connection, *, batch_id: str, client_id: str, kind: str, term: str, layout: str
) -> int:
    """Begin a batch and return its generation, larger than that of any batch before."""
    generation: int = await connection.fetchval(_BEGIN, batch_id, client_id, kind, term, layout)
    return generation


async def put(connection: Connection, rows: Sequence[PutRow]) -> None:
    """Write rows of a batch to their place; they do not count yet."""
    await connection.copy_records_to_table(
        TABLE, records=rows, columns=PutRow._fields, timeout=COPY_TIMEOUT_S
    )


_REFUSE: Final[LiteralString] = """
    UPDATE replica_batches
       SET state = 'refused', reason = $2, rows_refused = $3, findings = $4::text::jsonb
     WHERE batch_id = $1 AND state = 'receiving'
"""


async def refuse(
    connection: Connection,
    batch_id: str,
    reason: str,
    *,
    rows_refused: int = 0,
    findings: Sequence[Finding] = (),
) -> None:
    """End a batch that will not be applied; its rows go with the next sweep."""
    told = msgspec.json.encode(findings).decode()
    await connection.execute(_REFUSE, batch_id, reason, rows_refused, told)


_FIND: Final[LiteralString] = """
    SELECT batch_id, client_id, kind, term, layout, generation, state, reason, rows_put,
           rows_deleted, rows_refused, findings, digest, created_at, applied_at
      FROM replica_batches
     WHERE batch_id = $1
"""


async def find(connection: Connection, batch_id: str) -> BatchRow | None:
    """Return a batch, whoever's it is."""
    row = await connection.fetchrow(_FIND, batch_id)
    return _batch(row) if row is not None else None


_ABANDON: Final[LiteralString] = """
    UPDATE replica_batches SET state = 'refused', reason = 'abandoned'
     WHERE state = 'receiving' AND created_at <= $1
"""
# Rows of refused batches count for nothing and never will.
_DROP_REFUSED: Final[LiteralString] = """
    DELETE FROM replicas
     WHERE ctid = ANY (ARRAY(
           SELECT r.ctid FROM replica_batches AS b JOIN replicas AS r USING (generation)
            WHERE b.state = 'refused' AND NOT b.is_swept
            LIMIT $1))
"""
_REFUSED_SWEPT: Final[LiteralString] = """
    UPDATE replica_batches AS b SET is_swept = true
     WHERE b.state = 'refused' AND NOT b.is_swept
       AND NOT EXISTS (SELECT FROM replicas AS r WHERE r.generation = b.generation)
"""


async def drop_refused(connection: Connection, *, begun_before: datetime, limit: int) -> int:
    """Delete rows of batches that were refused or left unfinished; return how many."""
    await connection.execute(_ABANDON, begun_before)
    dropped = _count(await connection.execute(_DROP_REFUSED, limit))
    if dropped < limit:
        await connection.execute(_REFUSED_SWEPT)
    return dropped


# One worker sweeps at a time; a connection that cannot give the lock back ends with it.
_LOCK: Final[LiteralString] = "SELECT pg_try_advisory_lock(6, 0)"
_UNLOCK: Final[LiteralString] = "SELECT pg_advisory_unlock(6, 0)"


@asynccontextmanager
async def sweeping(connection: Connection) -> AsyncIterator[bool]:
    """Tell whether this caller alone may sweep now, until the context ends."""
    is_alone = bool(await connection.fetchval(_LOCK))
    try:
        yield is_alone
    finally:
        if is_alone:
            await _unlock(connection)


async def _unlock(connection: Connection) -> None:
    try:
        await connection.execute(_UNLOCK)
    except BaseException:
        connection.terminate()
        raise


_UNSWEPT: Final[LiteralString] = """
    SELECT generation, rows_put + rows_deleted + rows_refused AS rows FROM replica_batches
     WHERE state = 'applied' AND NOT is_swept AND (swept_on IS NULL OR swept_on < $1)
     ORDER BY generation
     LIMIT $2
"""


async def unswept(connection: Connection, *, today: date, limit: int) -> list[tuple[int, int]]:
    """Return generations that may hide older rows from today on, and how many lines they had."""
    found = await connection.fetch(_UNSWEPT, today, limit)
    return [(row["generation"], row["rows"]) for row in found]


_DROP_HIDDEN: Final[LiteralString] = """
    DELETE FROM replicas
     WHERE ctid = ANY (ARRAY(
           SELECT o.ctid FROM replicas AS n
             JOIN replicas AS o USING (subject, term, record_key)
            WHERE n.generation = $1 AND n.ordinal >= $2 AND n.ordinal < $3
              AND n.published_from <= $4
              AND (o.generation, o.ordinal) < (n.generation, n.ordinal)))
"""


async def drop_hidden(
    connection: Connection, generation: int, *, first: int, until: int, today: date
) -> None:
    """Delete rows that these lines of a batch hide."""
    await connection.execute(_DROP_HIDDEN, generation, first, until, today)


# A row whose publication begins later hides the older ones from that day on.
_SWEPT: Final[LiteralString] = """
    UPDATE replica_batches AS b
       SET swept_on = $2,
           is_swept = NOT EXISTS (SELECT FROM replicas AS r
                                   WHERE r.generation = $1 AND r.published_from > $2)
     WHERE b.generation = $1
"""


async def swept(connection: Connection, generation: int, *, today: date) -> None:
    """Say that everything a batch hides today is deleted."""
    await connection.execute(_SWEPT, generation, today)


# The newest row of a record goes last: while it stands, it hides the ones before it, and those of
# an older batch that is still being received.
_DROP_ENDED: Final[LiteralString] = """
    DELETE FROM replicas
     WHERE ctid = ANY (ARRAY(
           SELECT r.ctid
             FROM ((SELECT ctid, * FROM replicas WHERE published_until < $1)
                    UNION ALL
                   (SELECT ctid, * FROM replicas WHERE is_deletion AND published_from <= $1)) AS r
             JOIN replica_batches AS b USING (generation)
            WHERE b.state = 'applied'
              AND NOT EXISTS (
                  SELECT FROM replica_batches AS w
                   WHERE w.state = 'receiving' AND w.generation < r.generation)
              AND NOT EXISTS (
                  SELECT FROM replicas AS o
                   WHERE o.subject = r.subject AND o.term = r.term
                     AND o.record_key = r.record_key
                     AND (o.generation, o.ordinal) < (r.generation, r.ordinal))
            LIMIT $2))
"""


async def drop_ended(connection: Connection, *, today: date, limit: int) -> int:
    """Delete rows whose publication has ended, and deletions that are done; return how many."""
    return _count(await connection.execute(_DROP_ENDED, today, limit))


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])


def _batch(row: Any) -> BatchRow:  # noqa: ANN401 - a driver's record, read by column name
    return BatchRow(
        batch_id=row["batch_id"],
        client_id=row["client_id"],
        kind=row["kind"],
        term=row["term"],
        layout=row["layout"],
        generation=row["generation"],
        state=row["state"],
        reason=row["reason"],
        rows_put=row["rows_put"],
        rows_deleted=row["rows_deleted"],
        rows_refused=row["rows_refused"],
        findings=msgspec.json.decode(row["findings"], type=list[Finding]),
        digest=row["digest"],
        created_at=row["created_at"],
        applied_at=row["applied_at"],
    )
