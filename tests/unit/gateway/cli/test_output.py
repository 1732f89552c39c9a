"""What commands print is whole: an id that was cut short cannot be used."""

import pytest

from gateway.cli.output import print_fields, print_rows

LONG = "f" * 64


def test_a_row_shows_every_id_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    row = {f"column_{number}": LONG for number in range(5)}

    print_rows([row], columns=list(row))

    (_head, line) = capsys.readouterr().out.splitlines()
    assert line.split() == [LONG] * 5


def test_a_long_value_leaves_the_lines_beside_it_short(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_fields({"id": "1", "entry": "x" * 3000, "marked": "[bold]"})

    short, long, marked = capsys.readouterr().out.splitlines()
    assert (short.split(), marked.split()) == (["id", "1"], ["marked", "[bold]"])
    assert len(short) < 20
    assert long.endswith("x" * 3000)
