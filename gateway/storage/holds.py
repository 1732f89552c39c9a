"""Rows of answers kept back for people."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar

from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOpened(Effect):
    """The answer is held exactly when the provision says `withheld`."""

    KIND: ClassVar[str] = "hold_opened"
    ORDER: ClassVar[int] = 20

    hold_id: str
    permit_id: str
    day: date
    inquirer: str
    procedure: str
    information: str
    subject: bytes = field(repr=False)
    entry_id: str
    approvals_needed: int
    reasons: tuple[str, ...]
    opened_at: datetime
    deadline: datetime
    request_expires: datetime
    key_year: int
    case_box: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @property
    def key(self) -> str:
        """Return the permit's id: a permit has one hold at most."""
        return self.permit_id
