"""Rows out of PostgreSQL's binary COPY format, as they come, without the whole in memory."""

import struct
from collections.abc import Iterator
from typing import Final, TypeAlias

from gateway.errors import InvalidRequestError

Row: TypeAlias = list[bytes | None]

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00"
_HEAD: Final = struct.Struct(">II")
_FIELDS: Final = struct.Struct(">h")
_LENGTH: Final = struct.Struct(">i")
_END: Final = -1


class CopyRows:
    """Takes the bytes of one COPY in any pieces and gives each row as its fields, NULL as None."""

    def __init__(self) -> None:
        self._rest = b""
        self._has_begun = self._has_ended = False

    def feed(self, content: bytes) -> Iterator[Row]:
        """Give the rows that are whole with these bytes.

        Raises:
            InvalidRequestError: this is no binary COPY, or it goes on behind its end.
        """
        content = self._rest + content
        place = 0
        if not self._has_begun:
            begins = len(_SIGNATURE) + _HEAD.size
            if len(content) < begins:
                self._rest = content
                return
            flags, extension = _HEAD.unpack_from(content, len(_SIGNATURE))
            if not content.startswith(_SIGNATURE) or flags or extension:
                raise InvalidRequestError("no binary COPY")
            self._has_begun, place = True, begins
        while not self._has_ended and (found := _row(content, place)) is not None:
            row, place = found
            if row is None:
                self._has_ended = True
            else:
                yield row
        self._rest = content[place:]
        if self._has_ended and self._rest:
            raise InvalidRequestError("a COPY goes on behind its end")

    def end(self) -> None:
        """Return quietly if the COPY came to its end, else raise `InvalidRequestError`."""
        if not self._has_ended:
            raise InvalidRequestError("a COPY without its end")


def _row(content: bytes, place: int) -> tuple[Row | None, int] | None:
    """Return the row that begins here, or None for the end, and where what follows begins.

    None if it is not all there.
    """
    if len(content) < place + _FIELDS.size:
        return None
    (fields,) = _FIELDS.unpack_from(content, place)
    place += _FIELDS.size
    if fields == _END:
        return None, place
    row: Row = []
    for _ in range(fields):
        if len(content) < place + _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size
        if length < 0:
            row.append(None)
            continue
        if len(content) < place + length:
            return None
        row.append(content[place : place + length])
        place += length
    return row, place
