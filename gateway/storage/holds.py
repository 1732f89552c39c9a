"""Rows of answers kept back for people, and what people decided about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Final, LiteralString

import msgspec

from gateway.domain.hold import HoldState
from gateway.storage.database import Connection
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOpened(Effect):
    """The answer is held exactly when the provision says `withheld`."""

    KIND: ClassVar[str] = "hold_opened"
    ORDER: ClassVar[int] = 20

    hold_id: str
    permit_id: str
    day: date
    inquirer: str
    procedure: str
    information: str
    subject: bytes = field(repr=False)
    entry_id: str
    approvals_needed: int
    reasons: tuple[str, ...]
    opened_at: datetime
    deadline: datetime
    request_expires: datetime
    key_year: int
    case_box: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @property
    def key(self) -> str:
        """Return the permit's id: a permit has one hold at most."""
        return self.permit_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldApproved(Effect):
    """One person approved this preview; `is_last` if that makes all approvals there are needed."""

    KIND: ClassVar[str] = "hold_approved"
    ORDER: ClassVar[int] = 20

    hold_id: str
    round: int
    digest: bytes
    staff_id: str = field(repr=False)
    credential_id: str = field(repr=False)
    entry_id: str
    is_last: bool

    @property
    def key(self) -> str:
        """Return the hold's id: two approvals of one hold never meet in a batch."""
        return self.hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRefused(Effect):
    """A person refused, on a ground of the closed list."""

    KIND: ClassVar[str] = "hold_refused"
    ORDER: ClassVar[int] = 20

    hold_id: str
    round: int
    staff_id: str = field(repr=False)
    credential_id: str = field(repr=False)
    entry_id: str

    @property
    def key(self) -> str:
        """Return the hold's id."""
        return self.hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldDelivered(Effect):
    """The answer is on its way as sealed here; accepted only with every approval it needs."""

    KIND: ClassVar[str] = "hold_delivered"
    ORDER: ClassVar[int] = 30

    hold_id: str
    permit_id: str
    inquirer: str
    round: int
    digest: bytes
    entry_id: str
    message_key: Mapping[str, str] | None = field(default=None, repr=False)
    number: int | None = None
    sealed: bytes | None = field(default=None, repr=False)
    is_denial: bool = False

    @property
    def key(self) -> str:
        """Return the hold's id."""
        return self.hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldVoided(Effect):
    """What would go out is not what people saw: their approvals are void."""

    KIND: ClassVar[str] = "hold_voided"
    ORDER: ClassVar[int] = 20

    hold_id: str
    round: int
    digest: bytes

    @property
    def key(self) -> str:
        """Return the hold's id."""
        return self.hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldEnded(Effect):
    """The hold moves to a last state, and a delivery not yet taken goes with it."""

    KIND: ClassVar[str] = "hold_ended"
    ORDER: ClassVar[int] = 30

    hold_id: str
    from_state: str
    state: str

    @property
    def key(self) -> str:
        """Return the hold's id."""
        return self.hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """One hold as it stands; its case is still in its box."""

    hold_id: str
    permit_id: str
    state: HoldState
    inquirer: str
    procedure: str
    information: str
    subject: bytes = field(repr=False)
    entry_id: str
    approvals_needed: int
    approvals: int
    reasons: tuple[str, ...]
    opened_at: datetime
    deadline: datetime
    request_expires: datetime
    key_year: int
    case_box: bytes = field(repr=False)
    round: int
    digest: bytes
    moved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDelivery:
    """A delivery as it was sealed."""

    permit_id: str
    hold_id: str
    inquirer: str
    entry_id: str
    message_key: dict[str, str] | None = field(repr=False)
    number: int | None
    sealed: bytes | None = field(repr=False)


_SELECT: Final[LiteralString] = """
    SELECT h.hold_id, h.permit_id, h.state, h.inquirer, h.procedure, h.information, h.subject,
           h.entry_id, h.approvals_needed, h.reasons, h.opened_at, h.deadline,
           h.request_expires, h.key_year, h.case_box, h.round, h.digest, h.moved_at,
           (SELECT count(*) FROM hold_decisions AS d
             WHERE d.hold_id = h.hold_id AND d.round = h.round
               AND d.decision = 'approved')::integer AS approvals
      FROM holds AS h
"""
_FIND: Final[LiteralString] = f"""
    {_SELECT}
     WHERE h.hold_id = ANY ($1::text[])
"""


async def find(connection: Connection, hold_ids: Sequence[str]) -> dict[str, HoldRow]:
    """Return holds by id."""
    rows = await connection.fetch(_FIND, list(hold_ids))
    return {row["hold_id"]: _row(row) for row in rows}


