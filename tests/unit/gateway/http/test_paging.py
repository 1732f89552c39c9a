"""A cursor is read back as it was made, and nothing else is one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from codes.canonical import b64
from gateway.errors import InvalidQueryError
from gateway.http.paging import CURSOR_CHARACTERS_MAX, cursor_of, read_cursor, read_place

AT = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)
ROW = "0123456789abcdef" * 2


def test_a_cursor_is_read_back() -> None:
    assert read_cursor(cursor_of(AT, ROW)) == (AT, ROW)
    assert read_cursor(None) is None
    assert read_place(cursor_of(AT, "0.17")) == (AT, "0.17")


def test_an_instant_of_another_zone_is_the_same_instant_in_utc() -> None:
    place = read_cursor(cursor_of(AT.astimezone(timezone(timedelta(hours=9))), ROW))

    assert place is not None
    assert place[0].isoformat() == AT.isoformat()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bm9uZQ",
        "not base64url",
        b64(b"\xff\xfe"),
        b64(AT.isoformat().encode()),
        b64(b"2026-07-01T12:30:15 " + ROW.encode()),
        b64(b"2026-02-30T00:00:00+00:00 " + ROW.encode()),
        b64(b"0001-01-01T00:00:00+14:00 " + ROW.encode()),
        cursor_of(AT, "0.17"),
        cursor_of(AT, ROW.upper()),
        cursor_of(AT, ROW + "0"),
        cursor_of(AT, "0" * CURSOR_CHARACTERS_MAX),
    ],
)
def test_what_nobody_gave_out_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidQueryError, match="after: not a cursor"):
        read_cursor(text)
