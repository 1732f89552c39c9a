"""Rows of inquiries under way and of answers waiting to be fetched."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, LiteralString

import msgspec

from gateway.domain.inquiry import InquiryState
from gateway.storage.database import Connection
from gateway.storage.effects import Effect

LEASE_S: Final = 120.0
BACK_OFF_S_MAX: Final = 600.0
LOOK_AGAIN_S: Final = 60.0
"""An answer to an inquiry given up is looked for again after so long, at the soonest."""
PAGE_ROWS_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryOpened(Effect):
    """The inquiry exists exactly when its entry does."""

    KIND: ClassVar[str] = "inquiry_opened"

    inquiry_id: str
    client_id: str
    accepted_at: datetime
    provider: str
    summary: dict[str, object] = field(repr=False)
    entry_id: str
    key_year: int
    details_box: bytes = field(repr=False)
    lease_s: float = LEASE_S

    @property
    def key(self) -> str:
        """Return the inquiry's id."""
        return self.inquiry_id


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryMoved(Effect):
    """The inquiry enters `state` exactly when the entry that says so is recorded."""

    KIND: ClassVar[str] = "inquiry_moved"

    inquiry_id: str
    from_states: tuple[str, ...]
    state: str
    reason: str | None = None
    permit_id: str | None = None
    permit_leaf: bytes | None = None
    subject_p: bytes | None = None
    answer_leaf: bytes | None = None
    request_expires: datetime | None = None
    result_box: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """Return the inquiry's id."""
        return self.inquiry_id


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryAnsweredLate(Effect):
    """An answer is on record though nobody waits for it: the state stays, no result is kept.

    `follows` is the leaf of the answer before it: None for a first one, else what it delivers.
    """

    KIND: ClassVar[str] = "inquiry_answered_late"

    inquiry_id: str
    states: tuple[str, ...]
    answer_leaf: bytes
    follows: bytes | None = None
    permit_id: str | None = None
    permit_leaf: bytes | None = None
    subject_p: bytes | None = None
    request_expires: datetime | None = None

    @property
    def key(self) -> str:
        """Return the inquiry's id."""
        return self.inquiry_id


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryAskedAgain(Effect):
    """The inquiry goes on under another entry: the law had changed between us and the core."""

    KIND: ClassVar[str] = "inquiry_asked_again"

    inquiry_id: str
    old_entry_id: str
    entry_id: str
    provider: str
    summary: dict[str, object] = field(repr=False)
    details_box: bytes = field(repr=False)

    @property
    def key(self) -> str:
        """Return the inquiry's id."""
        return self.inquiry_id


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryAcknowledged(Effect):
    """The back office has the result, so the gateway no longer holds it."""

    KIND: ClassVar[str] = "inquiry_acknowledged"

    inquiry_id: str
    state: str

    @property
    def key(self) -> str:
        """Return the inquiry's id."""
        return self.inquiry_id


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryRow:
    """One inquiry as it stands; boxes are still closed."""

    inquiry_id: str
    client_id: str
    accepted_at: datetime
    state: InquiryState
    provider: str
    summary: dict[str, object]
    entry_id: str
    key_year: int
    details_box: bytes = field(repr=False)
    attempts: int
    reason: str | None
    permit_id: str | None
    permit_leaf: bytes | None
    subject_p: bytes | None
    answer_leaf: bytes | None
    request_expires: datetime | None
    result_box: bytes | None = field(repr=False)
    finished_at: datetime | None
    acknowledged_at: datetime | None