_PAGE: Final[LiteralString] = f"""
    {_SELECT}
     WHERE ($1::text IS NULL OR h.state = $1)
       AND ($2::timestamptz IS NULL OR (h.opened_at, h.hold_id) < ($2, $3))
     ORDER BY h.opened_at DESC, h.hold_id DESC
     LIMIT $4
"""


async def page(
    connection: Connection,
    *,
    state: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[HoldRow]:
    """Return holds, newest first."""
    at, hold_id = before if before is not None else (None, None)
    return [_row(row) for row in await connection.fetch(_PAGE, state, at, hold_id, limit)]


_DECIDERS: Final[LiteralString] = """
    SELECT staff_id, credential_id FROM hold_decisions WHERE hold_id = $1 AND round = $2
"""


async def deciders(connection: Connection, hold_id: str, round_: int) -> frozenset[str]:
    """Return who has decided about this preview already, and by which credentials."""
    rows = await connection.fetch(_DECIDERS, hold_id, round_)
    return frozenset(part for row in rows for part in (row["staff_id"], row["credential_id"]))


_EXPIRED: Final[LiteralString] = """
    SELECT h.hold_id, h.state FROM holds AS h
     WHERE h.request_expires <= $1
       AND (h.state IN ('waiting', 'released')
            OR (h.state = 'refused'
                AND EXISTS (SELECT FROM deliveries AS d WHERE d.hold_id = h.hold_id)))
     LIMIT $2
"""


async def expired(connection: Connection, *, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Return holds whose request expired before anybody took the answer, with their state."""
    rows = await connection.fetch(_EXPIRED, now, limit)
    return [(row["hold_id"], row["state"]) for row in rows]


_WAITING: Final[LiteralString] = """
    SELECT count(*) AS waiting,
           coalesce(extract(epoch FROM now() - min(opened_at)), 0)::float8 AS oldest_s
      FROM holds WHERE state = 'waiting'
"""


async def waiting(connection: Connection) -> tuple[int, float]:
    """Return how many holds wait and how long the oldest has: providing is a duty (法22①)."""
    row = await connection.fetchrow(_WAITING)
    return (row["waiting"], row["oldest_s"]) if row is not None else (0, 0.0)


_DELIVERIES: Final[LiteralString] = """
    SELECT permit_id, hold_id, inquirer, entry_id, message_key, number, sealed
      FROM deliveries WHERE permit_id = ANY ($1::text[])
"""


async def deliveries(connection: Connection, permit_ids: Sequence[str]) -> dict[str, KeptDelivery]:
    """Return deliveries that have not been acknowledged, by permit id."""
    return {
        row["permit_id"]: KeptDelivery(
            permit_id=row["permit_id"],
            hold_id=row["hold_id"],
            inquirer=row["inquirer"],
            entry_id=row["entry_id"],
            message_key=(
                msgspec.json.decode(row["message_key"], type=dict[str, str])
                if row["message_key"] is not None
                else None
            ),
            number=row["number"],
            sealed=row["sealed"],
        )
        for row in await connection.fetch(_DELIVERIES, list(permit_ids))
    }


_DELIVERED: Final[LiteralString] = """
    WITH gone AS (
        DELETE FROM deliveries WHERE permit_id = ANY ($1::text[]) RETURNING hold_id
    )
    UPDATE holds SET state = 'delivered', moved_at = now()
     WHERE hold_id IN (SELECT hold_id FROM gone) AND state = 'released'
"""


async def delivered(connection: Connection, permit_ids: Sequence[str]) -> None:
    """Forget deliveries that their inquirers have acknowledged."""
    await connection.execute(_DELIVERED, list(permit_ids))


def _row(row: Any) -> HoldRow:  # noqa: ANN401 - a driver's record, read by column name
    return HoldRow(
        hold_id=row["hold_id"],
        permit_id=row["permit_id"],
        state=HoldState(row["state"]),
        inquirer=row["inquirer"],
        procedure=row["procedure"],
        information=row["information"],
        subject=row["subject"],
        entry_id=row["entry_id"],
        approvals_needed=row["approvals_needed"],
        approvals=row["approvals"],
        reasons=tuple(row["reasons"]),
        opened_at=row["opened_at"],
        deadline=row["deadline"],
        request_expires=row["request_expires"],
        key_year=row["key_year"],
        case_box=row["case_box"],
        round=row["round"],
        digest=row["digest"],
        moved_at=row["moved_at"],
    )
