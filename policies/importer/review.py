"""The reviewed tables: what a machine must not decide alone, decided by a person and dated."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from policies.model import ClassId, OrganClass, Review, SubjectRole, TermId

FOLDER: Final = "law/review"
FILE_BYTES_MAX: Final = 1024 * 1024

T = TypeVar("T")


class ReviewError(ValueError):
    """A reviewed table is missing, misshapen or contradicts another; `reason` is a slug."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One shape of the tables; unknown keys are refused."""


class TermEntry(_Table, frozen=True, kw_only=True):
    """A term, its code, and the words of the rows that mean it."""

    key: str
    id: TermId
    ja: str
    wordings: tuple[str, ...] = ()


class ClassCell(_Table, frozen=True, kw_only=True):
    """A class cell, without brackets, read as a whole."""

    text: str
    classes: tuple[ClassId, ...]


class InformationCell(_Table, frozen=True, kw_only=True):
    """An information cell by the digest of its bare text, and the terms it names."""

    rows: tuple[str, ...]
    digest: str
    terms: tuple[str, ...]


class SplitPart(_Table, frozen=True, kw_only=True):
    """One part of a cell that is read as several grants."""

    providers: tuple[ClassId, ...]
    terms: tuple[str, ...]


class SplitCell(_Table, frozen=True, kw_only=True):
    """A provider cell that answers for different terms in its named and its open part."""

    provider: ClassId
    parts: tuple[SplitPart, ...]


class PhraseEntry(_Table, frozen=True, kw_only=True):
    """One wording of the procedure articles and the terms it can belong to."""

    ja: str
    terms: tuple[str, ...]
    label: str = ""
    reviewed: str = ""


class Compound(_Table, frozen=True, kw_only=True):
    """A wording that joins several, in all rows or in those named."""

    ja: str
    parts: tuple[str, ...]
    rows: tuple[str, ...] = ()


class Definition(_Table, frozen=True, kw_only=True):
    """A wording whose only use is to define the word that stands for it."""

    ja: str
    label: str


class Limit(_Table, frozen=True, kw_only=True):
    """Who alone may inquire under an article or one of its paragraphs."""

    article: str
    classes: tuple[ClassId, ...]
    paragraph: str = ""
    reviewed: str = ""


class Unsure(_Table, frozen=True, kw_only=True):
    """A place whose reach is decided outside the text, so that nothing there is permitted."""

    article: str
    why: str


class Alignment(_Table, frozen=True, kw_only=True):
    """Whether a procedure whose wording changed much is still the one it was."""

    article: str
    from_: date = msgspec.field(name="from")
    item: str
    same: bool
    why: str


class Role(_Table, frozen=True, kw_only=True):
    """The pattern by which a role is known in a description (or in the whole of it)."""

    role: SubjectRole
    pattern: str
    whole: bool = False


class _Terms(_Table, frozen=True, kw_only=True):
    term: tuple[TermEntry, ...]


class _Classes(_Table, frozen=True, kw_only=True):
    class_: tuple[OrganClass, ...] = msgspec.field(name="class")
    cell: tuple[ClassCell, ...] = ()
    inclusion: tuple[ClassCell, ...] = ()


class _Cells(_Table, frozen=True, kw_only=True):
    cell: tuple[InformationCell, ...]
    split: tuple[SplitCell, ...] = ()


class _Phrases(_Table, frozen=True, kw_only=True):
    who: str
    when: date
    groups: dict[str, tuple[str, ...]]
    phrase: tuple[PhraseEntry, ...]
    compound: tuple[Compound, ...] = ()
    definition: tuple[Definition, ...] = ()


class _Places(_Table, frozen=True, kw_only=True):
    limit: tuple[Limit, ...] = ()
    unsure: tuple[Unsure, ...] = ()


class _Alignments(_Table, frozen=True, kw_only=True):
    alignment: tuple[Alignment, ...] = ()


