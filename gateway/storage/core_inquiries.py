"""The core's memory of inquiries: one statement has one answer for ever (PROTOCOL §3 *Once*)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import ClassVar, Final, LiteralString, Self
from uuid import UUID

from gateway.storage.database import Connection, Record
from gateway.storage.effects import Effect

PERMIT_AFTER_DAYS_MAX: Final = timedelta(days=8)
"""A permit comes at most 7 days after its inquiry, and clocks may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreInquiryAnswered(Effect):
    """This statement has its answer exactly when the permit or refusal is recorded.

    Either `reason` (a refusal) or `permit_id` and all that a later token repeats, whom it is about
    `sealed` under the day's key. `contact_day` counts the provider among those that the inquirer
    asked about the `contact` on that day; beyond `providers_max` the effect is refused.
    """

    KIND: ClassVar[str] = "core_inquiry"

    inquiry_day: date
    inquirer: str
    leaf: bytes
    entry_id: str
    provider: str
    requested_at: datetime
    reason: str | None = None
    permit_id: str | None = None
    sealed: bytes | None = field(default=None, repr=False)
    subject_p: bytes | None = field(default=None, repr=False)
    token_expires: datetime | None = None
    request_expires: datetime | None = None
    contact_day: date | None = None
    contact: bytes | None = field(default=None, repr=False)
    providers_max: int = 0

    @property
    def key(self) -> str:
        """Return inquirer and leaf."""
        return f"{self.inquirer} {self.leaf.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be found out for one item: the statement, and the person if one opened.

    `contact` is the person as counted today.
    """

    inquiry_day: date
    leaf: bytes
    provider: str
    person: bytes | None = field(default=None, repr=False)
    contact: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """A permit as it was first granted, with what a later token repeats."""

    permit_id: str
    inquiry_day: date
    inquirer: str
    provider: str
    inquiry_leaf: bytes
    entry_id: str
    requested_at: datetime
    token_expires: datetime
    request_expires: datetime
    subject_p: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPermit:
    """A permit with the leaf hash of the entry that granted it."""

    permitted: Permitted
    leaf: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal as it was first given."""

    entry_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the core knows about one item before it decides."""

    answer: Permitted | Refused | None
    has_code: bool
    contacts: frozenset[str]


# One query for all items of a message: known answers, whether the provider holds a code, and
# whom the inquirer asked about the person already. Written so that each look-up is a look into the
# index: a join or EXISTS may read the whole day instead, by a plan made when the day was young.
_GATHER: Final[LiteralString] = """
    SELECT i.inquiry_day, i.inquirer, i.leaf, i.entry_id, i.provider, i.requested_at, i.reason,
           i.permit_id, i.sealed, i.subject_p, i.token_expires, i.request_expires,
           (SELECT true FROM core_holders AS h
             WHERE h.person = a.person AND h.organisation = a.provider) IS NOT NULL AS has_code,
           ARRAY(SELECT c.provider FROM core_contacts AS c
                  WHERE c.day = $7 AND c.inquirer = $1 AND c.contact = a.contact) AS contacts
      FROM unnest($2::date[], $3::bytea[], $4::text[], $5::bytea[], $6::bytea[]) WITH ORDINALITY
           AS a (inquiry_day, leaf, provider, person, contact, place)
      LEFT JOIN LATERAL (
           SELECT k.* FROM core_inquiries AS k
            WHERE k.leaf = a.leaf AND k.inquirer = $1 AND k.inquiry_day = a.inquiry_day
              AND k.inquiry_day BETWEEN $8 AND $9
            LIMIT 1) AS i ON true
     ORDER BY a.place
