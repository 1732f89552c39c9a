"""Messages of the back-office listener about what the law's table says; they permit nothing."""

from datetime import date
from typing import Annotated

import msgspec

from gateway.wire.fields import Message

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
Part = (
    Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    | Annotated[int, msgspec.Meta(ge=0, le=9999)]
)


class DecisionQuestion(Message, frozen=True):
    """`POST /v1/decisions:explain`: who, to whom, on what ground, what, on which day.

    Classes are given in the law's own words; each side by class or by body, once.
    """

    on_date: date
    information: Word
    inquirer_class: Word | None = None
    inquirer_body: Word | None = None
    provider_class: Word | None = None
    provider_body: Word | None = None
    row: Part | None = None
    article: Part | None = None
    paragraph: Part | None = None
    item: Part | None = None
    sub_item: Word | None = None
    procedure: Word | None = None
    subject_role: Word | None = None


class DecisionExplained(Message, frozen=True):
    """What the table says, on what, and what comes nearest."""

    decision: str  # permit | refuse
    reason: str
    basis: list[dict[str, str]]
    nearest: list[dict[str, object]]
