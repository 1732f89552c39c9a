"""The resident network's own file: read in chunks, refused without repeating what it holds."""

import io

import pytest

from gateway.core.resident_file import CHUNK, read_chunks
from gateway.errors import InvalidRequestError

HEADER = "my_number,resident_code\n"


def chunks(text: str) -> list[list[tuple[str, str]]]:
    return list(read_chunks(io.StringIO(text, newline="")))


def test_lines_come_in_order_and_in_chunks_that_fit_one_message() -> None:
    lines = [(f"{number:012d}", f"{number:011d}") for number in range(CHUNK + 1)]

    found = chunks(HEADER + "".join(f"{mine},{code}\n" for mine, code in lines))

    assert [len(chunk) for chunk in found] == [CHUNK, 1]
    assert [line for chunk in found for line in chunk] == lines


def test_a_file_of_a_header_alone_holds_nobody() -> None:
    assert chunks(HEADER) == []


@pytest.mark.parametrize("text", ["", "resident_code,my_number\n", "123456789018,01234567890\n"])
def test_another_header_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="first line"):
        chunks(text)


@pytest.mark.parametrize("line", ["123456789018", "123456789018,01234567890,more"])
def test_a_line_of_other_than_two_columns_is_refused_by_its_place_alone(line: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^line 2: two columns$"):
        chunks(HEADER + line + "\n")
