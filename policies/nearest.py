"""What comes nearest to something refused: never a basis, always in force on the day it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, TypeAlias

from policies.allow_list import AllowList
from policies.information import Asked, plain_label
from policies.model import (
    Citation,
    ClassId,
    ClassRef,
    Grant,
    Nearest,
    Procedure,
    Question,
    Scope,
    Superseded,
)
from policies.places import citation_on, scope_citation

NEAREST_MAX: Final = 5

Score: TypeAlias = tuple[bool, int, bool, bool, bool]


def nearest_to(
    law: AllowList, question: Question, procedure: Procedure, asked: Asked, day: date
) -> tuple[Nearest, ...]:
    """Return what the procedure permits on `day` that shares most with the question."""
    inquirer = law.classes.expand(question.inquirer)
    provider = law.classes.expand(question.provider)
    scored: dict[Nearest, Score] = {}
    for grant, scope in _permitted(law, procedure, day):
        found = _nearest(law, procedure, grant, scope, day)
        shared = (meets(provider, grant.providers), scope.term in asked.terms, asked.means(scope))
        is_asking = meets(inquirer, procedure.inquirer_limit or grant.inquirers)
        scored[found] = (is_asking, sum(shared), *shared)
    best = max(scored.values(), default=None)
    return tuple(found for found, score in scored.items() if score == best)[:NEAREST_MAX]


def used_to_be(law: AllowList, question: Question, asked: Asked) -> tuple[Nearest, ...]:
    """Return what the old 別表第二 allowed of the question until its last day, as notes."""
    inquirer = law.classes.expand(question.inquirer)
    provider = law.classes.expand(question.provider)
    named = {
        cell.id: cell
        for label in sorted({asked.label, plain_label(asked.name)})
        for cell in law.superseded_of.get(label, ())
    }
    return tuple(
        _old(cell)
        for cell in named.values()
        if meets(inquirer, cell.inquirers) and meets(provider, cell.providers)
    )[:NEAREST_MAX]


def meets(held: frozenset[ClassId], named: Iterable[ClassRef]) -> bool:
    """Tell whether a body with these classes is one of those that are named."""
    return any(ref.key in held for ref in named)


def _permitted(law: AllowList, procedure: Procedure, day: date) -> Iterator[tuple[Grant, Scope]]:
    """Yield every cell and scope that permit something under the procedure that day."""
    for cell in law.cells_of.get(procedure.id, ()):
        if cell.holds_on(day):
            yield from ((cell.grant, scope) for scope in cell.scopes if scope.holds_on(day))


def _old(cell: Superseded) -> Nearest:
    return Nearest(
        citation=Citation(row_no=f"旧{cell.row_no.removeprefix('旧')}"),
        information=cell.information[0],
        inquirers=tuple(ref.key for ref in cell.inquirers),
        providers=tuple(ref.key for ref in cell.providers),
        to=cell.until,
        note=f"allowed until {cell.until} under 旧{cell.row_no.removeprefix('旧')}",
    )


def _nearest(
    law: AllowList, procedure: Procedure, grant: Grant, scope: Scope, day: date
) -> Nearest:
    limit = procedure.inquirer_limit
    citation = citation_on(procedure, day)
    return Nearest(
        citation=scope_citation(citation, scope, day),
        information=law.terms[scope.term].ja if scope.term else scope.ja,
        scope=scope.ja,
        inquirers=tuple(ref.key for ref in limit or grant.inquirers),
        providers=tuple(ref.key for ref in grant.providers),
        procedure=procedure.id,
        from_=max(grant.from_, scope.from_, procedure.from_),
        to=min((end for end in (grant.to, scope.to, procedure.to) if end), default=None),
    )
