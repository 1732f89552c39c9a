"""Keyset pages: an opaque cursor names the last row, never a count or an offset."""

import re
from datetime import UTC, datetime
from typing import Final

from codes.canonical import b64, unb64
from codes.errors import CodesError
from gateway.errors import InvalidQueryError

CURSOR_CHARACTERS_MAX: Final = 128
_ID: Final = re.compile(r"[0-9a-f]{32}")


def cursor_of(moment: datetime, row_id: str) -> str:
    """Return the cursor after which the next page begins."""
    return b64(f"{moment.isoformat()} {row_id}".encode())


def read_cursor(text: str | None) -> tuple[datetime, str] | None:
    """Return a cursor's instant and row id; raises `InvalidQueryError` for one not of ours."""
    place = read_place(text)
    if place is not None and not _ID.fullmatch(place[1]):
        raise InvalidQueryError("after: not a cursor")
    return place


def read_place(text: str | None) -> tuple[datetime, str] | None:
    """Return a cursor's instant (UTC) and what it names beside it, which the caller reads.

    Raises:
        InvalidQueryError: it is no cursor of ours.
    """
    if text is None:
        return None
    try:
        moment, _, place = unb64(text).decode("ascii").partition(" ")
        at = datetime.fromisoformat(moment)
        if at.utcoffset() is None or not place or len(text) > CURSOR_CHARACTERS_MAX:
            raise InvalidQueryError("after: not a cursor")
        return at.astimezone(UTC), place
    except (CodesError, ValueError, OverflowError):
        raise InvalidQueryError("after: not a cursor") from None
