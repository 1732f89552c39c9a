"""One question at one place in the law on one day: permitted, or the first test that fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from codes.tables import CodeTables
from policies.allow_list import AllowList, Cell
from policies.information import Asked, items_of, plain_label
from policies.model import (
    Citation,
    ClassId,
    ClassRef,
    Grant,
    Narrowing,
    Permit,
    Question,
    Reason,
    Scope,
)
from policies.nearest import meets
from policies.places import Place, citation_on, scope_citation, text_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question whose place in the law is known."""

    law: AllowList
    question: Question
    place: Place
    asked: Asked
    tables: CodeTables

    def test(self) -> Permit | Reason:
        """Return the permit, or the reason of the first test that fails."""
        day = self.question.on_day
        inquirer = self.law.classes.expand(self.question.inquirer)
        provider = self.law.classes.expand(self.question.provider)
        cells = self._cells(inquirer, provider) if self.is_within_limit(inquirer) else ()
        scopes = self._meant(
            scope for cell in cells for scope in cell.scopes if scope.holds_on(day)
        )
        if not scopes or not self.asked.is_covered_by(scopes):
            return _why_not(self, inquirer, provider)
        return self._cut(cells, scopes)

    def pinned(self) -> Place:
        """Return the place with the scopes it points at on this day, to follow them elsewhere."""
        if self.place.item is None and self.place.sub_item is None:
            return self.place
        return replace(self.place, pinned=frozenset(scope.id for scope in self.scopes_here()))

    def basis(self) -> tuple[Citation, ...]:
        """Return the citation the question rests on, as far as it was named."""
        named = self.place.citation
        item = named.item or self.place.item
        return (replace(named, item=item, sub_item=self.place.sub_item),)

    def cites_nothing(self) -> bool:
        """Tell whether the cited item or sub-item was never there, if all of it is read."""
        if self.place.item is None and self.place.sub_item is None:
            return False
        known = self.law.scopes_of.get(self.place.procedure.id, ())
        is_read = bool(known) and all(scope.review.state != "unsure" for scope in known)
        return is_read and not any(
            self.place.points_at(scope, found.from_) for scope in known for found in scope.citations
        )

    def has_scopes(self) -> bool:
        """Tell whether anything is known of what the procedure may have."""
        return bool(self.law.scopes_of.get(self.place.procedure.id))

    def scopes_here(self) -> list[Scope]:
        """Return the scopes of the day at the cited place, unsure ones too."""
        day = self.question.on_day
        return [scope for scope in self.scopes_today() if self.place.points_at(scope, day)]

    def is_empty(self, class_id: ClassId) -> bool:
        """Tell whether the class is an open one with nobody listed in it."""
        return self.law.classes.is_empty_open(class_id)

    def meets(self, held: frozenset[ClassId], named: Iterable[ClassRef]) -> bool:
        """Tell whether a body with these classes is named; an open class with nobody names none."""
        return meets(held, (ref for ref in named if not self.is_empty(ref.key)))

    def scopes_today(self) -> list[Scope]:
        """Return every scope of the procedure in force that day, unsure ones too."""
        known = self.law.scopes_of.get(self.place.procedure.id, ())
        return [scope for scope in known if scope.holds_on(self.question.on_day)]

    def grants_today(self) -> list[Grant]:
        """Return the cells of the procedure's row that day, unsure ones too."""
        day = self.question.on_day
        row_no = citation_on(self.place.procedure, day).row_no or ""
        return [grant for grant in self.law.grants_of.get(row_no, ()) if grant.holds_on(day)]

    def is_within_limit(self, inquirer: frozenset[ClassId]) -> bool:
        """Tell whether the procedure itself lets these classes ask (article 60: by paragraph)."""
        limit = self.place.procedure.inquirer_limit
        return limit is None or meets(inquirer, limit)

    def _cells(self, inquirer: frozenset[ClassId], provider: frozenset[ClassId]) -> list[Cell]:
        procedure_id = self.place.procedure.id
        return [
            cell
            for asking in inquirer
            for answering in provider
            for term in self.asked.terms
            for cell in self.law.index.get((asking, procedure_id, answering, term), ())
            if cell.holds_on(self.question.on_day)
        ]

    def _meant(self, scopes: Iterable[Scope]) -> list[Scope]:
        day = self.question.on_day
        found = {
            scope.id: scope
            for scope in scopes
            if self.asked.means(scope) and self.place.points_at(scope, day)
        }
        cited = self.place.citation
        return sorted(
            found.values(),
            key=lambda scope: (text_order(scope_citation(cited, scope, day)), scope.id),
        )

    def _cut(self, cells: Iterable[Cell], scopes: list[Scope]) -> Permit | Reason:
        """Cut the permit to the subject role and the items, or say which of them is outside."""
        question, role = self.question, self.question.subject_role
        if role is not None:
            scopes = [scope for scope in scopes if role in scope.subject_roles]
            if not scopes or not self.asked.is_covered_by(scopes):
                return Reason.SUBJECT_ROLE_NOT_IN_PROCEDURE
        if self._cites_the_whole() and self._fits_in_places() > 1:
            return Reason.AMBIGUOUS_CITATION
        held = [item for scope in scopes for item in items_of(scope, question.on_day, self.tables)]
        if not set(question.items) <= set(held):
            return Reason.INFORMATION_NOT_IN_PROCEDURE
        return self._permit(cells, tuple(scopes), question.items or tuple(dict.fromkeys(held)))

    def _fits_in_places(self) -> int:
        """Return at how many places what is asked stands; unsure ones count, to open nothing."""
        role, day = self.question.subject_role, self.question.on_day
        return len(
            {
                scope_citation(self.place.citation, scope, day)
                for scope in self.scopes_here()
                if self.asked.means(scope) and (role is None or role in scope.subject_roles)
            }
        )

    def _cites_the_whole(self) -> bool:
        """Tell whether a citation left out which of the procedure's information is meant."""
        by_citation = isinstance(self.question.procedure, Citation)
        named = self.place.item is not None or self.place.sub_item is not None
        return by_citation and not named and self.asked.scope_id is None

    def _permit(
        self, cells: Iterable[Cell], scopes: tuple[Scope, ...], items: tuple[str, ...]
    ) -> Permit:
        asked, first = self.asked, scopes[0]
        assert first.term is not None
        wider = asked.is_whole and any(plain_label(found.ja) != asked.label for found in scopes)
        granted = tuple(dict.fromkeys(found.ja for found in scopes))
        chosen = {found.id for found in scopes}
        grants = {
            cell.grant.id: cell.grant
            for cell in cells
            if any(scope.id in chosen for scope in cell.scopes)
        }
        return Permit(
            procedure=self.place.procedure,
            citation=scope_citation(self.place.citation, first, self.question.on_day),
            scopes=scopes,
            term=self.law.terms[first.term],
            items=items,
            grants=tuple(grants.values()),
            consent=self.place.procedure.consent,
            narrowing=Narrowing(asked=asked.name, granted=granted) if wider else None,
        )


