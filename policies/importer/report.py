"""What the importer could not settle, counted by kind and listed by citation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of findings: stable slugs. The first group means "refused until reviewed"."""

    CLASS_CELL = "class-cell-unknown"
    INFORMATION_CELL = "information-cell-unknown"
    PHRASE = "phrase-unknown"
    REFERENCE = "reference-unresolved"
    SPLIT = "split-unknown"
    TERM_NOT_IN_ROW = "term-not-in-row"
    TERM_AMBIGUOUS = "term-ambiguous"
    OPENING = "opening-unknown"
    DETERMINED_ELSEWHERE = "determined-elsewhere"
    # What was settled, and how, where another reading is thinkable.
    ALIGNMENT_DOUBTFUL = "alignment-doubtful"
    TWO_READINGS = "two-readings"
    # Where the sources differ from each other.
    SOURCE_DIFFERS = "source-differs"
    DUPLICATE_LINE = "duplicate-line"


UNRESOLVED: frozenset[Kind] = frozenset(
    {
        Kind.CLASS_CELL,
        Kind.INFORMATION_CELL,
        Kind.PHRASE,
        Kind.REFERENCE,
        Kind.SPLIT,
        Kind.TERM_NOT_IN_ROW,
        Kind.TERM_AMBIGUOUS,
        Kind.OPENING,
        Kind.DETERMINED_ELSEWHERE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One thing found, where, and in few words what."""

    kind: Kind
    place: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of an import."""

    findings: tuple[Finding, ...]
    facts: Mapping[str, int]

    @property
    def unresolved(self) -> tuple[Finding, ...]:
        """Return the findings whose facts are refused until a person reviews them."""
        return tuple(found for found in self.findings if found.kind in UNRESOLVED)

    def counts(self) -> dict[str, int]:
        """Return how many findings there are of each kind, zeros included."""
        counted = Counter(found.kind for found in self.findings)
        return {kind.value: counted[kind] for kind in Kind}


@dataclass(slots=True)
class Findings:
    """Collects findings while the importer works; equal ones count once."""

    _found: dict[Finding, None] = field(default_factory=dict)

    def add(self, kind: Kind, place: str, detail: str) -> None:
        """Note something at a place of the law."""
        self._found[Finding(kind=kind, place=place, detail=detail)] = None

    def all(self) -> tuple[Finding, ...]:
        """Return everything noted, sorted."""
        return tuple(sorted(self._found))