_SELECT: Final[LiteralString] = """
    SELECT inquiry_id, client_id, accepted_at, state, provider, summary, entry_id, key_year,
           details_box, attempts, reason, permit_id, permit_leaf, subject_p, answer_leaf,
           request_expires, result_box, finished_at, acknowledged_at
      FROM inquiries
"""
_SELECT_WITHOUT_RESULT: Final[LiteralString] = """
    SELECT inquiry_id, client_id, accepted_at, state, provider, summary, entry_id, key_year,
           details_box, attempts, reason, permit_id, permit_leaf, subject_p, answer_leaf,
           request_expires, NULL::bytea AS result_box, finished_at, acknowledged_at
      FROM inquiries
"""
_FIND: Final[LiteralString] = f"""
    {_SELECT}
     WHERE inquiry_id = ANY ($1::text[])
"""


async def find(connection: Connection, inquiry_ids: Sequence[str]) -> dict[str, InquiryRow]:
    """Return the inquiries of these ids, whoever made them."""
    rows = await connection.fetch(_FIND, list(inquiry_ids))
    return {row["inquiry_id"]: _row(row) for row in rows}


_BY_ENTRY: Final[LiteralString] = f"""
    {_SELECT_WITHOUT_RESULT}
     WHERE entry_id = ANY ($1::text[])
"""


async def find_by_entry(connection: Connection, entry_ids: Sequence[str]) -> dict[str, InquiryRow]:
    """Return the inquiries that stand under these entries, by entry id, without results."""
    rows = await connection.fetch(_BY_ENTRY, list(entry_ids))
    return {row["entry_id"]: _row(row) for row in rows}


_BY_PERMIT: Final[LiteralString] = f"""
    {_SELECT}
     WHERE permit_id = ANY ($1::text[])
"""


async def find_by_permit(connection: Connection, permits: Sequence[str]) -> dict[str, InquiryRow]:
    """Return the inquiries that were granted these permits, by permit id."""
    rows = await connection.fetch(_BY_PERMIT, list(permits))
    return {row["permit_id"]: _row(row) for row in rows}


_PAGE: Final[LiteralString] = f"""
    {_SELECT_WITHOUT_RESULT}
     WHERE client_id = $1
       AND ($2::timestamptz IS NULL OR (accepted_at, inquiry_id) < ($2, $3))
       AND ($4::text IS NULL OR state = $4)
     ORDER BY accepted_at DESC, inquiry_id DESC
     LIMIT $5
"""


async def page(
    connection: Connection,
    client_id: str,
    *,
    before: tuple[datetime, str] | None,
    state: str | None,
    limit: int,
) -> list[InquiryRow]:
    """Return a client's inquiries, newest first, without results, at most 200 at a time."""
    instant, inquiry_id = before if before is not None else (None, None)
    rows = await connection.fetch(
        _PAGE, client_id, instant, inquiry_id, state, min(limit, PAGE_ROWS_MAX)
    )
    return [_row(row) for row in rows]


# Whoever takes a row has it until the lease ends; the next attempt comes twice as late.
_TAKE_OVER: Final[LiteralString] = """
    UPDATE inquiries
       SET attempts = attempts + 1,
           lease_until = now() + make_interval(
               secs => least($2, $1 * power(2, least(attempts, 20))))
     WHERE inquiry_id IN (
           SELECT inquiry_id FROM inquiries
            WHERE state = 'open' AND lease_until <= now()
            ORDER BY lease_until
            LIMIT $3
              FOR UPDATE SKIP LOCKED)
    RETURNING inquiry_id, client_id, accepted_at, state, provider, summary, entry_id, key_year,
              details_box, attempts, reason, permit_id, permit_leaf, subject_p, answer_leaf,
              request_expires, result_box, finished_at, acknowledged_at
"""


async def take_over(connection: Connection, *, limit: int) -> list[InquiryRow]:
    """Take open inquiries whose worker let them go."""
    return [_row(row) for row in await connection.fetch(_TAKE_OVER, LEASE_S, BACK_OFF_S_MAX, limit)]