def _why_not(case: Case, inquirer: frozenset[ClassId], provider: frozenset[ClassId]) -> Reason:
    """Return the first test that fails, in the order `policies.decision` documents."""
    if case.cites_nothing():
        return Reason.NO_SUCH_PROCEDURE
    if not case.is_within_limit(inquirer):
        return Reason.WRONG_INQUIRER
    grants = case.grants_today()
    asking = [grant for grant in grants if case.meets(inquirer, grant.inquirers)]
    if not asking:
        refs = [ref for grant in grants for ref in grant.inquirers]
        return _or_open(case, Reason.WRONG_INQUIRER, refs, inquirer)
    answering = [grant for grant in asking if case.meets(provider, grant.providers)]
    if not answering:
        return _or_unlisted(case, Reason.WRONG_PROVIDER, asking, provider)
    return _which_information(case, asking, answering, provider)


def _which_information(
    case: Case, asking: list[Grant], answering: list[Grant], provider: frozenset[ClassId]
) -> Reason:
    telling = [grant for grant in answering if case.asked.terms.intersection(grant.terms)]
    here = case.scopes_here()
    named = [scope for scope in here if case.asked.means(scope)]
    if any(scope.review.state == "unsure" for scope in named):
        return Reason.NOT_REVIEWED
    if not telling:
        return _or_unlisted(case, Reason.INFORMATION_NOT_IN_ROW, asking, provider)
    return _in_the_procedure(case, telling, here, named)


def _in_the_procedure(
    case: Case, telling: list[Grant], here: list[Scope], named: list[Scope]
) -> Reason:
    """Tell what the procedure does not have from what nobody has looked at yet."""
    if not case.asked.is_covered_by(named) and named:
        return Reason.INFORMATION_NOT_IN_PROCEDURE
    told = {term for grant in telling for term in grant.terms}
    is_known = any(scope.term in told for scope in named)
    is_unread = any(scope.term is None for scope in here) or not case.has_scopes()
    # A known scope under a telling cell fails only because the cell itself is unsure.
    return Reason.NOT_REVIEWED if is_known or is_unread else Reason.INFORMATION_NOT_IN_PROCEDURE


def _or_unlisted(
    case: Case, reason: Reason, asking: list[Grant], provider: frozenset[ClassId]
) -> Reason:
    """Return the reason, unless a provider class with nobody listed might hold what is asked."""
    refs = [ref for grant in asking for ref in grant.providers]
    telling = [grant for grant in asking if case.asked.terms.intersection(grant.terms)]
    if any(case.is_empty(ref.key) for grant in telling for ref in grant.providers):
        return Reason.OPEN_CLASS_WITHOUT_MEMBER
    return _or_open(case, reason, refs, provider)


def _or_open(case: Case, reason: Reason, refs: list[ClassRef], held: frozenset[ClassId]) -> Reason:
    """Return the reason, unless the body was named as a class with nobody listed."""
    if any(ref.key in held and case.is_empty(ref.key) for ref in refs):
        return Reason.OPEN_CLASS_WITHOUT_MEMBER
    return reason
