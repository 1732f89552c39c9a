"""The dated rows of the table → grants, deleted rows, and what a row names on a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from policies.importer.cells import CellReader, bare_information, defined_words
from policies.importer.report import Kind
from policies.importer.review import Reviewed
from policies.importer.source import RowCell
from policies.importer.text import digest, strip_brackets
from policies.model import ClassRef, DeletedRow, Grant, Term, TermId

DELETED: Final = "削除"
_BY_HAND: Final = "情報の列挙を人が読み分けた"
_SPLIT: Final = "名指しの者と開かれた者とで情報を分けて読んだ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What the table says: grants and deleted rows."""

    grants: tuple[Grant, ...]
    deleted: tuple[DeletedRow, ...]
    keys: Mapping[TermId, str]

    def terms_on(self, row_no: str, day: date) -> frozenset[str]:
        """Return the keys of all terms the row names on a day."""
        return frozenset(
            self.keys[term]
            for grant in self.grants
            if grant.row_no == row_no and grant.holds_on(day)
            for term in grant.terms
        )

    def days(self, row_no: str) -> frozenset[date]:
        """Return the days on which a cell of the row begins."""
        return frozenset(grant.from_ for grant in self.grants if grant.row_no == row_no)


def read_rows(cells: Iterable[RowCell], reader: CellReader) -> Rows:
    """Return the grants of the table; a cell that cannot be read gives none and a finding."""
    deleted: list[DeletedRow] = []
    grants: list[Grant] = []
    numbers: Counter[str] = Counter()
    for cell in sorted(cells, key=_order):
        if strip_brackets(cell.inquirer) == DELETED:
            deleted.append(DeletedRow(row_no=cell.row_no, from_=cell.from_))
            continue
        numbers[cell.row_no] += 1
        grants.extend(_grants(cell, f"{numbers[cell.row_no]}", reader))
    keys = {entry.id: entry.key for entry in reader.reviewed.terms.values()}
    return Rows(grants=tuple(grants), deleted=tuple(deleted), keys=keys)


def read_terms(cells: Iterable[RowCell], reviewed: Reviewed) -> tuple[Term, ...]:
    """Return the terms, each with the row that defines its word."""
    defined: dict[str, str] = {}
    for cell in sorted(cells, key=lambda found: found.from_):
        for word in defined_words(cell.information):
            defined.setdefault(word, f"第2条の表{cell.row_no}の項")
    return tuple(
        Term(
            id=entry.id,
            ja=entry.ja,
            defined_in=defined.get(entry.ja, ""),
            aliases=entry.wordings,
        )
        for entry in reviewed.terms.values()
    )


def _order(cell: RowCell) -> tuple[date, str, str, str]:
    return (cell.from_, cell.row_no, bare_information(cell.information), cell.provider)


def _grants(cell: RowCell, number: str, reader: CellReader) -> Iterable[Grant]:
    place = f"{cell.row_no}の項 {cell.from_.isoformat()}"
    inquirers = reader.classes(cell.inquirer, place=place)
    providers = reader.classes(cell.provider, place=place)
    named = reader.terms(cell.information, place=place)
    if inquirers is None or providers is None or named is None:
        return
    keys, by_hand = named
    parts = _parts(providers, keys, reader.reviewed)
    for at, (answering, terms) in enumerate(parts):
        part = number if len(parts) == 1 else f"{number}-{at + 1}"
        why = _SPLIT if len(parts) > 1 else _BY_HAND if by_hand else ""
        yield Grant(
            id=f"G{cell.row_no.replace('の', '-')}.{part}",
            row_no=cell.row_no,
            cell=part,
            inquirers=inquirers,
            providers=answering,
            terms=tuple(reader.reviewed.terms[key].id for key in terms),
            from_=cell.from_,
            to=cell.to,
            text_digest=digest(f"{cell.inquirer}\n{cell.provider}\n{cell.information}"),
            review=reader.reviewed.verdict(why),
        )


def _parts(
    providers: tuple[ClassRef, ...], keys: tuple[str, ...], reviewed: Reviewed
) -> list[tuple[tuple[ClassRef, ...], tuple[str, ...]]]:
    for provider in providers:
        parts = reviewed.splits.get(provider.class_id)
        if parts is not None:
            return [
                (tuple(ClassRef(class_id=found) for found in part.providers), part.terms)
                for part in parts
            ]
    return [(providers, keys)]


def check_against_whole(
    rows: Iterable[RowCell],
    whole: Iterable[tuple[str, str, str, str]],
    day: date,
    reader: CellReader,
) -> None:
    """Note every cell of a whole version that the dated cells do not have on its day."""
    dated = {
        (cell.row_no, cell.inquirer, cell.provider, cell.information)
        for cell in rows
        if cell.from_ <= day and (cell.to is None or day <= cell.to)
    }
    for cell in set(whole) ^ dated:
        if DELETED not in cell:
            reader.findings.add(Kind.SOURCE_DIFFERS, f"{cell[0]}の項 {day.isoformat()}", "cell")
