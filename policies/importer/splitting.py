"""Where an item's affair ends and its information begins: the text has no mark between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policies.importer.report import Findings, Kind
from policies.importer.review import Reviewed
from policies.importer.wording import Wording, read_information

_AFFAIR: Final = "事務"
_AFFAIR_NOTE: Final = re.compile(r"（")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """An item cut in two, its information already read (None: not understood)."""

    affair: str
    information: str
    wordings: tuple[Wording, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitter:
    """Cuts items where what follows reads as information; a hint helps where nothing does."""

    reviewed: Reviewed
    hints: Mapping[str, str]
    findings: Findings

    def split(self, text: str, *, row_no: str, place: str) -> Split | None:
        """Return the item cut in two, or None (noted) if no cut or several make sense."""
        cuts = list(_cuts(text))
        read = [
            Split(affair=text[:cut], information=text[cut:], wordings=wordings)
            for cut in cuts
            if (wordings := self._read(text[cut:], row_no)) is not None
        ]
        hint = self.hints.get(text)
        if len(read) > 1:
            read = [found for found in read if found.affair == hint] or read
        if len(read) == 1:
            if hint is not None and hint != read[0].affair:
                self.findings.add(Kind.SOURCE_DIFFERS, place, "affair split elsewhere")
            return read[0]
        if hint is not None and not read:
            return Split(affair=hint, information=text[len(hint) :], wordings=None)
        self.findings.add(Kind.SPLIT, place, f"{len(read)} cuts of {len(cuts)}")
        return None

    def _read(self, information: str, row_no: str) -> tuple[Wording, ...] | None:
        return read_information(information, self.reviewed, row_no=row_no)


def _cuts(text: str) -> Iterator[int]:
    """Yield every end of 「…事務」, with the brackets that may follow it."""
    at = text.find(_AFFAIR)
    while at >= 0:
        end = at + len(_AFFAIR)
        if _depth(text[:end]) == 0:
            yield _after_brackets(text, end)
        at = text.find(_AFFAIR, end)


def _depth(text: str) -> int:
    return text.count("（") - text.count("）")


def _after_brackets(text: str, at: int) -> int:
    while _AFFAIR_NOTE.match(text, at):
        end = at + 1
        while _depth(text[at:end]):
            end += 1
        at = end
    return at