"""


async def gather(
    connection: Connection, *, inquirer: str, asked: Sequence[Asked], contact_day: date
) -> list[Found]:
    """Return what is known about each item, in order, by one query."""
    days = [item.inquiry_day for item in asked]
    rows = await connection.fetch(
        _GATHER,
        inquirer,
        days,
        [item.leaf for item in asked],
        [item.provider for item in asked],
        [item.person for item in asked],
        [item.contact for item in asked],
        contact_day,
        min(days),
        max(days),
    )
    return [
        Found(
            answer=_answer(row),
            has_code=row["has_code"],
            contacts=frozenset(row["contacts"]),
        )
        for row in rows
    ]


# The planner does not see the values: two bounds on the day look narrow to it, and it would read
# the whole range. So the upper bound is none an index knows, and entries are found one by one.
_PERMITS: Final[LiteralString] = """
    SELECT i.inquiry_day, i.inquirer, i.leaf, i.entry_id, i.provider, i.requested_at, i.reason,
           i.permit_id, i.sealed, i.subject_p, i.token_expires, i.request_expires,
           e.leaf_hash
      FROM core_inquiries AS i
     CROSS JOIN LATERAL (SELECT l.leaf_hash FROM log_entries AS l
                          WHERE l.entry_id = i.entry_id AND l.month >= $4 AND l.month <= $5
                          LIMIT 1) AS e
     WHERE i.permit_id = ANY ($1::uuid[]) AND i.inquiry_day >= $2 AND i.inquiry_day + 0 <= $3
"""


async def permits(
    connection: Connection, permit_ids: Sequence[str], *, first: date, last: date
) -> dict[str, RecordedPermit]:
    """Return the permits of these ids whose inquiries were made between two days."""
    rows = await connection.fetch(
        _PERMITS,
        list(permit_ids),
        first,
        last,
        month_number(first),
        month_number(last + PERMIT_AFTER_DAYS_MAX),
    )
    found: dict[str, RecordedPermit] = {}
    for row in rows:
        permitted = _answer(row)
        if isinstance(permitted, Permitted):
            found[permitted.permit_id] = RecordedPermit(permitted=permitted, leaf=row["leaf_hash"])
    return found


@dataclass(frozen=True, slots=True)
class PermitPlace:
    """A place in the order of `requested_at` and permit id; a page begins behind it."""

    requested_at: datetime
    permit_id: str

    @classmethod
    def before(cls, begins: datetime) -> Self:
        """Return the place before everything of that instant."""
        return cls(begins, UUID(int=0).hex)


# A page of each side, from its own index, in its order: no more is read of a full day than of an
# empty one. The entry's leaf hash comes by its id, one look for each row of the page.
_PERMITS_OF: Final[LiteralString] = """
    WITH page AS MATERIALIZED (
        (SELECT i.*
           FROM core_inquiries AS i
          WHERE i.inquirer = $1 AND i.permit_id IS NOT NULL
            AND (i.requested_at, i.permit_id) > ($2, $3) AND i.requested_at < $4
            AND i.inquiry_day BETWEEN $5 AND $6
          ORDER BY i.requested_at, i.permit_id
          LIMIT $7)
          UNION ALL
        (SELECT i.*
           FROM core_inquiries AS i
          WHERE i.provider = $1 AND i.inquirer <> $1 AND i.permit_id IS NOT NULL
            AND (i.requested_at, i.permit_id) > ($2, $3) AND i.requested_at < $4
            AND i.inquiry_day BETWEEN $5 AND $6
          ORDER BY i.requested_at, i.permit_id
          LIMIT $7)
          ORDER BY requested_at, permit_id
          LIMIT $7
    )
    SELECT p.inquiry_day, p.inquirer, p.leaf, p.entry_id, p.provider, p.requested_at, p.reason,
           p.permit_id, p.sealed, p.subject_p, p.token_expires, p.request_expires,
           e.leaf_hash
      FROM page AS p
     CROSS JOIN LATERAL (SELECT l.leaf_hash FROM log_entries AS l
                          WHERE l.entry_id = p.entry_id AND l.month >= $8 AND l.month <= $9
                          LIMIT 1) AS e
     ORDER BY p.requested_at, p.permit_id
