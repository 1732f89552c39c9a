"""Messages of the staff listener about operation records: what people and clients did."""

from typing import Annotated

import msgspec

from gateway.wire.fields import Hex32, Hex64, Instant, Message, Slug
from gateway.wire.staff import Cursor, Limit
from gateway.wire.staff_erasures import Month

Who = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class OperationsSearch(Message, frozen=True):
    """What to look for in the last three months; everything given must match.

    `staff` is an account's id, `client` a back-office system.
    """

    since: Instant | None = None
    until: Instant | None = None
    kinds: Annotated[list[Slug], msgspec.Meta(max_length=64)] = msgspec.field(default_factory=list)
    staff: Who | None = None
    client: Who | None = None
    after: Cursor | None = None
    limit: Limit = 50


class OperationRecord(Message, frozen=True):
    """One operation record: who did what, what it concerned by id, and which entry says so."""

    id: Hex32
    time: Instant
    kind: Slug
    party: str
    """staff, client, organisation, or instance where nobody asked for it."""
    who: str
    done: str
    concerns: str
    slot: int
    index: int
    leaf_hash: Hex64


class OperationArchive(Message, frozen=True):
    """A monthly archive: how many rows, and the SHA-256 of the sealed file."""

    month: Month
    rows: int
    digest: Hex64
    entry: Hex32
    archived_at: Instant


class OperationRecords(Message, frozen=True):
    """A page, newest first; what is older than `online_since` lies in `archives`."""

    records: list[OperationRecord]
    online_since: Instant
    archives: list[OperationArchive]
    next: str | None = None


class OperationArchives(Message, frozen=True):
    """Every archive that there is, oldest month first."""

    archives: list[OperationArchive]
