"""Which classes of the law a body is in on a day: inclusion, stated facts, delegation; no I/O."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Self

from policies.model import Body, ClassId, OrganClass

_EMPTY: frozenset[ClassId] = frozenset()


def plain(name: str) -> str:
    """Return a Japanese name as names are compared: width, white space and quotes put aside."""
    folded = unicodedata.normalize("NFKC", name)
    return "".join(folded.translate(_QUOTES).split())


_QUOTES = str.maketrans("", "", "「」")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBook:
    """All classes, found by name, each with every class that wholly includes it."""

    by_id: Mapping[ClassId, OrganClass]
    _by_name: Mapping[str, ClassId]
    _including: Mapping[ClassId, frozenset[ClassId]] = field(repr=False)
    _listed: Mapping[str, frozenset[ClassId]] = field(repr=False)

    @classmethod
    def build(cls, classes: Iterable[OrganClass]) -> Self:
        """Expand the classes once, so that no question has to."""
        by_id = {found.id: found for found in classes}
        parents = _parents(by_id)
        return cls(
            by_id=MappingProxyType(by_id),
            _by_name=MappingProxyType(_names(by_id)),
            _including=MappingProxyType({key: _closure(key, parents) for key in by_id}),
            _listed=MappingProxyType(_listed(by_id)),
        )

    def find(self, name: str) -> ClassId | None:
        """Return the class that is called so (id, law's word or alias), or None."""
        return self._by_name.get(plain(name))

    def name(self, class_id: ClassId) -> str:
        """Return the law's word for the class, with the stated fact if one is asked."""
        base, _, qualifier = class_id.partition("+")
        found = self.by_id.get(ClassId(base))
        word = found.ja if found else base
        return f"{word}（{qualifier}）" if qualifier else word

    def is_empty_open(self, class_id: ClassId) -> bool:
        """Tell whether the class is 「…者」 written open and nobody has been listed in it yet."""
        found = self.by_id.get(class_id)
        return found is not None and found.kind == "open" and not found.members

    def expand(
        self, stated: Iterable[ClassId], *, body_code: str | None = None
    ) -> frozenset[ClassId]:
        """Return the stated classes and all that include them; unknown ones count for nothing.

        A body code adds the open classes that list it.
        """
        listed = self._listed.get(body_code, _EMPTY) if body_code is not None else _EMPTY
        return listed.union(*(self._including_key(class_id) for class_id in stated))

    def of_stated(
        self, stated: Iterable[str], *, body_code: str | None = None
    ) -> frozenset[ClassId]:
        """Return all classes of a body that states these on the day, by id or by the law's word.

        Open classes are held by being listed with evidence, never by a body's own word.
        """
        known = (ClassId(name) if "+" in name else self.find(name) for name in stated)
        return self.expand(
            (found for found in known if found is not None and not self._is_open(found)),
            body_code=body_code,
        )

    def of_body(
        self, body: Body, day: date, *, bodies: Mapping[str, Body] | None = None
    ) -> frozenset[ClassId]:
        """Return the classes a body is in on a day; `bodies` (by body code) holds the delegators.

        A delegated body acts in its delegator's classes, in those of them that it states if it
        states any, and never through a second delegation.
        """
        if body.delegated_by is None:
            return self._stated(body, day)
        delegator = (bodies or {}).get(body.delegated_by)
        if delegator is None or delegator.delegated_by is not None:
            return _EMPTY
        held = self._stated(delegator, day)
        stated = [found.class_id for found in body.classes if found.holds_on(day)]
        return self.expand(found for found in stated if found in held) if body.classes else held

    def _stated(self, body: Body, day: date) -> frozenset[ClassId]:
        stated = [found.class_id for found in body.classes if found.holds_on(day) and found.fact]
        return self.of_stated(stated, body_code=body.body_code)

    def _is_open(self, class_id: ClassId) -> bool:
        found = self.by_id.get(class_id)
        return found is not None and found.kind == "open"

    def _including_key(self, key: ClassId) -> frozenset[ClassId]:
        known = self._including.get(key)
        if known is not None:
            return known
        base, plus, qualifier = key.partition("+")
        wider = self._including.get(ClassId(base), _EMPTY)
        if not plus or not wider:
            return _EMPTY
        # A fact stated of a 市長 is stated of a 市町村長 as well.
        return wider | {ClassId(f"{found}+{qualifier}") for found in wider}


def _parents(by_id: Mapping[ClassId, OrganClass]) -> dict[ClassId, set[ClassId]]:
    parents: dict[ClassId, set[ClassId]] = {key: set() for key in by_id}
    for found in by_id.values():
        if found.base is not None:
            parents[found.id].add(found.base)
        for member in found.members:
            if ClassId(member.id) in parents:
                parents[ClassId(member.id)].add(found.id)
    return parents


def _closure(start: ClassId, parents: Mapping[ClassId, set[ClassId]]) -> frozenset[ClassId]:
    seen, waiting = {start}, [start]
    while waiting:
        fresh = parents[waiting.pop()] - seen
        seen |= fresh
        waiting.extend(fresh)
    return frozenset(seen)


def _names(by_id: Mapping[ClassId, OrganClass]) -> dict[str, ClassId]:
    names: dict[str, ClassId] = {}
    # An id is the surest name, then the law's own word, then another wording.
    for found in by_id.values():
        for alias in found.aliases:
            names[plain(alias)] = found.id
    for found in by_id.values():
        names[plain(found.ja)] = found.id
    for found in by_id.values():
        names[plain(found.id)] = found.id
    return names


def _listed(by_id: Mapping[ClassId, OrganClass]) -> dict[str, frozenset[ClassId]]:
    listed: dict[str, frozenset[ClassId]] = {}
    for found in by_id.values():
        if found.kind == "open":
            for member in found.members:
                listed[member.id] = listed.get(member.id, _EMPTY) | {found.id}
    return listed
