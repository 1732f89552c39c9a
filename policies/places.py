"""Where in the law a question stands: a procedure id or a citation, read as of the asked day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from policies.allow_list import AllowList, row_name
from policies.citations import IROHA
from policies.model import (
    Citation,
    Procedure,
    ProcedureCitation,
    Question,
    Reason,
    Scope,
    ScopeId,
)

BASIS_MAX: Final = 8
_FIRST_PARAGRAPH: Final = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The procedure a question is about on its day, and the scope it points at, if it does.

    `item` is set only where the items of an article are information, not procedures.
    """

    procedure: Procedure
    citation: Citation
    item: str | None = None
    sub_item: str | None = None
    pinned: frozenset[ScopeId] = frozenset()

    def points_at(self, scope: Scope, day: date) -> bool:
        """Tell whether the scope is at the cited place that day; a part left out fits any.

        Scopes once pinned are meant on every day, wherever their letters moved.
        """
        if self.pinned:
            return scope.id in self.pinned
        if self.item is None and self.sub_item is None:
            return True
        return any(
            found.holds_on(day)
            and _fits(self.item, found.item)
            and _fits(self.sub_item, found.sub_item)
            for found in scope.citations
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlace:
    """Why a question names no single procedure on its day, and those it may have meant."""

    reason: Reason
    basis: tuple[Citation, ...] = ()
    meant: tuple[Procedure, ...] = ()


def find_place(law: AllowList, question: Question) -> Place | NoPlace:
    """Return the one procedure the question names on its day, or why there is not one."""
    if isinstance(question.procedure, Citation):
        return _by_citation(law, question.procedure, question.on_day)
    procedure = law.procedures.get(question.procedure)
    if procedure is None:
        return NoPlace(reason=Reason.NO_SUCH_PROCEDURE)
    cited = [(found, procedure) for found in procedure.citations]
    standing = _standing(cited, question.on_day)
    if not standing:
        return _not_standing(law, Citation(), cited, question.on_day)
    citation = citation_of(standing[0][0])
    return Place(procedure=procedure, citation=citation, sub_item=question.sub_item)


def citation_of(found: ProcedureCitation, *, sub_item: str | None = None) -> Citation:
    """Return where a procedure stands, as a citation."""
    return Citation(
        row_no=found.row_no,
        article=found.article,
        paragraph=found.paragraph,
        item=found.item,
        sub_item=sub_item,
    )


def citation_on(procedure: Procedure, day: date) -> Citation:
    """Return where the procedure stands on a day, else where it stood last."""
    standing = [found for found in procedure.citations if found.holds_on(day)]
    return citation_of((standing or procedure.citations)[-1])


def scope_citation(citation: Citation, scope: Scope, day: date) -> Citation:
    """Return the procedure's citation with the place of the scope inside it on that day."""
    for found in scope.citations:
        if found.holds_on(day):
            return Citation(
                row_no=citation.row_no,
                article=citation.article,
                paragraph=citation.paragraph,
                item=citation.item or found.item,
                sub_item=found.sub_item,
            )
    return citation


def text_order(citation: Citation) -> tuple[object, ...]:
    """Return what sorts places as the text has them: item by number, sub-items as イロハ runs."""
    numbers = tuple(int(part) for part in (citation.item or "0").split("の"))
    return (numbers, IROHA.find(citation.sub_item or ""), citation.sub_item or "")


def _by_citation(law: AllowList, asked: Citation, day: date) -> Place | NoPlace:
    standing = _matching(law, asked, day=day)
    procedures = {procedure.id: (found, procedure) for found, procedure in standing}
    if not procedures:
        return _not_standing(law, asked, _matching(law, asked, day=None), day)
    if len(procedures) > 1:
        return NoPlace(
            reason=Reason.AMBIGUOUS_CITATION,
            basis=tuple(citation_of(found) for found, _ in procedures.values())[:BASIS_MAX],
            meant=tuple(procedure for _, procedure in procedures.values())[:BASIS_MAX],
        )
    ((found, procedure),) = procedures.values()
    return Place(
        procedure=procedure,
        citation=citation_of(found),
        item=asked.item if not found.item else None,
        sub_item=asked.sub_item,
    )


def _not_standing(
    law: AllowList, asked: Citation, cited: list[tuple[ProcedureCitation, Procedure]], day: date
) -> NoPlace:
    """Say why nothing stands at the place that day: deleted, not in force, or never there."""
    rows = {found.row_no for found, _ in cited} or {asked.row_no or ""}
    if all(law.row_is_deleted(row_no, day) for row_no in rows):
        reason = Reason.ROW_DELETED
    elif not cited:
        reason = Reason.NO_SUCH_PROCEDURE
    elif asked.article is None and asked.row_no is not None:
        # Only the row was named, so it is the row that has not begun or has ended.
        begun = any(found.from_ <= day for found, _ in cited)
        reason = Reason.NO_LONGER_IN_FORCE if begun else Reason.NOT_YET_IN_FORCE
    else:
        reason = Reason.PROCEDURE_NOT_IN_FORCE
    basis = tuple(dict.fromkeys(citation_of(found) for found, _ in cited)) or (asked,)
    meant = {procedure.id: procedure for _, procedure in cited}
    return NoPlace(reason=reason, basis=basis[:BASIS_MAX], meant=tuple(meant.values())[:BASIS_MAX])


def _matching(
    law: AllowList, asked: Citation, *, day: date | None
) -> list[tuple[ProcedureCitation, Procedure]]:
    """Return what fits every part that was named, on the day or on any day."""
    if asked.article is not None:
        pool = law.cited.get(asked.article, ())
    elif asked.row_no is not None:
        pool = law.cited.get(row_name(asked.row_no), ())
    else:
        pool = ()
    named = [
        (found, procedure)
        for found, procedure in pool
        if _fits(asked.row_no, found.row_no)
        and _fits(asked.paragraph, found.paragraph or _FIRST_PARAGRAPH)
    ]
    if day is not None:
        named = _standing(named, day)
    exact = [pair for pair in named if _fits(asked.item, pair[0].item)]
    # In 38 articles the item is an information: then it stands with the scopes.
    return exact or [
        (found, procedure)
        for found, procedure in named
        if not found.item and _has_item(law, procedure, asked.item, day)
    ]


def _has_item(law: AllowList, procedure: Procedure, item: str | None, day: date | None) -> bool:
    return any(
        found.item == item and (day is None or found.holds_on(day))
        for scope in law.scopes_of.get(procedure.id, ())
        for found in scope.citations
    )


def _standing(
    cited: Iterable[tuple[ProcedureCitation, Procedure]], day: date
) -> list[tuple[ProcedureCitation, Procedure]]:
    return [
        (found, procedure)
        for found, procedure in cited
        if found.holds_on(day) and procedure.holds_on(day)
    ]


def _fits(asked: str | None, found: str) -> bool:
    return asked is None or asked == found