class Roles(_Table, frozen=True, kw_only=True):
    """How roles are known: patterns in order, words not to cut, and ends that are no people."""

    role: tuple[Role, ...]
    joined: tuple[str, ...] = ()
    passed_over: str = "$^"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """All reviewed tables, with the look-ups the importer needs."""

    who: str
    when: date
    terms: Mapping[str, TermEntry]
    wordings: Mapping[str, str]
    classes: tuple[OrganClass, ...]
    class_names: Mapping[str, ClassId]
    class_cells: Mapping[str, tuple[ClassId, ...]]
    inclusions: Mapping[str, tuple[ClassId, ...]]
    information_cells: Mapping[str, tuple[str, ...]]
    splits: Mapping[ClassId, tuple[SplitPart, ...]]
    phrases: Mapping[str, PhraseEntry]
    groups: Mapping[str, tuple[str, ...]]
    compounds: tuple[Compound, ...]
    definitions: Mapping[str, str]
    limits: tuple[Limit, ...]
    unsure: Mapping[str, str]
    roles: Roles
    alignments: Mapping[tuple[str, date, str], bool]

    def verdict(self, why: str) -> Review:
        """Return the review of a fact: sure without a reason, else reviewed for that reason."""
        if not why:
            return Review(state="sure")
        return Review(state="reviewed", who=self.who, when=self.when, why=why)


def load_reviewed(folder: Traversable | Path | None = None) -> Reviewed:
    """Read the tables (the shipped ones by default); raise `ReviewError` if they do not hold."""
    root = folder if folder is not None else files("policies") / FOLDER
    phrases = _table(root, "phrases.toml", _Phrases)
    terms = {entry.key: entry for entry in _table(root, "terms.toml", _Terms).term}
    classes = _table(root, "classes.toml", _Classes)
    cells = _table(root, "cells.toml", _Cells)
    places = _table(root, "places.toml", _Places)
    reviewed = Reviewed(
        who=phrases.who,
        when=phrases.when,
        terms=terms,
        wordings={word: entry.key for entry in terms.values() for word in _words(entry)},
        classes=classes.class_,
        class_names={found.ja: found.id for found in classes.class_},
        class_cells={cell.text: cell.classes for cell in classes.cell},
        inclusions={cell.text: cell.classes for cell in classes.inclusion},
        information_cells={cell.digest: cell.terms for cell in cells.cell},
        splits={split.provider: split.parts for split in cells.split},
        phrases={entry.ja: entry for entry in phrases.phrase},
        groups=phrases.groups,
        compounds=phrases.compound,
        definitions={entry.ja: entry.label for entry in phrases.definition},
        limits=places.limit,
        unsure={place.article: place.why for place in places.unsure},
        roles=_table(root, "roles.toml", Roles),
        alignments={
            (found.article, found.from_, found.item): found.same
            for found in _table(root, "alignments.toml", _Alignments).alignment
        },
    )
    _check(reviewed)
    return reviewed


def _words(entry: TermEntry) -> tuple[str, ...]:
    return (entry.ja, *entry.wordings)


def _check(reviewed: Reviewed) -> None:
    """Every key a table uses must be in the table that owns it."""
    named = [key for entry in reviewed.phrases.values() for key in entry.terms]
    named += [key for keys in reviewed.groups.values() for key in keys]
    named += [key for keys in reviewed.information_cells.values() for key in keys]
    for key in named:
        if key not in reviewed.terms and key not in reviewed.groups:
            raise ReviewError("unknown-term", f"no term is called {key}")
    known = {found.id for found in reviewed.classes}
    for classes in (*reviewed.class_cells.values(), *reviewed.inclusions.values()):
        if not set(classes) <= known:
            raise ReviewError("unknown-class", f"no such class among {', '.join(classes)}")
    for compound in reviewed.compounds:
        if not set(compound.parts) <= set(reviewed.phrases):
            raise ReviewError("unknown-phrase", f"a part is no phrase: {compound.ja}")


def _table(root: Traversable | Path, name: str, type_: type[T]) -> T:
    try:
        raw = (root / name).read_bytes()
        if len(raw) > FILE_BYTES_MAX:
            raise ReviewError("review-too-large", f"{name}: over {FILE_BYTES_MAX} bytes")
        return msgspec.convert(tomllib.loads(raw.decode()), type=type_)
    except FileNotFoundError as error:
        raise ReviewError("review-missing", f"{name} is missing") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ReviewError("review-malformed", f"{name}: {error}") from error
