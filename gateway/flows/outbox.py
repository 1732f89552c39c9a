"""What becomes of an outbox row after somebody was told."""

from enum import Enum, auto
from typing import Final

import structlog

from gateway.outbound.errors import ItemRefusedError, MessageRefusedError
from gateway.wire.problems import PROBLEM_TYPES

log = structlog.get_logger()

_NEVER: Final = frozenset({"conflict", "lapsed", "permit-used", "refused"})
"""Problems of an item that asking again does not change."""
_OTHER: Final = "other"


class RowVerdict(Enum):
    """Taken, to be asked again, or never to be taken."""

    DONE = auto()
    RETRY = auto()
    DEAD = auto()


def verdict_of(error: Exception) -> RowVerdict:
    """Return what to do with a row whose telling ended in this error; a refusal is logged.

    Only who looked at the item itself can say that nothing will ever change: a message refused
    as a whole was not read so far, and its rows stay.
    """
    if not isinstance(error, ItemRefusedError | MessageRefusedError):
        return RowVerdict.RETRY
    refusal = error.refusal.type
    log.warning("outbox_row_refused", reason=refusal if refusal in PROBLEM_TYPES else _OTHER)
    is_final = isinstance(error, ItemRefusedError) and refusal in _NEVER
    return RowVerdict.DEAD if is_final else RowVerdict.RETRY
