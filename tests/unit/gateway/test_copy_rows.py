"""PostgreSQL's binary COPY, read in any pieces."""

import pytest

from gateway.errors import InvalidRequestError
from gateway.storage.copy_rows import CopyRows, Row

HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
END = b"\xff\xff"


def field(value: bytes | None) -> bytes:
    return b"\xff" * 4 if value is None else len(value).to_bytes(4, "big") + value


def row(*values: bytes | None) -> bytes:
    return len(values).to_bytes(2, "big") + b"".join(field(value) for value in values)


COPY = HEAD + row(b"a", None, b"") + row(b"\xff\xff", b"b" * 300, None) + END
ROWS: list[Row] = [[b"a", None, b""], [b"\xff\xff", b"b" * 300, None]]


@pytest.mark.parametrize("step", [1, 7, 19, 64, 1000])
def test_rows_come_however_the_bytes_are_cut(step: int) -> None:
    rows = CopyRows()

    found = [one for at in range(0, len(COPY), step) for one in rows.feed(COPY[at : at + step])]

    rows.end()
    assert found == ROWS


def test_what_is_no_whole_copy_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="no binary COPY"):
        list(CopyRows().feed(b"x" * 40))
    with pytest.raises(InvalidRequestError, match="goes on behind its end"):
        list(CopyRows().feed(COPY + b"x"))
    cut = CopyRows()
    assert len(list(cut.feed(COPY[:-1]))) == 2
    with pytest.raises(InvalidRequestError, match="without its end"):
        cut.end()