"""


async def permits_of(
    connection: Connection,
    organisation: str,
    *,
    after: PermitPlace,
    ends: datetime,
    begins_day: date,
    ends_day: date,
    limit: int,
) -> list[RecordedPermit]:
    """Return a page of the permits an organisation is a party of, requested before `ends`.

    The two days (Tokyo) are those of the whole period; they say which partitions are looked into.
    """
    rows = await connection.fetch(
        _PERMITS_OF,
        organisation,
        after.requested_at,
        UUID(after.permit_id),
        ends,
        begins_day - PERMIT_AFTER_DAYS_MAX,
        ends_day + timedelta(days=1),
        limit,
        month_number(begins_day),
        month_number(ends_day + timedelta(days=1)),
    )
    return _recorded(rows)


# Each inquiry by its leaf, and nothing else known to an index: the period narrows what was found.
_PERMITS_OF_INQUIRIES: Final[LiteralString] = """
    SELECT i.inquiry_day, i.inquirer, i.leaf, i.entry_id, i.provider, i.requested_at, i.reason,
           i.permit_id, i.sealed, i.subject_p, i.token_expires, i.request_expires,
           e.leaf_hash
      FROM unnest($2::bytea[]) AS a (leaf)
     CROSS JOIN LATERAL (SELECT k.* FROM core_inquiries AS k
                          WHERE k.leaf = a.leaf AND k.inquirer = $1
                            AND k.inquiry_day BETWEEN $5 AND $6
                          LIMIT 1) AS i
     CROSS JOIN LATERAL (SELECT l.leaf_hash FROM log_entries AS l
                          WHERE l.entry_id = i.entry_id AND l.month >= $7 AND l.month <= $8
                          LIMIT 1) AS e
     WHERE i.permit_id IS NOT NULL AND i.requested_at >= $3 AND i.requested_at < $4
     ORDER BY i.requested_at, i.permit_id
"""


async def permits_of_inquiries(
    connection: Connection,
    inquirer: str,
    leaves: Sequence[bytes],
    *,
    begins: datetime,
    ends: datetime,
    begins_day: date,
    ends_day: date,
) -> list[RecordedPermit]:
    """Return the permits of an inquirer's inquiries (leaf hashes), requested in a period.

    The two days (Tokyo) are those of the period, as for `permits_of`.
    """
    rows = await connection.fetch(
        _PERMITS_OF_INQUIRIES,
        inquirer,
        list(dict.fromkeys(leaves)),
        begins,
        ends,
        begins_day - PERMIT_AFTER_DAYS_MAX,
        ends_day + timedelta(days=1),
        month_number(begins_day),
        month_number(ends_day + timedelta(days=1)),
    )
    return _recorded(rows)


def month_number(day: date) -> int:
    """Return the month of the record log's partitions, 202607."""
    return day.year * 100 + day.month


def _recorded(rows: Sequence[Record]) -> list[RecordedPermit]:
    found = [(_answer(row), row["leaf_hash"]) for row in rows]
    return [
        RecordedPermit(permitted=permitted, leaf=leaf)
        for permitted, leaf in found
        if isinstance(permitted, Permitted)
    ]


def _answer(row: Record) -> Permitted | Refused | None:
    if row["entry_id"] is None:
        return None
    if row["permit_id"] is None:
        return Refused(entry_id=_hex(row["entry_id"]), reason=row["reason"])
    return Permitted(
        permit_id=_hex(row["permit_id"]),
        inquiry_day=row["inquiry_day"],
        inquirer=row["inquirer"],
        provider=row["provider"],
        inquiry_leaf=row["leaf"],
        entry_id=_hex(row["entry_id"]),
        requested_at=row["requested_at"],
        token_expires=row["token_expires"],
        request_expires=row["request_expires"],
        subject_p=row["subject_p"],
        sealed=row["sealed"],
    )


def _hex(value: UUID) -> str:
    return value.hex
