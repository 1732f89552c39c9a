"""Keyset pages: an opaque cursor names the last row, never a count or an offset."""

from datetime import datetime
from typing import Final

from codes.canonical import b64, unb64
from codes.errors import CodesError
from gateway.errors import InvalidQueryError

CURSOR_CHARACTERS_MAX: Final = 128


def cursor_of(moment: datetime, row_id: str) -> str:
    """Return the cursor after which the next page begins."""
    return b64(f"{moment.isoformat()} {row_id}".encode())


def read_cursor(text: str | None) -> tuple[datetime, str] | None:
    """Return what a cursor names; raises `InvalidQueryError` for one that is none of ours."""
    if text is None:
        return None
    try:
        moment, _, row_id = unb64(text).decode("ascii").partition(" ")
        at = datetime.fromisoformat(moment)
    except (CodesError, ValueError):
        raise InvalidQueryError("after: not a cursor") from None
    if at.utcoffset() is None or not row_id or len(text) > CURSOR_CHARACTERS_MAX:
        raise InvalidQueryError("after: not a cursor")
    return at, row_id
