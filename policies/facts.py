"""The shipped facts as files: one sorted JSON file a kind, one fact a line, read strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from policies.model import (
    ClassId,
    DeletedRow,
    Fact,
    Grant,
    LawText,
    OrganClass,
    Phrase,
    Procedure,
    Scope,
    Superseded,
    Term,
)

FORMAT: Final = 1
FILE_BYTES_MAX: Final = 32 * 1024 * 1024
SHIPPED: Final = "law"

F = TypeVar("F", bound=Fact)


class FactsError(ValueError):
    """The facts cannot be read, or contradict themselves; `reason` is a stable slug."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Facts(Fact, frozen=True, kw_only=True):
    """Everything the law says, as data; days before `data_from` or after `data_until` have none."""

    version: str
    data_from: date
    data_until: date | None = None
    law_texts: tuple[LawText, ...] = ()
    classes: tuple[OrganClass, ...] = ()
    terms: tuple[Term, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    grants: tuple[Grant, ...] = ()
    deleted_rows: tuple[DeletedRow, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    scopes: tuple[Scope, ...] = ()
    superseded: tuple[Superseded, ...] = ()


class Manifest(Fact, frozen=True, kw_only=True):
    """The head of a folder of facts (`manifest.json`)."""

    format: int
    version: str
    data_from: date
    data_until: date | None = None


_KINDS: Final[Mapping[str, type[Fact]]] = {
    "law_texts": LawText,
    "classes": OrganClass,
    "terms": Term,
    "phrases": Phrase,
    "grants": Grant,
    "deleted_rows": DeletedRow,
    "procedures": Procedure,
    "scopes": Scope,
    "superseded": Superseded,
}


def load_shipped() -> Facts:
    """Return the facts that come with the program; raise `FactsError` if they are damaged."""
    return load_facts(files("policies") / SHIPPED)


def load_facts(folder: Traversable | Path) -> Facts:
    """Read a folder; raise `FactsError` for what is missing, unknown, unsorted, contradictory."""
    manifest = _decode(folder / "manifest.json", Manifest)
    if manifest.format != FORMAT:
        raise FactsError("unknown-format", f"facts format {manifest.format}, know {FORMAT}")
    facts = Facts(
        version=manifest.version,
        data_from=manifest.data_from,
        data_until=manifest.data_until,
        law_texts=_facts(folder, "law_texts", LawText),
        classes=_facts(folder, "classes", OrganClass),
        terms=_facts(folder, "terms", Term),
        phrases=_facts(folder, "phrases", Phrase),
        grants=_facts(folder, "grants", Grant),
        deleted_rows=_facts(folder, "deleted_rows", DeletedRow),
        procedures=_facts(folder, "procedures", Procedure),
        scopes=_facts(folder, "scopes", Scope),
        superseded=_facts(folder, "superseded", Superseded),
    )
    check_facts(facts)
    return facts


def save_facts(facts: Facts, folder: Path) -> None:
    """Write the facts so that equal facts give equal files and a changed fact changes one line."""
    check_facts(facts)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        format=FORMAT,
        version=facts.version,
        data_from=facts.data_from,
        data_until=facts.data_until,
    )
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest) + b"\n")
    for kind in _KINDS:
        (folder / f"{kind}.json").write_bytes(_lines(getattr(facts, kind)))


def fact_key(fact: Fact) -> str:
    """Return what must be unique among facts of a kind, and sorts them."""
    match fact:
        case DeletedRow(row_no=row_no):
            return row_no
        case Phrase(ja=ja):
            return ja
        case _:
            return str(getattr(fact, "id"))  # noqa: B009 - Fact itself has no id


def check_facts(facts: Facts) -> None:
    """Raise `FactsError` unless ids are unique and every reference leads somewhere."""
    for kind in _KINDS:
        keys = [fact_key(fact) for fact in getattr(facts, kind)]
        if len(set(keys)) != len(keys):
            raise FactsError("duplicate-fact", f"{kind}: an id stands twice")
    _check_references(facts)
    _check_intervals(facts)


def _check_references(facts: Facts) -> None:
    classes = frozenset[str](found.id for found in facts.classes)
    terms = frozenset[str](found.id for found in facts.terms)
    procedures = frozenset[str](found.id for found in facts.procedures)
    for by, class_id in _named_classes(facts):
        _require(class_id, classes, by)
    for grant in facts.grants:
        for term in grant.terms:
            _require(term, terms, grant.id)
    for phrase in facts.phrases:
        _require(phrase.term, terms, phrase.ja)
    for scope in facts.scopes:
        _require(scope.procedure, procedures, scope.id)
        if scope.term is not None:
            _require(scope.term, terms, scope.id)
        elif scope.review.state != "unsure":
            raise FactsError("scope-without-term", f"{scope.id} is not unsure and has no term")


def _named_classes(facts: Facts) -> Iterator[tuple[str, ClassId]]:
    """Yield who names which class; members of open classes may be body codes and are left out."""
    for found in facts.classes:
        if found.base is not None:
            yield found.id, found.base
        if found.kind != "open":
            yield from ((found.id, ClassId(member.id)) for member in found.members)
    for cell in (*facts.grants, *facts.superseded):
        assert isinstance(cell, Grant | Superseded)
        yield from ((cell.id, ref.class_id) for ref in (*cell.inquirers, *cell.providers))
    for procedure in facts.procedures:
        yield from ((procedure.id, ref.class_id) for ref in procedure.inquirer_limit or ())


def _check_intervals(facts: Facts) -> None:
    for fact in (*facts.grants, *facts.procedures, *facts.scopes):
        if fact.to is not None and fact.to < fact.from_:
            raise FactsError("interval-reversed", f"{fact_key(fact)} ends before it begins")


def _require(target: str, known: frozenset[str], by: str) -> None:
    if target not in known:
        raise FactsError("dangling-reference", f"{by} names {target}, which is not there")


def _lines(facts: tuple[Fact, ...]) -> bytes:
    encoded = [msgspec.json.encode(fact) for fact in sorted(facts, key=fact_key)]
    return b"[\n" + b",\n".join(encoded) + b"\n]\n"


def _facts(folder: Traversable | Path, kind: str, type_: type[F]) -> tuple[F, ...]:
    found = _decode(folder / f"{kind}.json", tuple[type_, ...])  # type: ignore[valid-type]  # a type built from an argument
    keys = [fact_key(fact) for fact in found]
    if keys != sorted(keys):
        raise FactsError("unsorted-facts", f"{kind}: not in the order of its ids")
    return found


D = TypeVar("D")


def _decode(path: Traversable | Path, type_: type[D]) -> D:
    try:
        raw = path.read_bytes()
        if len(raw) > FILE_BYTES_MAX:
            raise FactsError("facts-too-large", f"{path.name}: over {FILE_BYTES_MAX} bytes")
        return msgspec.json.decode(raw, type=type_)
    except FileNotFoundError as error:
        raise FactsError("facts-missing", f"{path.name} is missing") from error
    except msgspec.DecodeError as error:
        raise FactsError("facts-malformed", f"{path.name}: {error}") from error
