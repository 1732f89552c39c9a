"""May this be asked on that day: the one decision inquirer, core and provider all make.

`decide` is pure and total. It permits only what four facts say together: a procedure in force, a
scope somebody was sure of, a cell of the procedure's row whose terms hold the scope's term, and
both bodies in the cell's classes (the inquirer also in the procedure's own limit).

Which reason a refusal gets, the first that is true:

 1. ground-not-loaded            the legal basis is not this table
 2. no-law-for-that-day          no data for the day
 3. no-such-procedure, row-deleted, procedure-not-in-force, ambiguous-citation
                                 the place named is not one procedure on that day; where only a
                                 row was named: not-yet-in-force, no-longer-in-force
 4. not-yet-in-force, no-longer-in-force
                                 the same question about the same procedure would be permitted on
                                 a later (else an earlier) day, or its row has the provider's cell
                                 on another day only
 5. wrong-inquirer; wrong-provider (open-class-without-member, if a class with nobody listed
    could have held the body); not-reviewed; information-not-in-row, also where the row has the
    information from another provider; information-not-in-procedure;
    subject-role-not-in-procedure; ambiguous-citation, where a sub-item is left out and what is
    asked stands at two; for items information-not-in-procedure: the first that is true
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Final

from codes.tables import CodeTables, shipped
from policies.allow_list import AllowList
from policies.case import Case
from policies.information import Asked
from policies.model import (
    LEGAL_BASIS_TABLE,
    Decision,
    Nearest,
    Permit,
    Procedure,
    Question,
    Reason,
    Refuse,
)
from policies.nearest import NEAREST_MAX, nearest_to, used_to_be
from policies.places import NoPlace, Place, find_place

_TIMELESS: Final = frozenset(
    {Reason.AMBIGUOUS_CITATION, Reason.OPEN_CLASS_WITHOUT_MEMBER, Reason.NOT_REVIEWED}
)


def decide(law: AllowList, question: Question, *, tables: CodeTables | None = None) -> Decision:
    """Return a permit cut to what the law allows that day, or why not and what comes nearest.

    Items are those of the shipped code tables unless a site's own are given. Gates (assessment,
    consent, stops) are not asked here: see `policies.gates`.
    """
    if question.legal_basis != LEGAL_BASIS_TABLE:
        return Refuse(reason=Reason.GROUND_NOT_LOADED)
    asked = law.information.find(question.information)
    if not law.has_law_for(question.on_day):
        nearest = used_to_be(law, question, asked)
        return Refuse(reason=Reason.NO_LAW_FOR_THAT_DAY, nearest=nearest)
    place = find_place(law, question)
    if isinstance(place, NoPlace):
        nearest = _nearest_meant(law, question, asked, place.meant)
        return Refuse(reason=place.reason, basis=place.basis, nearest=nearest)
    case = Case(law=law, question=question, place=place, asked=asked, tables=tables or shipped())
    found = case.test()
    return found if isinstance(found, Permit) else _refuse(case, found)


def _refuse(case: Case, reason: Reason) -> Refuse:
    law, question, place, asked = case.law, case.question, case.place, case.asked
    moved = None if reason in _TIMELESS else _another_day(case, reason)
    if moved is not None:
        reason, day, procedure = moved
        nearest = nearest_to(law, question, procedure, asked, day)
    else:
        nearest = nearest_to(law, question, place.procedure, asked, question.on_day)
    return Refuse(
        reason=reason,
        basis=case.basis(),
        nearest=(*nearest, *used_to_be(law, question, asked)),
    )


def _another_day(case: Case, reason: Reason) -> tuple[Reason, date, Procedure] | None:
    """Return on which other day the same question would be permitted, a later one first."""
    today = case.question.on_day
    # Between two changes nothing changes, so the day of each change stands for all until the next.
    later = [day for day in case.law.change_days if day > today]
    earlier = [day for day in reversed(case.law.change_days) if day <= today]
    for moved, days in (
        (Reason.NOT_YET_IN_FORCE, later),
        (Reason.NO_LONGER_IN_FORCE, earlier),
    ):
        for day in days:
            found = _permit_on(case, day, same_place=reason is not Reason.WRONG_INQUIRER)
            if found is not None:
                return moved, day, found.procedure
    return None


def _permit_on(case: Case, day: date, *, same_place: bool) -> Permit | None:
    """Return the permit of another day: of the same procedure, or else of the same place.

    A place that has changed its owner is no question of time: then only the procedure counts.
    """
    question = replace(case.question, on_day=day)
    if not case.law.has_law_for(day):
        return None
    followed = case.pinned()
    found = replace(case, question=question, place=followed).test()
    if isinstance(found, Permit):
        return found
    place = find_place(case.law, question) if same_place else None
    if not isinstance(place, Place) or place == replace(followed, citation=place.citation):
        return None
    found = replace(case, question=question, place=place).test()
    return found if isinstance(found, Permit) else None


def _nearest_meant(
    law: AllowList, question: Question, asked: Asked, meant: Iterable[Procedure]
) -> tuple[Nearest, ...]:
    near: list[Nearest] = []
    for procedure in meant:
        near.extend(
            nearest_to(law, question, procedure, asked, _day_in(procedure, question.on_day))
        )
    return (*near[:NEAREST_MAX], *used_to_be(law, question, asked))


def _day_in(procedure: Procedure, day: date) -> date:
    """Return the day, or the day nearest to it on which the procedure is in force."""
    latest = day if procedure.to is None else min(day, procedure.to)
    return max(latest, procedure.from_)
