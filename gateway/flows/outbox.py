"""What becomes of an outbox row after somebody was told."""

from enum import Enum, auto
from typing import Final

from gateway.outbound.errors import ItemRefusedError, MessageRefusedError

_NEVER: Final = frozenset({"conflict", "lapsed", "permit-used", "refused"})
"""Problems that asking again does not change."""


class RowVerdict(Enum):
    """Taken, to be asked again, or never to be taken."""

    DONE = auto()
    RETRY = auto()
    DEAD = auto()


def verdict_of(error: Exception) -> RowVerdict:
    """Return what to do with a row whose telling ended in this error."""
    if isinstance(error, ItemRefusedError | MessageRefusedError):
        return RowVerdict.DEAD if error.refusal.type in _NEVER else RowVerdict.RETRY
    return RowVerdict.RETRY
