"""Months of the record log that end: what is due, who agreed, legal holds, the erasure itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, LiteralString

import asyncpg
import msgspec

from gateway.errors import RefusedError
from gateway.storage.database import Connection
from gateway.storage.effects import Effect


class ErasureRefusedError(RefusedError):
    """The database does not let this month go; `reason` says why."""

    problem = "erasure-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"erasure: {reason}", reason=reason)


_REASONS: Final[Mapping[str, str]] = {
    "SK010": "not-due",
    "SK011": "legal-hold",
    "SK012": "two-people-needed",
    "SK013": "earlier-month-first",
    asyncpg.LockNotAvailableError.sqlstate: "records-busy",
}


class ErasedRange(msgspec.Struct, frozen=True, kw_only=True):
    """What went of one slot: entries from `first` to before `end`, of a log of this size.

    Nothing below `end` is kept; the two are equal where the month had no entry in the slot.
    """

    slot: int
    origin: str
    first: int
    end: int
    size: int
    root: str


class KnownCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of the key store from before an erasure, and until when it may live."""

    id: str
    taken_at: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A private part as it lay sealed before its month was erased."""

    entry_id: str
    private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureApproved(Effect):
    """One person agrees that a month goes; refused if it may not, or they agreed before."""

    KIND: ClassVar[str] = "erasure_approved"

    month: int
    staff_id: str = field(repr=False)
    credential_id: str = field(repr=False)
    entry_id: str

    @property
    def key(self) -> str:
        """Return the month: two approvals of one never meet in a batch."""
        return str(self.month)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthErased(Effect):
    """The entry that says so ends the erasure."""

    KIND: ClassVar[str] = "month_erased"

    month: int
    entry_id: str
    copies: Sequence[KnownCopy]

    @property
    def key(self) -> str:
        """Return the month."""
        return str(self.month)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureCompleted(Effect):
    """No copy is left that has the month's key; refused if that was said before."""

    KIND: ClassVar[str] = "erasure_completed"

    month: int
    entry_id: str

    @property
    def key(self) -> str:
        """Return the month."""
        return str(self.month)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHoldSet(Effect):
    """Nothing of these months goes, and approvals given before are void."""

    KIND: ClassVar[str] = "legal_hold_set"

    legal_hold_id: str
    first_month: int
    last_month: int
    ground: str
    set_by: str = field(repr=False)

    @property
    def key(self) -> str:
        """Return the legal hold's id."""
        return self.legal_hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHoldLifted(Effect):
    """The legal hold stands no longer; refused if it was lifted before."""

    KIND: ClassVar[str] = "legal_hold_lifted"

    legal_hold_id: str
    lifted_by: str = field(repr=False)

    @property
    def key(self) -> str:
        """Return the legal hold's id."""
        return self.legal_hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHoldRow:
    """A legal hold, standing or lifted."""

    legal_hold_id: str
    first_month: int
    last_month: int
    ground: str
    set_by: str = field(repr=False)
    set_at: datetime
    lifted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRow:
    """One month of the log: when it is due, whether it is held, how far its erasure is."""

    month: int
    due_at: datetime
    is_due: bool
    is_held: bool
    state: str
    approvals: int
    ranges: Sequence[ErasedRange]
    approved_by: Sequence[str]
    """The entries by which people agreed, in their order."""
    entry_id: str | None
    copies: Sequence[KnownCopy] | None
    """Copies of the key store that had its key then; None: nobody knew."""
    completed_entry_id: str | None

    @property
    def evidence(self) -> list[str]:
        """Return every entry that tells of its erasure, once each, in their order."""
        told = (*self.approved_by, self.entry_id, self.completed_entry_id)
        return list(dict.fromkeys(one for one in told if one is not None))

    @property
    def is_awaited(self) -> bool:
        """Whether it is erased and the end of the last copy is still to be told."""
        return self.copies is not None and self.completed_entry_id is None


_MONTHS: Final[LiteralString] = """
    SELECT m.month, erasure_due_at(m.month) AS due_at, erasure_due_at(m.month) <= now() AS is_due,
           erasure_is_held(m.month) AS is_held, coalesce(e.state, 'kept') AS state, e.ranges,
           e.entry_id, e.copies, e.completed_entry_id,
           ARRAY(SELECT a.entry_id FROM erasure_approvals AS a
                  WHERE a.month = m.month ORDER BY a.approved_at, a.entry_id) AS approved_by
      FROM (SELECT DISTINCT month FROM log_months) AS m
      LEFT JOIN erasures AS e USING (month)
     ORDER BY m.month
"""


