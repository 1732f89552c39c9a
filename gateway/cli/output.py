"""What commands print and how they end: one clear line, tables or JSON, five exit codes."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final

import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from certs.errors import CertsError
from codes.errors import CodesError
from gateway.errors import (
    ConfigurationError,
    InvalidRequestError,
    NotPermittedError,
    RefusedError,
    SekishoError,
    WithheldError,
)


class ExitCode(IntEnum):
    """How a command ended (DESIGN §5)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    WITHHELD = 4


# The first that fits counts, so the narrower stands first.
_EXITS: Final[tuple[tuple[type[Exception], ExitCode], ...]] = (
    (WithheldError, ExitCode.WITHHELD),
    (RefusedError, ExitCode.REFUSED),
    (NotPermittedError, ExitCode.REFUSED),
    (ConfigurationError, ExitCode.USAGE),
    (InvalidRequestError, ExitCode.USAGE),
)
_EXPECTED: Final = (SekishoError, CertsError, CodesError, OSError)

_WIDTH_MAX: Final = 10_000

out: Final = Console(highlight=False, soft_wrap=True)
errors: Final = Console(stderr=True, highlight=False, soft_wrap=True)


def exit_code_of(error: Exception) -> ExitCode:
    """Return how a command ends that this error ended."""
    for kind, code in _EXITS:
        if isinstance(error, kind):
            return code
    return ExitCode.FAILED


def tell_error(error: Exception) -> ExitCode:
    """Print one line about an error on stderr, never a traceback, and return the exit code."""
    if isinstance(error, _EXPECTED):
        words = str(error) or type(error).__name__
    else:
        # The words of an error nobody foresaw may hold anything; its class does not.
        words = f"something went wrong inside ({type(error).__qualname__})"
    errors.print(f"sekisho: {' '.join(words.split())}", markup=False)
    return exit_code_of(error)


def print_json(value: object) -> None:
    """Print one JSON document on one line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def print_rows(
    rows: Iterable[Mapping[str, object]], *, columns: Sequence[str], title: str | None = None
) -> None:
    """Print rows as a table."""
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    _print_whole(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values, a line each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in fields.items():
        table.add_row(name.replace("_", " "), _cell(value))
    _print_whole(table)


def print_one(fields: Mapping[str, object], *, as_json: bool) -> None:
    """Print one thing as JSON for programs, else as names and values for people."""
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)


def _print_whole(table: Table) -> None:
    """Print a table as wide as it is: an id that was cut short cannot be used."""
    unbounded = out.options.update(max_width=_WIDTH_MAX)
    width = max(out.width, Measurement.get(out, unbounded, table).maximum)
    whole = Console(file=out.file, width=width, highlight=False)
    with whole.capture() as captured:
        whole.print(table)
    # One long value pads every line to its width; a terminal would show that as empty lines.
    lines = (line.rstrip() for line in captured.get().splitlines())
    out.file.write("".join(f"{line}\n" for line in lines))


def _cell(value: object) -> str:
    """Return a value as text that rich takes literally."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text.replace("[", r"\[")
