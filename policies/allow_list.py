"""The allow list: the facts of the law, assessment states and network-wide stops, ready to decide.

As a document it is the `signed` part of the signed allow-list document (PROTOCOL §0): objects,
arrays, strings and integers only, ASCII member names, absent members left out. Who signs it also
makes its digest; nothing here is secret and nothing here is about a person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, Self, TypeAlias, TypeVar

import msgspec

from policies.citations import show_citation
from policies.classes import ClassBook
from policies.facts import Facts, FactsError, check_facts
from policies.information import InformationBook, plain_label
from policies.measures import Assessment, StopSwitch
from policies.model import (
    Citation,
    ClassId,
    Dated,
    Fact,
    Grant,
    Procedure,
    ProcedureCitation,
    ProcedureId,
    Scope,
    Superseded,
    Term,
    TermId,
)

TYPE: Final = "allow-list"
FORMAT: Final = 1
VERSION_MAX: Final = 2**53 - 1

K = TypeVar("K")
V = TypeVar("V")
Key: TypeAlias = tuple[ClassId, ProcedureId, ClassId, TermId]


class Document(Fact, frozen=True, kw_only=True):
    """The allow list as it is signed."""

    type: str
    format: int
    version: int
    law_version: str
    facts: Facts
    assessments: tuple[Assessment, ...] = ()
    switches: tuple[StopSwitch, ...] = ()


class Cell(Dated, frozen=True, kw_only=True):
    """A grant and the scopes of one procedure that it lets through, while both stand."""

    grant: Grant
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """One version of the allow list; equal facts, assessments and stops make equal lists."""

    version: int
    law_version: str
    facts: Facts
    assessments: tuple[Assessment, ...]
    switches: tuple[StopSwitch, ...]
    classes: ClassBook = field(repr=False, compare=False)
    information: InformationBook = field(repr=False, compare=False)
    terms: Mapping[TermId, Term] = field(repr=False, compare=False)
    procedures: Mapping[ProcedureId, Procedure] = field(repr=False, compare=False)
    scopes_of: Mapping[ProcedureId, tuple[Scope, ...]] = field(repr=False, compare=False)
    grants_of: Mapping[str, tuple[Grant, ...]] = field(repr=False, compare=False)
    cited: Mapping[str, tuple[tuple[ProcedureCitation, Procedure], ...]] = field(
        repr=False, compare=False
    )
    index: Mapping[Key, tuple[Cell, ...]] = field(repr=False, compare=False)
    cells_of: Mapping[ProcedureId, tuple[Cell, ...]] = field(repr=False, compare=False)
    superseded_of: Mapping[str, tuple[Superseded, ...]] = field(repr=False, compare=False)
    paragraphed: frozenset[str] = field(repr=False, compare=False)
    change_days: tuple[date, ...] = field(repr=False, compare=False)

    @classmethod
    def build(
        cls,
        facts: Facts,
        *,
        version: int,
        assessments: Iterable[Assessment] = (),
        switches: Iterable[StopSwitch] = (),
    ) -> Self:
        """Return the list over these facts; raises `FactsError` if they contradict themselves."""
        check_facts(facts)
        if not 0 <= version <= VERSION_MAX:
            raise FactsError("version-out-of-range", "allow list: version")
        scopes = _grouped((scope.procedure, scope) for scope in facts.scopes)
        grants = _grouped((grant.row_no, grant) for grant in facts.grants)
        classes = ClassBook.build(facts.classes)
        index = _index(facts, scopes, grants, classes)
        return cls(
            version=version,
            law_version=facts.version,
            facts=facts,
            assessments=tuple(assessments),
            switches=tuple(switches),
            classes=classes,
            information=InformationBook.build(facts),
            terms=MappingProxyType({term.id: term for term in facts.terms}),
            procedures=MappingProxyType({found.id: found for found in facts.procedures}),
            scopes_of=scopes,
            grants_of=grants,
            cited=_cited(facts.procedures),
            index=index,
            cells_of=_grouped((key[1], cell) for key, cells in index.items() for cell in cells),
            superseded_of=_grouped(
                (label, cell)
                for cell in facts.superseded
                for label in sorted({plain_label(name) for name in cell.information})
            ),
            paragraphed=frozenset(
                citation.article
                for procedure in facts.procedures
                for citation in procedure.citations
                if citation.paragraph not in ("", "1")
            ),
            change_days=_change_days(facts),
        )

    @classmethod
    def from_document(cls, signed: Mapping[str, object]) -> Self:
        """Read the `signed` part of an allow-list document whose signatures were verified.

        Raises:
            FactsError: unknown type, format or member, wrong shape, or contradictory facts.
        """
        try:
            document = msgspec.convert(signed, type=Document)
        except (msgspec.ValidationError, ValueError) as error:
            raise FactsError("allow-list-malformed", f"allow list: {error}") from error
        if document.type != TYPE or document.format != FORMAT:
            raise FactsError("unknown-format", "allow list: unknown type or format")
        if document.law_version != document.facts.version:
            raise FactsError("law-version-differs", "allow list: law version is not its facts'")
        return cls.build(
            document.facts,
            version=document.version,
            assessments=document.assessments,
            switches=document.switches,
        )

    def to_document(self) -> dict[str, object]:
        """Return the `signed` part; reading it gives an equal list."""
        document = Document(
            type=TYPE,
            format=FORMAT,
            version=self.version,
            law_version=self.law_version,
            facts=self.facts,
            assessments=self.assessments,
            switches=self.switches,
        )
        # By way of JSON, because canonical JSON knows lists and texts, not tuples and dates.
        return msgspec.json.decode(msgspec.json.encode(document), type=dict[str, object])

    def has_law_for(self, day: date) -> bool:
        """Tell whether there is data for that day; without data everything is refused."""
        until = self.facts.data_until
        return self.facts.data_from <= day and (until is None or day <= until)

    def row_is_deleted(self, row_no: str, day: date) -> bool:
        """Tell whether the row reads 「削除」 on that day."""
        return any(row.row_no == row_no and row.from_ <= day for row in self.facts.deleted_rows)

    def show(self, citation: Citation) -> str:
        """Return the citation as people write it in this law."""
        return show_citation(citation, has_paragraphs=citation.article in self.paragraphed)

    def classes_of(
        self, stated: Iterable[str], *, body_code: str | None = None
    ) -> frozenset[ClassId]:
        """Return all classes of a body from those the directory states for it on the day."""
        return self.classes.of_stated(stated, body_code=body_code)


def _grouped(pairs: Iterable[tuple[K, V]]) -> Mapping[K, tuple[V, ...]]:
    grouped: defaultdict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        grouped[key].append(value)
    return MappingProxyType({key: tuple(values) for key, values in grouped.items()})


def _cited(
    procedures: Iterable[Procedure],
) -> Mapping[str, tuple[tuple[ProcedureCitation, Procedure], ...]]:
    """Return every dated citation by article, and by row under 「n の項」."""
    return _grouped(
        (name, (citation, procedure))
        for procedure in procedures
        for citation in procedure.citations
        for name in (citation.article, row_name(citation.row_no))
    )


def row_name(row_no: str) -> str:
    """Return the name under which the citations of a row are kept."""
    return f"{row_no}の項"


def _index(
    facts: Facts,
    scopes_of: Mapping[ProcedureId, tuple[Scope, ...]],
    grants_of: Mapping[str, tuple[Grant, ...]],
    classes: ClassBook,
) -> Mapping[Key, tuple[Cell, ...]]:
    cells: list[tuple[Key, Cell]] = []
    for procedure in facts.procedures:
        by_term = _grouped(
            (scope.term, scope)
            for scope in scopes_of.get(procedure.id, ())
            if scope.term is not None and scope.review.state != "unsure"
        )
        for citation in procedure.citations:
            for grant in grants_of.get(citation.row_no, ()):
                if grant.review.state != "unsure":
                    cells.extend(_cells(procedure, citation, grant, by_term, classes))
    return _grouped(cells)


def _cells(
    procedure: Procedure,
    citation: ProcedureCitation,
    grant: Grant,
    by_term: Mapping[TermId, tuple[Scope, ...]],
    classes: ClassBook,
) -> Iterable[tuple[Key, Cell]]:
    from_ = max(procedure.from_, citation.from_, grant.from_)
    ends = [end for end in (procedure.to, citation.to, grant.to) if end is not None]
    to = min(ends) if ends else None
    if to is not None and to < from_:
        return
    for term in grant.terms:
        scopes = by_term.get(term)
        if scopes is None:
            continue
        cell = Cell(from_=from_, to=to, grant=grant, scopes=scopes)
        for inquirer in grant.inquirers:
            for provider in grant.providers:
                keys = (inquirer.key, provider.key)
                if not any(classes.is_empty_open(key) for key in keys):
                    yield (inquirer.key, procedure.id, provider.key, term), cell


def _change_days(facts: Facts) -> tuple[date, ...]:
    """Return the days on which any answer can become another, in order."""
    dated: list[Dated] = [*facts.grants, *facts.procedures, *facts.scopes]
    for procedure in facts.procedures:
        dated.extend(procedure.citations)
    for scope in facts.scopes:
        dated.extend(scope.citations)
    days = {fact.from_ for fact in dated}
    days |= {fact.to + timedelta(days=1) for fact in dated if fact.to is not None}
    days.add(facts.data_from)
    return tuple(sorted(days))
