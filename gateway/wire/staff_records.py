"""Messages of the staff listener about the record log (PROTOCOL §5)."""

from typing import Annotated, Literal

import msgspec

from gateway.wire.backoffice import UnifiedNumberText
from gateway.wire.fields import Base64Url, Hex32, Hex64, Instant, Message, Name, Slug
from gateway.wire.staff import Cursor, Limit

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
    """One entry: where it stands, and its public part, if it can be read, as it is stored."""

    id: Hex32
    slot: int
    index: int
    kind: Slug
    time: Instant
    leaf_hash: Hex64
    public: dict[str, object] | None = None


class Records(Message, frozen=True):
    """A page of entries, newest first."""

    records: list[Record]
    next: str | None = None
    erased_through: str | None = None
    """The last month that is erased (2019-05): nothing up to its end is found any more."""


class RecordShown(Message, frozen=True):
    """One entry with everything that proves it.

    `entry` are the leaf's own bytes, `proof` is a C2SP tlog-proof over them; `private` is the
    opened private part, network codes hidden.
    """

    record: Record
    entry: Base64Url
    proof: str
    private_state: PrivateState
    private: dict[str, object] | None = None


class RecordsExport(Message, frozen=True):
    """Which period to export, `ends` not included; without them everything there is."""

    begins: Instant | None = None
    ends: Instant | None = None
