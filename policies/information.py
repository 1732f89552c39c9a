"""What an asked information is: a term, a scope, or a wording of the law; no I/O."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Self

from codes.errors import UnknownCodeError
from codes.tables import CodeTables, shipped
from policies.classes import plain
from policies.facts import Facts
from policies.model import Scope, ScopeId, Term, TermId

_ABBREVIATED: Final = re.compile(r"\(以下[^()]*\)")
_SHORT_NAMES: Final = MappingProxyType({"高確法": "高齢者の医療の確保に関する法律"})
# A text that asks for more than this is a reference to a list, not a name of information.
PARTS_MAX: Final = 4
_TAIL: Final = re.compile(r"(?:であって.*で定めるもの)?$")


@lru_cache(maxsize=8192)
def plain_label(name: str) -> str:
    """Return a label as labels are compared: 市町村民税 and 市町村民税に関する情報 are one."""
    bare = _TAIL.sub("", _ABBREVIATED.sub("", plain(name)))
    for short, full in _SHORT_NAMES.items():
        bare = bare.replace(short, full)
    return bare.removesuffix("に関する情報") or bare


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a question asks for, as far as the law has a word for it.

    `terms` are those it may lie in (none: unknown to the law); `is_whole` says the name is a
    term's own; `label` and `scope_id` select the scope meant; `parts` are the labels of a wording
    that joins several: it asks for all of them, and is nothing less. `text_digest` is that of the
    very text of the law: it means only what stands under that text.
    """

    name: str
    terms: frozenset[TermId] = frozenset()
    is_whole: bool = False
    label: str = ""
    scope_id: ScopeId | None = None
    parts: frozenset[str] = frozenset()
    text_digest: str = ""

    def means(self, scope: Scope) -> bool:
        """Tell whether the scope is what was asked for, or part of it."""
        if self.scope_id is not None:
            return scope.id == self.scope_id
        if self.is_whole and scope.term in self.terms:
            return True
        if self.text_digest:
            return scope.text_digest == self.text_digest
        if self.parts:
            return plain_label(scope.ja) in self.parts
        return bool(self.label) and plain_label(scope.ja) == self.label

    def is_covered_by(self, scopes: Iterable[Scope]) -> bool:
        """Tell whether the scopes hold every part that was asked for."""
        return self.parts <= {plain_label(scope.ja) for scope in scopes}


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationBook:
    """Every name of information the facts know."""

    _by_id: Mapping[str, Asked]
    _by_label: Mapping[str, Asked]
    _by_text: Mapping[str, Asked]

    @classmethod
    def build(cls, facts: Facts) -> Self:
        """Read the names once; a term's own name wins over a scope that is worded the same."""
        by_id: dict[str, Asked] = {}
        by_label: dict[str, Asked] = {}
        for scope in facts.scopes:
            terms = frozenset({scope.term}) if scope.term is not None else frozenset[TermId]()
            by_id[scope.id] = Asked(name=scope.ja, terms=terms, scope_id=scope.id)
            _add_label(by_label, scope.ja, plain_label(scope.ja), terms)
        for phrase in facts.phrases:
            label = plain_label(phrase.means or phrase.ja)
            # A wording lies wherever a scope with its label lies: the row decides.
            terms = by_label[label].terms if label in by_label else frozenset[TermId]()
            _add_label(by_label, phrase.ja, label, terms | {phrase.term})
        for phrase in facts.phrases:
            if phrase.parts:
                by_label[plain_label(phrase.ja)] = _joined(phrase.ja, phrase.parts, by_label)
        for term in facts.terms:
            by_id[term.id] = _whole(term)
            for name in (*term.aliases, term.ja):
                by_label[plain_label(name)] = _whole(term)
        return cls(
            _by_id=MappingProxyType(by_id),
            _by_label=MappingProxyType(by_label),
            _by_text=MappingProxyType(_texts(facts, by_label)),
        )

    def find(self, information: str) -> Asked:
        """Return what is asked for; a name without terms when the law has no such word.

        The very text of an item or sub-item is known by its digest.
        """
        label = plain_label(information)
        known = self._by_id.get(information) or self._by_label.get(label)
        return known or self._by_text.get(_digest(information)) or _unknown(information, label)


def items_of(scope: Scope, day: date, tables: CodeTables) -> tuple[str, ...]:
    """Return the item codes a scope holds: its own list, else what the tables say of its term.

    An item that the tables tie to a narrower phrase belongs only to the scope worded so
    (市町村民税, never 道府県民税). Of a term without items nothing is known, so nothing is held.
    """
    if scope.items is not None:
        return scope.items
    label = plain_label(scope.ja)
    if tables is shipped():
        return _shipped_items(scope.term or "", label, day)
    return _items(tables, scope.term or "", label, day)


@lru_cache(maxsize=4096)
def _shipped_items(term: str, label: str, day: date) -> tuple[str, ...]:
    return _items(shipped(), term, label, day)


def _items(tables: CodeTables, term: str, label: str, day: date) -> tuple[str, ...]:
    try:
        known = tables.items_of(term)
    except UnknownCodeError:
        return ()
    return tuple(
        item.code
        for item in known
        if item.holds_on(day) and (item.scope is None or plain_label(item.scope) == label)
    )


def _whole(term: Term) -> Asked:
    return Asked(
        name=term.ja, terms=frozenset({term.id}), is_whole=True, label=plain_label(term.ja)
    )


def _unknown(information: str, label: str) -> Asked:
    return Asked(name=information, label=label)


def _joined(name: str, parts: Iterable[str], by_label: Mapping[str, Asked]) -> Asked:
    """Return one name for several labels, in whatever terms they lie."""
    labels = frozenset(plain_label(part) for part in parts)
    terms = [by_label[label].terms for label in labels if label in by_label]
    return Asked(
        name=name,
        terms=frozenset[TermId]().union(*terms),
        label=plain_label(name),
        parts=labels,
    )


def _texts(facts: Facts, by_label: Mapping[str, Asked]) -> dict[str, Asked]:
    """Return what each text of the law asks, by digest: one label, or several at once."""
    labels: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for scope in facts.scopes:
        if scope.text_digest:
            labels[scope.text_digest][scope.ja] = None
    return {
        digest: replace(_joined("、".join(names), names, by_label), text_digest=digest)
        for digest, names in labels.items()
        if len(names) <= PARTS_MAX
    }


def _digest(text: str) -> str:
    return hashlib.sha256(unicodedata.normalize("NFC", text.strip()).encode()).hexdigest()


def _add_label(by_label: dict[str, Asked], name: str, label: str, terms: frozenset[TermId]) -> None:
    key = plain_label(name)
    before = by_label.get(key)
    known = before.terms if before else frozenset[TermId]()
    by_label[key] = Asked(name=name, terms=known | terms, label=label)
