"""The grammar of 「…に係る次に掲げる情報」: whose information, which, or where it is listed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policies.citations import number
from policies.importer.review import Reviewed
from policies.importer.text import iroha_range, strip_brackets

HEADER: Final = "次に掲げる情報"
_OF: Final = "に係る"
_SUB: Final = r"[ァ-ヺ](?:から[ァ-ヺ]まで)?"
_REFERENCE: Final = re.compile(
    rf"(?:前号|第([一二三四五六七八九十百]+)号(?:の([一二三四五六七八九十]+))?)"
    rf"({_SUB}(?:(?:、|及び){_SUB})*(?:及び{_SUB})?)?に掲げる情報"
)
_RANGE: Final = re.compile(r"([ァ-ヺ])(?:から([ァ-ヺ])まで)?")
_ONLY_OF: Final = re.compile(r"に掲げる情報（([^（）]+)に係る情報に限る。）")
_JOINTS: Final = ("並びに", "及び")
_NESTING_MAX: Final = 6
# A description of people never holds an affair or another list.
_NOT_PEOPLE: Final = ("に関する事務", "掲げる情報")
_CONTINUES: Final = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """「前号」 (item empty) or 「第一号イからホまで」; no sub-items means all of the item."""

    item: str
    subs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One thing a text asks: a known wording, a reference, or the list that follows it."""

    subject: str
    phrase: str = ""
    reference: Reference | None = None

    @property
    def is_header(self) -> bool:
        """Tell whether the list that follows says what it is."""
        return not self.phrase and self.reference is None


def read_information(text: str, reviewed: Reviewed, *, row_no: str) -> tuple[Wording, ...] | None:
    """Return what an information text asks, or None if its grammar or a wording is unknown."""
    limited = _ONLY_OF.search(text)
    bare = strip_brackets(text)
    for definition in reviewed.definitions:
        # A definition too long to keep: its beginning and the word it defines name it.
        head, _, rest = definition.partition(_CONTINUES)
        at = bare.find(head) if rest or definition.endswith(_CONTINUES) else -1
        if at >= 0:
            bare = bare[:at] + definition
    found = _groups(bare, _known(reviewed, row_no), 0)
    if found is None or limited is None:
        return found
    return tuple(
        Wording(subject=limited.group(1), reference=each.reference)
        if each.reference is not None and not each.subject
        else each
        for each in found
    )


def _known(reviewed: Reviewed, row_no: str) -> Mapping[str, None]:
    known = dict.fromkeys([*reviewed.phrases, *reviewed.definitions])
    for compound in reviewed.compounds:
        if not compound.rows or row_no in compound.rows:
            known[compound.ja] = None
    return known


def _groups(text: str, known: Mapping[str, None], depth: int) -> tuple[Wording, ...] | None:
    """Read one or several 「…に係る…」 joined by 並びに or 及び."""
    whole = _group(text, known)
    if whole is not None or depth >= _NESTING_MAX:
        return whole
    for joint in _JOINTS:
        for at in _places(text, joint):
            left = _group(text[:at], known)
            if left is not None:
                right = _groups(text[at + len(joint) :], known, depth + 1)
                if right is not None:
                    return left + right
    return None


def _group(text: str, known: Mapping[str, None]) -> tuple[Wording, ...] | None:
    """Read one 「(whose) に係る (what)」; the shortest description that leaves known wordings."""
    alone = _list(text, known)
    if alone is not None:
        return _of("", alone)
    for at in _places(text, _OF):
        asked = _list(text[at + len(_OF) :], known)
        if asked is not None and not any(words in text[:at] for words in _NOT_PEOPLE):
            return _of(text[:at], asked)
    return None


def _of(subject: str, asked: tuple[Wording, ...]) -> tuple[Wording, ...]:
    return tuple(
        Wording(subject=subject, phrase=each.phrase, reference=each.reference) for each in asked
    )


def _list(text: str, known: Mapping[str, None]) -> tuple[Wording, ...] | None:
    """Read wordings joined by 及び or 並びに."""
    one = _one(text, known)
    if one is not None:
        return (one,)
    for joint in _JOINTS:
        for at in _places(text, joint):
            head = _one(text[:at], known)
            rest = _list(text[at + len(joint) :], known) if head is not None else None
            if head is not None and rest is not None:
                return (head, *rest)
    return None


def _one(text: str, known: Mapping[str, None]) -> Wording | None:
    if text == HEADER:
        return Wording(subject="")
    if text in known:
        return Wording(subject="", phrase=text)
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return None
    item, branch, subs = found.groups()
    name = number(item) + (f"の{number(branch)}" if branch else "") if item else ""
    return Wording(subject="", reference=Reference(item=name, subs=_named_subs(subs or "")))


def _named_subs(text: str) -> tuple[str, ...]:
    return tuple(
        sub for first, last in _RANGE.findall(text) for sub in iroha_range(first, last or first)
    )


def _places(text: str, mark: str) -> Iterator[int]:
    at = text.find(mark)
    while at >= 0:
        yield at
        at = text.find(mark, at + 1)