# First when its worker's lease has ended, then each time after half as long as it is given up.
_TAKE_GIVEN_UP: Final[LiteralString] = """
    UPDATE inquiries
       SET lease_until = now() + greatest(make_interval(secs => $1), (now() - finished_at) / 2)
     WHERE inquiry_id IN (
           SELECT inquiry_id FROM inquiries
            WHERE state IN ('withdrawn', 'lapsed') AND answer_leaf IS NULL
              AND lease_until <= now() AND accepted_at > $2
            ORDER BY lease_until
            LIMIT $3
              FOR UPDATE SKIP LOCKED)
    RETURNING entry_id, accepted_at
"""


async def take_given_up(
    connection: Connection, *, accepted_after: datetime, limit: int
) -> dict[str, datetime]:
    """Take inquiries given up without an answer, to look for one; returns when, by entry id."""
    rows = await connection.fetch(_TAKE_GIVEN_UP, LOOK_AGAIN_S, accepted_after, limit)
    return {row["entry_id"]: row["accepted_at"] for row in rows}


_LET_GO: Final[LiteralString] = """
    UPDATE inquiries SET lease_until = now() + make_interval(secs => $2)
     WHERE inquiry_id = $1 AND state = 'open'
"""


async def let_go(connection: Connection, inquiry_id: str, *, after_s: float) -> None:
    """Leave an open inquiry to be taken up again after a while."""
    await connection.execute(_LET_GO, inquiry_id, after_s)


_LAPSED: Final[LiteralString] = f"""
    {_SELECT}
     WHERE (state = 'withheld' AND request_expires <= $1)
        OR (state = 'open' AND accepted_at <= $2)
     LIMIT $3
"""


async def lapsed(
    connection: Connection, *, now: datetime, accepted_before: datetime, limit: int
) -> list[InquiryRow]:
    """Return unfinished inquiries that nothing will come for any more."""
    return [_row(row) for row in await connection.fetch(_LAPSED, now, accepted_before, limit)]


_UNFETCHED: Final[LiteralString] = f"""
    {_SELECT_WITHOUT_RESULT}
     WHERE finished_at <= $1 AND acknowledged_at IS NULL
     LIMIT $2
"""


async def unfetched(
    connection: Connection, *, finished_before: datetime, limit: int
) -> list[InquiryRow]:
    """Return finished inquiries that nobody acknowledged in time."""
    return [_row(row) for row in await connection.fetch(_UNFETCHED, finished_before, limit)]


def _row(row: Any) -> InquiryRow:  # noqa: ANN401 - a driver's record, read by column name
    return InquiryRow(
        inquiry_id=row["inquiry_id"],
        client_id=row["client_id"],
        accepted_at=row["accepted_at"],
        state=InquiryState(row["state"]),
        provider=row["provider"],
        summary=msgspec.json.decode(row["summary"], type=dict[str, object]),
        entry_id=row["entry_id"],
        key_year=row["key_year"],
        details_box=row["details_box"],
        attempts=row["attempts"],
        reason=row["reason"],
        permit_id=row["permit_id"],
        permit_leaf=row["permit_leaf"],
        subject_p=row["subject_p"],
        answer_leaf=row["answer_leaf"],
        request_expires=row["request_expires"],
        result_box=row["result_box"],
        finished_at=row["finished_at"],
        acknowledged_at=row["acknowledged_at"],
    )


# Withdrawn ones too: what people held may still be delivered, and is on record then.
_UNEXPIRED: Final[LiteralString] = """
    SELECT EXISTS (
        SELECT FROM inquiries
         WHERE state IN ('open', 'withheld', 'withdrawn')
           AND accepted_at < $1
           AND coalesce(request_expires, accepted_at + $3::interval) > $2
    )
"""


async def has_unexpired(
    connection: Connection, *, accepted_before: datetime, now: datetime, life: timedelta
) -> bool:
    """Tell whether an answer may still come to anything that was accepted before a moment.

    `life` is how long a request may live that has no term yet.
    """
    return bool(await connection.fetchval(_UNEXPIRED, accepted_before, now, life))
