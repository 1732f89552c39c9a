"""What the core has of a party's own permits, to be held against that party's records (法23③)."""

from typing import Annotated, Final

import msgspec

from gateway.wire.fields import Hex32, Hex64, Instant, Message, Organisation, Slug

PERMITS_MAX: Final = 256
"""Permits of one page."""
INQUIRIES_MAX: Final = 64
"""Inquiries that one question may name."""
TOLD_MAX: Final = 16
"""Words about one permit: a provision, a delivery and a receipt of each; a liar may tell more."""
CURSOR_CHARACTERS_MAX: Final = 128


class ReconciliationsRequest(Message, frozen=True):
    """`POST /v1/reconciliations` of the core: permits by `requested_at`, `ends` left out.

    With `inquiry_leaves`, only the permits of these inquiries of the caller's, all at once.
    """

    begins: Instant
    ends: Instant
    after: Annotated[str, msgspec.Meta(max_length=CURSOR_CHARACTERS_MAX)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PERMITS_MAX)] = PERMITS_MAX
    inquiry_leaves: (
        Annotated[list[Hex64], msgspec.Meta(min_length=1, max_length=INQUIRIES_MAX)] | None
    ) = None


class ToldOfPermit(Message, frozen=True):
    """One party's word as the core took it; `of` is what a receipt answers or a delivery follows.

    `kind` is provision, delivery or receipt; `leaf` is the leaf hash of its entry.
    """

    party: Organisation
    kind: Slug
    outcome: Slug
    leaf: Hex64
    of: Hex64 | None = None


class PermitReconciled(Message, frozen=True):
    """One permit of the caller's, the leaf hashes of what it rests on, and all told of it."""

    permit_id: Hex32
    inquirer: Organisation
    provider: Organisation
    requested_at: Instant
    request_expires: Instant
    inquiry_leaf: Hex64
    permit_leaf: Hex64
    told: Annotated[list[ToldOfPermit], msgspec.Meta(max_length=TOLD_MAX)]


class ReconciliationsAnswer(Message, frozen=True):
    """A page in the order of `requested_at`; `next` goes into `after` while there is more."""

    permits: Annotated[list[PermitReconciled], msgspec.Meta(max_length=PERMITS_MAX)]
    next: Annotated[str, msgspec.Meta(max_length=CURSOR_CHARACTERS_MAX)] | None = None
