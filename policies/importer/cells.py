"""The cells of the table: which classes and which terms a cell names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.importer.report import Findings, Kind
from policies.importer.review import Reviewed
from policies.importer.text import digest, outer_brackets, strip_brackets
from policies.model import ClassId, ClassRef

# 「又は」 separates the outer list, 「若しくは」 an inner one; both are any-of.
_SEPARATOR: Final = re.compile("、|又は|若しくは")
_CLOSING: Final = re.compile(
    r"であって(?:次条|第[一二三四五六七八九十百]+条(?:の[一二三四五六七八九十]+)?)で定めるもの$"
)
_DEFINED: Final = re.compile(r"「([^「」]+)」という。")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReader:
    """Reads cells by the reviewed tables; what it cannot read goes to the findings."""

    reviewed: Reviewed
    findings: Findings

    def classes(self, cell: str, *, place: str) -> tuple[ClassRef, ...] | None:
        """Return the classes a cell names (any-of), or None if a word is unknown."""
        bare = strip_brackets(cell)
        whole = self.reviewed.class_cells.get(bare)
        found = whole if whole is not None else self._listed_classes(bare)
        if found is None:
            self.findings.add(Kind.CLASS_CELL, place, bare)
            return None
        included = [
            class_id
            for note in outer_brackets(cell)
            for class_id in self.reviewed.inclusions.get(note, ())
        ]
        return tuple(ClassRef(class_id=class_id) for class_id in (*found, *included))

    def terms(self, cell: str, *, place: str) -> tuple[tuple[str, ...], bool] | None:
        """Return the keys of the terms a cell names and whether a person split it, or None."""
        bare = bare_information(cell)
        by_hand = self.reviewed.information_cells.get(digest(bare))
        if by_hand is not None:
            return by_hand, True
        readings = list(_segmented(bare, self.reviewed))
        if len(readings) != 1:
            self.findings.add(Kind.INFORMATION_CELL, place, f"{len(readings)} readings: {bare}")
            return None
        return tuple(readings[0]), False

    def _listed_classes(self, bare: str) -> tuple[ClassId, ...] | None:
        names = self.reviewed.class_names
        if bare in names:
            return (names[bare],)
        found = [names.get(word) for word in _SEPARATOR.split(bare)]
        known = tuple(class_id for class_id in found if class_id is not None)
        return known if len(known) == len(found) else None


def bare_information(cell: str) -> str:
    """Return an information cell without brackets and without its closing reference."""
    return _CLOSING.sub("", strip_brackets(cell))


def defined_words(cell: str) -> tuple[str, ...]:
    """Return the words a cell defines: 「以下この条において「地方税関係情報」という。」."""
    return tuple(word for note in outer_brackets(cell) for word in _DEFINED.findall(note))


def _segmented(bare: str, reviewed: Reviewed) -> Iterator[list[str]]:
    """Yield every way to read a list whose members are each a known wording by themselves."""
    key = reviewed.wordings.get(bare)
    if key is not None:
        yield [key]
    for found in _SEPARATOR.finditer(bare):
        head = reviewed.wordings.get(bare[: found.start()])
        if head is not None:
            for rest in _segmented(bare[found.end() :], reviewed):
                yield [head, *rest]
