"""The resident network's own file: CSV, a header, a My Number and a resident-record code a line."""

import csv
from collections.abc import Iterator
from typing import Final, TextIO

from gateway.errors import InvalidRequestError

HEADER: Final = ("my_number", "resident_code")
CHUNK: Final = 500
"""So many lines fit into one message of the control socket."""


def read_chunks(file: TextIO) -> Iterator[list[tuple[str, str]]]:
    """Yield the lines in chunks of at most 500; an error names a line and never repeats it.

    Raises:
        InvalidRequestError: another header, or a line without exactly two columns.
    """
    reader = csv.reader(file)
    if tuple(next(reader, ())) != HEADER:
        raise InvalidRequestError(f"the first line is {','.join(HEADER)}")
    chunk: list[tuple[str, str]] = []
    for row in reader:
        if len(row) != len(HEADER):
            raise InvalidRequestError(f"line {reader.line_num}: two columns")
        chunk.append((row[0], row[1]))
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
