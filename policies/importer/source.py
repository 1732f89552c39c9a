"""The law's texts as the source files hold them: dated rows and dated procedure lines."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
LINES_MAX: Final = 200_000

ROW_DATES: Final = "allowlist_row_dates.csv"
PROCEDURE_DATES: Final = "allowlist_procedure_dates.csv"
ROWS: Final = "allowlist_rows.csv"
PROCEDURES: Final = "allowlist_procedures.csv"


class SourceError(ValueError):
    """A source file is missing or not what it should be; `reason` is a stable slug."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCell:
    """One cell of the table of article 2, as one text has it."""

    row_no: str
    inquirer: str
    provider: str
    information: str
    from_: date
    to: date | None
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureLine:
    """One opening, item or sub-item of the procedure articles, as one text has it."""

    article: str
    paragraph: str
    row_no: str
    item: str
    sub_item: str
    text: str
    from_: date
    to: date | None
    version: str

    def holds_on(self, day: date) -> bool:
        """Tell whether the text reads so on that day."""
        return self.from_ <= day and (self.to is None or day <= self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeCell:
    """One cell of a whole version of a table: to check against, and the old 別表第二."""

    table: str
    row_no: str
    inquirer: str
    provider: str
    information: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitLine:
    """One line of the latest text, split into affair and information by somebody else."""

    article: str
    item: str
    sub_item: str
    affair: str
    information: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """All that the importer reads."""

    cells: tuple[RowCell, ...]
    lines: tuple[ProcedureLine, ...]
    whole_cells: tuple[WholeCell, ...]
    splits: tuple[SplitLine, ...]


def read_source(folder: Path) -> Source:
    """Read the four files; raise `SourceError` for what is missing, oversized or misshapen."""
    return Source(
        cells=tuple(_row_cell(line) for line in _lines(folder / ROW_DATES)),
        lines=tuple(_procedure_line(line) for line in _lines(folder / PROCEDURE_DATES)),
        whole_cells=tuple(_whole_cell(line) for line in _lines(folder / ROWS)),
        splits=tuple(_split_line(line) for line in _lines(folder / PROCEDURES)),
    )


def _lines(path: Path) -> Iterable[Mapping[str, str]]:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SourceError("source-too-large", f"{path.name}: over {FILE_BYTES_MAX} bytes")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.DictReader(stream, strict=True))
    except FileNotFoundError as error:
        raise SourceError("source-missing", f"{path.name} is missing") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError("source-malformed", f"{path.name}: {error}") from error
    if len(lines) > LINES_MAX:
        raise SourceError("source-too-large", f"{path.name}: over {LINES_MAX} lines")
    if any(None in line or None in line.values() for line in lines):
        raise SourceError("source-malformed", f"{path.name}: a line of another width")
    return lines


def _row_cell(line: Mapping[str, str]) -> RowCell:
    return RowCell(
        row_no=_column(line, "row_no"),
        inquirer=_column(line, "inquirer"),
        provider=_column(line, "provider"),
        information=_column(line, "information"),
        from_=_day(_column(line, "valid_from")),
        to=_day_or_none(_column(line, "valid_to")),
        version=_column(line, "first_seen_version"),
    )


def _procedure_line(line: Mapping[str, str]) -> ProcedureLine:
    return ProcedureLine(
        article=_column(line, "article"),
        paragraph=_column(line, "paragraph"),
        row_no=_column(line, "row_no"),
        item=_column(line, "item_no"),
        sub_item=_column(line, "sub_item"),
        text=_column(line, "text"),
        from_=_day(_column(line, "valid_from")),
        to=_day_or_none(_column(line, "valid_to")),
        version=_column(line, "first_seen_version"),
    )


def _whole_cell(line: Mapping[str, str]) -> WholeCell:
    return WholeCell(
        table=_column(line, "source_table"),
        row_no=_column(line, "row_no"),
        inquirer=_column(line, "inquirer"),
        provider=_column(line, "provider"),
        information=_column(line, "information"),
    )


def _split_line(line: Mapping[str, str]) -> SplitLine:
    return SplitLine(
        article=_column(line, "article"),
        item=_column(line, "item_no"),
        sub_item=_column(line, "sub_item"),
        affair=_column(line, "affair"),
        information=_column(line, "information"),
        method=_column(line, "split_method"),
    )


def _column(line: Mapping[str, str], name: str) -> str:
    try:
        return line[name].strip()
    except KeyError as error:
        raise SourceError("source-malformed", f"no column {name}") from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SourceError("source-malformed", f"not a day: {text}") from error


def _day_or_none(text: str) -> date | None:
    return _day(text) if text else None
