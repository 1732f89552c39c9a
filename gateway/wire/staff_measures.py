"""Messages of the staff listener about flags of people and stop switches (LAW *Gates*)."""

from typing import Annotated, Literal

import msgspec

from gateway.wire.backoffice import ItemCode, UnifiedNumberText
from gateway.wire.fields import Hex32, Instant, Message, Name
from gateway.wire.staff import Cursor, Limit, Words

SwitchBy = Literal["procedure", "information", "counterparty", "body", "all"]
FlagKindWord = Literal[
    "automatic-answer-disabled", "record-not-disclosed", "own-information-view-disabled"
]
MakerKind = Literal["staff", "client"]


class NewSwitch(Message, frozen=True):
    """What is to be stopped and why.

    `value` is a procedure, a term or scope, an organisation or a body, and empty for `all`.
    """

    by: SwitchBy
    reason: Words
    value: Annotated[str, msgspec.Meta(max_length=200)] = ""
    until: Instant | None = None


class Made(Message, frozen=True):
    """What was made: every commit from now on is bound by it."""

    id: Hex32


class Switch(Message, frozen=True):
    """One stop switch."""

    id: Hex32
    by: SwitchBy
    value: str
    reason: str
    maker: str
    set_at: Instant
    until: Instant | None = None
    lifted_at: Instant | None = None
    lifted_by: str | None = None


class Switches(Message, frozen=True):
    """Switches, newest first; those that stop exchanges now, or a page of all there were."""

    switches: list[Switch]
    next: str | None = None


class SwitchesQuery(Message, frozen=True):
    """Without `all` only what stops exchanges now."""

    all: bool = False
    after: Cursor | None = None
    limit: Limit = 50


class NewFlag(Message, frozen=True):
    """A flag of a person as a whole, of one term, or of one item of it."""

    unified_number: UnifiedNumberText
    kind: FlagKindWord
    reason: Words
    term: Name | None = None
    item: ItemCode | None = None
    until: Instant | None = None


class FlagLookup(Message, frozen=True):
    """Whose flags are asked for; the number stands in the body, never in a path or query."""

    unified_number: UnifiedNumberText
    all: bool = False


class FlagLifting(Message, frozen=True):
    """Why a flag is lifted."""

    reason: Words


class Flag(Message, frozen=True):
    """One flag."""

    id: Hex32
    kind: FlagKindWord
    reason: str
    maker: str
    maker_kind: MakerKind
    set_at: Instant
    term: Name | None = None
    item: str | None = None
    until: Instant | None = None
    lifted_at: Instant | None = None
    lifted_by: str | None = None


class Flags(Message, frozen=True):
    """The flags of one person, oldest first."""

    flags: list[Flag]
