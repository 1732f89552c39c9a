"""Messages of the staff listener about disclosure to the person (法31, 個情法76–)."""

from typing import Literal

from gateway.wire.backoffice import UnifiedNumberText
from gateway.wire.fields import Hex32, Instant, Message, Organisation, Slug

DirectionWord = Literal["asked", "provided"]
"""Whether we asked or were asked."""


class DisclosureRequest(Message, frozen=True):
    """Whose records; exchanges requested from `since` on and before `until`, else all there are."""

    unified_number: UnifiedNumberText
    since: Instant | None = None
    until: Instant | None = None


class Named(Message, frozen=True):
    """A code, and what it is called where that is known today."""

    code: str
    name: str | None = None


class DisclosedInformation(Message, frozen=True):
    """What was asked for."""

    term: Named
    scope: Named
    items: list[Named]


class DisclosedExchange(Message, frozen=True):
    """One exchange as 法23① lists it, its corrections applied.

    `outcome` is that of the last answer, or `unanswered`; `act21_2` says that 法21② applied.
    """

    direction: DirectionWord
    requested_at: Instant
    outcome: Slug
    act21_2: bool
    inquirer: Named | None = None
    provider: Named | None = None
    provided_at: Instant | None = None
    department: str | None = None
    affair: Named | None = None
    procedure: Named | None = None
    citation: str | None = None
    information: DisclosedInformation | None = None
    corrected_at: Instant | None = None
    permit_id: Hex32 | None = None


class Disclosure(Message, frozen=True):
    """What the person may see, oldest first, and beside it what is for staff alone.

    `left_out` counts exchanges of which a mark of 法23② stands: the person is not told. Up to the
    end of `erased_through` (2019-05) nothing is kept any more.
    """

    organisation: Organisation
    title: str
    made_at: Instant
    exchanges: list[DisclosedExchange]
    left_out: int
    since: Instant | None = None
    until: Instant | None = None
    erased_through: str | None = None
