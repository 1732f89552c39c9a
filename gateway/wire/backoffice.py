"""Messages of the back-office listener: inquiries (DESIGN §5).

A person appears as a unified number in bodies only, never in a path or a query.
"""

from typing import Annotated, Final

import msgspec

from certs.terms import Condition, Latest
from gateway.wire.fields import END, Day, Hex32, Instant, Message, Name, Slug, Text

PAGE_ITEMS_MAX: Final = 200
UNIFIED_NUMBER: Final = r"^[0-9]{1,15}" + END

UnifiedNumberText = Annotated[str, msgspec.Meta(pattern=UNIFIED_NUMBER)]
"""A unified number: up to 15 digits."""

Department = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z-]{1,20}" + END)]
StaffName = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z._-]{1,20}" + END)]
ItemCode = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Z]{16}" + END)]
Part = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]


class CitationGiven(Message, frozen=True):
    """Where a procedure stands in the order, as read on the law day."""

    row: Part | None = None
    article: Part | None = None
    paragraph: Part | None = None
    item: Part | None = None
    sub_item: Part | None = None


class ConsentGiven(Message, frozen=True):
    """On what ground tax information is asked for, or on which day the person consented."""

    ground: Name | None = None
    date: Day | None = None


class NewInquiry(Message, frozen=True):
    """`POST /v1/inquiries`: one person, one procedure, one information, from one body.

    Either `procedure` (an id) or `citation` says under which procedure.
    """

    unified_number: UnifiedNumberText
    inquirer_body: Name
    provider_body: Name
    department: Department
    information: Name
    subject_role: Slug
    procedure: Name | None = None
    citation: CitationGiven | None = None
    items: Annotated[list[ItemCode], msgspec.Meta(max_length=512)] = msgspec.field(
        default_factory=list
    )
    condition: Condition = Latest()
    consent: ConsentGiven | None = None
    legal_basis: Slug = "act19-8"
    non_disclosure: bool = False
    staff: StaffName | None = None


class InquiryInformation(Message, frozen=True):
    """What the inquiry asks for, after narrowing: term, scope and items."""

    term: Text
    scope: Text
    items: list[str]


class AnswerRecord(Message, frozen=True):
    """One record of an answer; an item has a value or says why it has none."""

    key: str
    items: dict[str, str | int | dict[str, str]]
    first: Day | None = msgspec.field(name="from", default=None)
    last: Day | None = msgspec.field(name="to", default=None)


class AnswerGiven(Message, frozen=True):
    """The provider's answer."""

    term: Text
    scope: Text
    records: list[AnswerRecord]


class Inquiry(Message, frozen=True):
    """An inquiry as its client sees it; `result` until it is acknowledged."""

    id: Hex32
    state: Slug
    accepted_at: Instant
    provider: str
    provider_body: Text
    inquirer_body: Text
    department: str
    procedure: Text
    citation: Text
    affair: Text
    law_day: Day
    information: InquiryInformation
    subject_role: Slug
    condition: Condition
    reason: Slug | None = None
    permit_id: Hex32 | None = None
    finished_at: Instant | None = None
    acknowledged_at: Instant | None = None
    result: AnswerGiven | None = None


class Inquiries(Message, frozen=True):
    """A page of inquiries, newest first; `next` is given to `?after=` for the page that follows."""

    inquiries: list[Inquiry]
    next: str | None = None


class InquiriesQuery(Message, frozen=True):
    """Which page of which state."""

    state: Slug | None = None
    after: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ITEMS_MAX)] = 50
