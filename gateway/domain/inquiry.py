"""An inquiry from the asking side: its states, and which may follow which. Pure."""

from enum import StrEnum
from typing import Final


class InquiryState(StrEnum):
    """Where an inquiry stands, in the words its client reads."""

    OPEN = "open"
    WITHHELD = "withheld"
    PROVIDED = "provided"
    NO_INFORMATION = "no-information"
    DENIED = "denied"
    FAILED = "failed"
    REFUSED = "refused"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come."""
        return self not in UNFINISHED


UNFINISHED: Final = frozenset({InquiryState.OPEN, InquiryState.WITHHELD})
GIVEN_UP: Final = frozenset({InquiryState.WITHDRAWN, InquiryState.LAPSED})
"""States in which nobody waits any more; an answer that comes all the same is recorded."""

BEFORE: Final[dict[InquiryState, frozenset[InquiryState]]] = {
    InquiryState.OPEN: frozenset(),
    InquiryState.WITHHELD: frozenset({InquiryState.OPEN}),
    InquiryState.REFUSED: frozenset({InquiryState.OPEN}),
    InquiryState.PROVIDED: UNFINISHED,
    InquiryState.NO_INFORMATION: UNFINISHED,
    InquiryState.DENIED: UNFINISHED,
    InquiryState.FAILED: UNFINISHED,
    InquiryState.LAPSED: UNFINISHED,
    InquiryState.WITHDRAWN: UNFINISHED,
}
"""The states from which each state may be entered."""
