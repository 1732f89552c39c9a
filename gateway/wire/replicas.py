"""Messages of the back-office listener by which systems supply replicas (副本).

A batch is JSON Lines: a header, then a row a line. A person appears in rows only.
"""

from datetime import date
from typing import Annotated, Final, Literal

import msgspec

from gateway.wire.backoffice import UnifiedNumberText
from gateway.wire.fields import Count, Day, Hex32, Instant, Message, Name, Slug

JSON_LINES: Final = "application/jsonl"
LINE_BYTES_MAX: Final = 64 * 1024
VALUE_CHARACTERS_MAX: Final = 2000
ITEMS_MAX: Final = 1024
INTEGER_MAX: Final = 2**53 - 1

BatchKind = Literal["initial", "change", "re-registration", "layout-revision", "deletion"]
Layout = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z._-]{1,32}$(?!\n)")]


class BatchHeader(Message, frozen=True):
    """The first line: what the rows are, and of which data layout.

    `rows` says how many follow; a batch with another number is refused. With `whole` one refused
    row refuses the batch, else the others count without it.
    """

    kind: BatchKind
    term: Name
    layout: Layout
    rows: Count | None = None
    whole: bool = False


class ReasonOfNull(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an item has no value (項目単位の空値理由, in the spelling of the data layout)."""

    reason_of_null: Literal["NotAcceptable", "NotConvered"]


ItemValue = (
    Annotated[str, msgspec.Meta(max_length=VALUE_CHARACTERS_MAX)]
    | Annotated[int, msgspec.Meta(ge=0, le=INTEGER_MAX)]
    | ReasonOfNull
)


class ReplicaRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One record about one person; `deletion` takes the record away from `published_from` on.

    Every item has a value or says why it has none; publication is by days in Japan, both
    included.
    """

    unified_number: str
    record_key: str
    items: dict[str, ItemValue] | msgspec.UnsetType = msgspec.UNSET
    published_from: date | msgspec.UnsetType = msgspec.UNSET
    published_until: date | msgspec.UnsetType = msgspec.UNSET
    first: date | msgspec.UnsetType = msgspec.field(name="from", default=msgspec.UNSET)
    last: date | msgspec.UnsetType = msgspec.field(name="to", default=msgspec.UNSET)
    deletion: bool | msgspec.UnsetType = msgspec.UNSET

    def __repr__(self) -> str:
        return "ReplicaRow(masked)"


class FindingTold(Message, frozen=True):
    """A row that was refused: which one, counted from 1 behind the header, and why."""

    ordinal: Count
    reason: Slug


class Batch(Message, frozen=True):
    """A batch as its client sees it; `findings` are the first thousand."""

    id: Hex32
    state: Slug  # receiving | applied | refused
    kind: Slug
    term: Name
    layout: str
    created_at: Instant
    rows_put: Count
    rows_deleted: Count
    rows_refused: Count
    findings: list[FindingTold]
    reason: Slug | None = None
    applied_at: Instant | None = None


class ReplicasLookup(Message, frozen=True):
    """`POST /v1/replicas:lookup`: what is published of one person."""

    unified_number: UnifiedNumberText
    terms: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=64)]


class ReplicaFound(Message, frozen=True):
    """One published record."""

    term: Name
    record_key: str
    published_from: Day
    items: dict[str, str | int | dict[str, str]]
    published_until: Day | None = None
    first: Day | None = msgspec.field(name="from", default=None)
    last: Day | None = msgspec.field(name="to", default=None)


class ReplicasFound(Message, frozen=True):
    """Everything that would be provided today, before anything is cut."""

    records: list[ReplicaFound]
