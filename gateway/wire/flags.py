"""Messages of the back-office listener about flags of people."""

from typing import Annotated, Literal

import msgspec

from gateway.wire.backoffice import ItemCode, UnifiedNumberText
from gateway.wire.fields import Hex32, Instant, Message, Name, Slug

FlagKindName = Literal[
    "automatic-answer-disabled", "record-not-disclosed", "own-information-view-disabled"
]


class NewSubjectFlag(Message, frozen=True):
    """`POST /v1/subject-flags`: of a person as a whole, of one information, or of one item."""

    unified_number: UnifiedNumberText
    kind: FlagKindName
    reason: Slug
    term: Name | None = None
    item: ItemCode | None = None
    until: Instant | None = None


class FlagSetAnswer(Message, frozen=True):
    """The flag that was set: from now on every statement honours it."""

    id: Hex32


class FlagLift(Message, frozen=True):
    """`POST /v1/subject-flags:lift`: one of the caller's own flags, and why it goes."""

    id: Hex32
    reason: Slug


class FlagsLookup(Message, frozen=True):
    """`POST /v1/subject-flags:lookup`: the caller's own flags of one person."""

    unified_number: UnifiedNumberText
    lifted: bool = False


class SubjectFlag(Message, frozen=True):
    """One flag."""

    id: Hex32
    kind: Slug
    reason: Annotated[str, msgspec.Meta(max_length=200)]
    set_at: Instant
    term: Name | None = None
    item: str | None = None
    until: Instant | None = None
    lifted_at: Instant | None = None


class SubjectFlags(Message, frozen=True):
    """Flags, the oldest first."""

    flags: list[SubjectFlag]