async def months(connection: Connection) -> list[MonthRow]:
    """Return every month the log ever had entries in, oldest first."""
    return [_month(row) for row in await connection.fetch(_MONTHS)]


_LEGAL_HOLDS: Final[LiteralString] = """
    SELECT legal_hold_id, first_month, last_month, ground, set_by, set_at, lifted_at
      FROM legal_holds ORDER BY set_at DESC, legal_hold_id LIMIT $1
"""


async def legal_holds(connection: Connection, *, limit: int) -> list[LegalHoldRow]:
    """Return legal holds, newest first."""
    return [LegalHoldRow(**dict(row)) for row in await connection.fetch(_LEGAL_HOLDS, limit)]


_ERASE: Final[LiteralString] = "SELECT log_erase_month($1)"


async def erase(connection: Connection, month: int) -> list[ErasedRange]:
    """End the entries of a month and return what went; doing it again does nothing.

    Raises:
        ErasureRefusedError: it is not due, held, not agreed on, or out of turn.
    """
    try:
        ranges: str = await connection.fetchval(_ERASE, month)
    except asyncpg.PostgresError as error:
        reason = _REASONS.get(error.sqlstate or "")
        if reason is None:
            raise
        raise ErasureRefusedError(reason) from None
    return msgspec.json.decode(ranges, type=list[ErasedRange])


_SAMPLE: Final[LiteralString] = """
    SELECT entry_id, private FROM log_entries WHERE month = $1 ORDER BY slot, index LIMIT 1
"""


async def sample(connection: Connection, month: int) -> Sample | None:
    """Return a private part of a month, sealed as it lies there; None: no entry is left."""
    row = await connection.fetchrow(_SAMPLE, month)
    return None if row is None else Sample(entry_id=row["entry_id"].hex, private=row["private"])


_MINIMUMS: Final[LiteralString] = "SELECT slot, minimum, month FROM log_minimums"


async def minimums(connection: Connection) -> dict[int, int]:
    """Return by slot the first index that is kept; slots that kept everything are left out."""
    return {row["slot"]: row["minimum"] for row in await connection.fetch(_MINIMUMS)}


_REFUSAL: Final[LiteralString] = "SELECT erasure_refusal($1, $2, $3)"


async def refusal(
    connection: Connection, month: int, *, staff_id: str, credential_id: str
) -> str | None:
    """Return why the database lets this person not agree to the end of a month, if it does not."""
    reason: str | None = await connection.fetchval(_REFUSAL, month, staff_id, credential_id)
    return reason


_NEWEST: Final[LiteralString] = """
    SELECT e.entry_id, e.ranges FROM erasures AS e
     WHERE e.state = 'erased' ORDER BY e.month DESC LIMIT 1
"""


async def newest(connection: Connection) -> tuple[str, Mapping[int, ErasedRange]] | None:
    """Return the entry that tells of the last erased month, and by slot what it says."""
    row = await connection.fetchrow(_NEWEST)
    if row is None:
        return None
    ranges = msgspec.json.decode(row["ranges"], type=list[ErasedRange])
    return row["entry_id"], {one.slot: one for one in ranges}


_ERASED_THROUGH: Final[LiteralString] = "SELECT max(month) FROM erasures WHERE state <> 'proposed'"


async def erased_through(connection: Connection) -> int | None:
    """Return the last erased month (201905), if any is."""
    found: int | None = await connection.fetchval(_ERASED_THROUGH)
    return found


_MAKE_MONTHS: Final[LiteralString] = """
    SELECT log_make_months(),
           (SELECT count(*) FROM generate_series(1, 2) AS ahead
             WHERE to_regclass('log_entries_' || to_char(
                       (now() AT TIME ZONE 'Asia/Tokyo') + make_interval(months => ahead),
                       'YYYYMM')) IS NOT NULL) AS ahead
"""


async def make_months(connection: Connection) -> int:
    """Make the months to come; return how many of the next two there are."""
    row = await connection.fetchrow(_MAKE_MONTHS)
    return int(row["ahead"]) if row else 0


def _month(row: Any) -> MonthRow:  # noqa: ANN401 - a driver's record, read by column name
    ranges, copies = row["ranges"], row["copies"]
    return MonthRow(
        month=row["month"],
        due_at=row["due_at"],
        is_due=row["is_due"],
        is_held=row["is_held"],
        state=row["state"],
        approvals=len(row["approved_by"]),
        approved_by=row["approved_by"],
        entry_id=row["entry_id"],
        copies=msgspec.json.decode(copies, type=list[KnownCopy]) if copies else None,
        completed_entry_id=row["completed_entry_id"],
        ranges=msgspec.json.decode(ranges, type=list[ErasedRange]) if ranges else [],
    )
