"""From a wording of the procedure articles to the term of the row it lies in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.importer.report import Findings, Kind
from policies.importer.review import PhraseEntry, Reviewed
from policies.model import Review, TermId

OPEN_GROUP: Final = "@open"
_SETTLING: Final = "調整"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What a wording means in one row: our label, the term, and how sure that is."""

    label: str
    term: TermId | None
    review: Review


@dataclass(frozen=True, slots=True, kw_only=True)
class TermFinder:
    """Finds terms by the reviewed table; the row decides between several."""

    reviewed: Reviewed
    findings: Findings

    def find(
        self, phrase: str, *, row_no: str, keys: frozenset[str], affair: str, place: str
    ) -> Iterator[Meant]:
        """Yield what the wording means; an unsure meaning (noted) if that cannot be told."""
        for part in self._parts(phrase, row_no):
            entry = self.reviewed.phrases.get(part)
            if entry is None:
                yield _unsure(part, "phrase not in the reviewed table")
                continue
            yield from self._of_entry(entry, keys, affair, place)

    def _parts(self, phrase: str, row_no: str) -> tuple[str, ...]:
        phrase = self.reviewed.definitions.get(phrase, phrase)
        for compound in self.reviewed.compounds:
            if compound.ja == phrase and (not compound.rows or row_no in compound.rows):
                return compound.parts
        return (phrase,)

    def _of_entry(
        self, entry: PhraseEntry, keys: frozenset[str], affair: str, place: str
    ) -> Iterator[Meant]:
        label = entry.label or entry.ja
        named = [key for key in self._expanded(entry, is_open=False) if key in keys]
        open_ = [key for key in self._expanded(entry, is_open=True) if key in keys]
        if len(named) > 1 or len(open_) > 1:
            self.findings.add(Kind.TERM_AMBIGUOUS, place, f"{label}: {', '.join(named + open_)}")
            yield _unsure(label, "several terms of the row fit")
            return
        if not named and not open_:
            self.findings.add(Kind.TERM_NOT_IN_ROW, place, label)
            yield _unsure(label, "no term of the row fits")
            return
        # Where overlapping benefits are settled, the same information is also the other laws'.
        both = bool(named and open_) and _SETTLING in affair
        if both:
            self.findings.add(Kind.TWO_READINGS, place, f"{label}: {named[0]}, {open_[0]}")
        for key in [*named, *(open_ if both or not named else ())]:
            yield Meant(
                label=label,
                term=self.reviewed.terms[key].id,
                review=self.reviewed.verdict(entry.reviewed),
            )

    def _expanded(self, entry: PhraseEntry, *, is_open: bool) -> list[str]:
        return [
            key
            for name in entry.terms
            if (name == OPEN_GROUP) is is_open
            for key in self.reviewed.groups.get(name, (name,))
        ]


def _unsure(label: str, why: str) -> Meant:
    return Meant(label=label, term=None, review=Review(state="unsure", why=why))
