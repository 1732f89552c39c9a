"""When the jobs of the night are due: once for each day of Japan, after two in the morning."""

from datetime import date, datetime
from typing import Final

from codes.canonical import TOKYO

BEGINS_HOUR: Final = 2


def due_night(now: datetime) -> date | None:
    """Return the night (by its morning's day) whose jobs may be done now, or None before two."""
    local = now.astimezone(TOKYO)
    return local.date() if local.hour >= BEGINS_HOUR else None
