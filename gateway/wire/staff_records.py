"""Messages of the staff listener about the record log (PROTOCOL §5)."""

from typing import Annotated, Literal

import msgspec

from gateway.wire.backoffice import UnifiedNumberText
from gateway.wire.fields import Base64Url, Day, Hex32, Hex64, Instant, Message, Name, Slug
from gateway.wire.staff import Cursor, Limit
from gateway.wire.staff_corrections import RecordCorrection

PrivateState = Literal["opened", "not-permitted", "key-destroyed"]


class RecordsSearch(Message, frozen=True):
    """What to look for; everything given must match. A person stands in the body alone."""

    since: Instant | None = None
    until: Instant | None = None
    kinds: Annotated[list[Slug], msgspec.Meta(max_length=64)] = msgspec.field(default_factory=list)
    outcome: Slug | None = None
    counterparty: Name | None = None
    procedure: Name | None = None
    information: Name | None = None
    permit_id: Hex32 | None = None
    unified_number: UnifiedNumberText | None = None
    after: Cursor | None = None
    limit: Limit = 50


class Record(Message, frozen=True):
    """One entry: where it stands, and its public part, if it can be read, as it is stored.

    `corrected_by` are our corrections of this very entry, oldest first: the last one counts.
    """

    id: Hex32
    slot: int
    index: int
    kind: Slug
    time: Instant
    leaf_hash: Hex64
    public: dict[str, object] | None = None
    corrected_by: list[Hex32] = msgspec.field(default_factory=list)


class Records(Message, frozen=True):
    """A page of entries, newest first."""

    records: list[Record]
    next: str | None = None
    erased_through: str | None = None
    """The last month that is erased (2019-05): nothing up to its end is found any more."""


class RecordShown(Message, frozen=True):
    """One entry with everything that proves it.

    `entry` are the leaf's own bytes, `proof` is a C2SP tlog-proof over them; `private` is the
    opened private part, network codes hidden. `corrections` are ours of this entry and of others of
    the same exchange, and those that the other party told us of, oldest first: the later one wins.
    """

    record: Record
    entry: Base64Url
    proof: str
    private_state: PrivateState
    private: dict[str, object] | None = None
    corrections: list[RecordCorrection] = msgspec.field(default_factory=list)


class RecordsExport(Message, frozen=True):
    """Which period to export, `ends` not included; without them everything there is."""

    begins: Instant | None = None
    ends: Instant | None = None


class ReconciliationPeriod(Message, frozen=True):
    """What to hold against the core: permits requested from `begins` on and before `ends`."""

    begins: Instant
    ends: Instant


class RecordDifference(Message, frozen=True):
    """One thing that does not fit; `organisation` is whose record is missing or says otherwise."""

    organisation: Name
    reason: Slug
    permit_id: Hex32 | None = None
    leaf: Hex64 | None = None


class Reconciliation(Message, frozen=True):
    """What was found up to `ends`; where that is earlier than asked for, ask on from there.

    `unfinished` permits still run, and what they miss is on its way. At most 200 of each list are
    named; `differing` and `mended` count them all.
    """

    begins: Instant
    ends: Instant
    agreed: bool
    permits: int
    unfinished: int
    mended: int
    differing: int
    repaired: list[RecordDifference]
    differences: list[RecordDifference]


class ProvisionCheckDay(Message, frozen=True):
    """Whose decisions to derive again: a day of Japan."""

    day: Day


class WrongDecision(Message, frozen=True):
    """A decision that cannot have been right; `ground` is what stood against it."""

    reason: Slug
    kind: Slug
    entry_id: Hex32
    permit_id: Hex32 | None = None
    ground: Name | None = None


class ProvisionCheck(Message, frozen=True):
    """How many were derived again, how many could not be; at most 200 wrong ones are named."""

    day: Day
    checked: int
    unchecked: int
    wrong: int
    findings: list[WrongDecision]
