"""Decisions over all questions, against an oracle that reads the facts one by one."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from policies.allow_list import AllowList
from policies.decision import decide
from policies.facts import Facts, load_shipped
from policies.model import (
    Citation,
    ClassId,
    ClassRef,
    Permit,
    ProcedureId,
    Question,
    Reason,
    Refuse,
    Review,
)
from tests.unit.policies.builders import FIRST, some_facts

FACTS = some_facts()
LAW = AllowList.build(FACTS, version=1)
AGAIN = AllowList.build(some_facts(), version=1)
ROWS = sorted({grant.row_no for grant in FACTS.grants} | {"157", "999"})
ROLES = ("person", "household", "spouse", "nobody")
NAMES = (
    *(scope.id for scope in FACTS.scopes),
    *(scope.ja for scope in FACTS.scopes),
    *(term.id for term in FACTS.terms),
    *(term.ja for term in FACTS.terms),
    "道府県民税に関する情報",
    "好きな色",
)

days = st.dates(min_value=date(2024, 5, 20), max_value=date(2026, 7, 10)) | st.sampled_from(
    [day + timedelta(days=off) for day in LAW.change_days for off in (-1, 0)]
)
class_sets = st.frozensets(
    st.sampled_from([found.id for found in FACTS.classes] + [ClassId("C-nobody")]), max_size=2
)
parts = st.none() | st.sampled_from(["1", "2", "3", "5", "6", "7", "8", "117", "44", "60", "118"])
citations = st.builds(
    Citation,
    row_no=st.none() | st.sampled_from(ROWS),
    article=st.none() | st.sampled_from([c.article for p in FACTS.procedures for c in p.citations]),
    paragraph=st.none() | st.sampled_from(["1", "2", "3"]),
    item=parts,
    sub_item=st.none() | st.sampled_from(["イ", "ロ", "ハ", "ヌ"]),
)
procedure_ids = st.sampled_from([found.id for found in FACTS.procedures] + [ProcedureId("no")])
questions = st.builds(
    Question,
    on_day=days,
    inquirer=class_sets,
    provider=class_sets,
    procedure=procedure_ids | citations,
    information=st.sampled_from(NAMES) | st.text(max_size=8),
    items=st.just(()) | st.tuples(st.sampled_from(["XTK0000010000002", "no-item"])),
    subject_role=st.none() | st.sampled_from(ROLES),
    sub_item=st.none() | st.sampled_from(["イ", "ロ"]),
    legal_basis=st.sampled_from(["act19-8"] * 9 + ["act19-9"]),
)


@st.composite
def likely_questions(draw: st.DrawFn) -> Question:
    """Return a question made of one cell and one scope of one procedure, which often is granted."""
    scope = draw(st.sampled_from(FACTS.scopes))
    procedure = LAW.procedures[scope.procedure]
    rows = {citation.row_no for citation in procedure.citations}
    grant = draw(st.sampled_from([found for found in FACTS.grants if found.row_no in rows]))
    return Question(
        on_day=draw(days),
        inquirer=frozenset({draw(st.sampled_from(grant.inquirers)).key}),
        provider=frozenset({draw(st.sampled_from(grant.providers)).key}),
        procedure=procedure.id,
        information=draw(st.sampled_from([scope.id, scope.term or scope.id])),
    )


def is_in(facts: Facts, held: ClassId, named: ClassId) -> bool:
    """The oracle's reading of class inclusion: by recursion over the facts, nothing expanded."""
    if held == named:
        return True
    by_id = {found.id: found for found in facts.classes}
    if held not in by_id:
        return False
    base = by_id[held].base
    if base is not None and is_in(facts, base, named):
        return True
    return any(
        is_in(facts, found.id, named)
        for found in facts.classes
        if held in {member.id for member in found.members}
    )


def names(facts: Facts, held: frozenset[ClassId], refs: Iterable[ClassRef]) -> bool:
    """The oracle: one of the classes is one of those named, and none that nobody is in."""
    by_id = {found.id: found for found in facts.classes}
    real = [
        ref for ref in refs if by_id[ref.class_id].kind != "open" or by_id[ref.class_id].members
    ]
    return any(is_in(facts, one, ref.key) for one in held for ref in real)


def table_holds(facts: Facts, question: Question, procedure_id: str) -> bool:
    """The oracle: some cell of the table and some scope of the procedure say yes that day."""
    day = question.on_day
    if day < facts.data_from or (facts.data_until is not None and day > facts.data_until):
        return False
    return any(
        names(facts, question.inquirer, grant.inquirers)
        and names(facts, question.provider, grant.providers)
        and names(facts, question.inquirer, procedure.inquirer_limit or grant.inquirers)
        for procedure in facts.procedures
        if procedure.id == procedure_id and procedure.holds_on(day)
        for citation in procedure.citations
        if citation.holds_on(day)
        for grant in facts.grants
        if grant.row_no == citation.row_no
        and grant.holds_on(day)
        and grant.review.state != "unsure"
        for scope in facts.scopes
        if scope.procedure == procedure.id
        and scope.holds_on(day)
        and scope.review.state != "unsure"
        and scope.term in grant.terms
        and question.information in (scope.id, scope.term)
    )


@given(question=questions)
@settings(max_examples=200)
def test_every_question_has_one_answer_and_always_the_same(question: Question) -> None:
    answer = decide(LAW, question)

    assert isinstance(answer, Permit | Refuse)
    assert decide(AGAIN, question) == answer


@given(question=questions | likely_questions())
@settings(max_examples=200)
def test_nothing_outside_the_table_is_permitted_on_any_day(question: Question) -> None:
    answer = decide(LAW, question)
    if not isinstance(answer, Permit):
        return

    day = question.on_day
    assert answer.scopes
    for scope in answer.scopes:
        narrow = Question(
            on_day=day,
            inquirer=question.inquirer,
            provider=question.provider,
            procedure=answer.procedure.id,
            information=scope.id,
        )
        assert table_holds(FACTS, narrow, answer.procedure.id)
        assert question.subject_role is None or question.subject_role in scope.subject_roles
    if isinstance(question.procedure, Citation):
        for name in ("row_no", "article", "paragraph", "item", "sub_item"):
            asked = getattr(question.procedure, name)
            assert asked is None or asked == getattr(answer.citation, name)


@given(question=likely_questions())
@settings(max_examples=200)
def test_the_decision_and_the_oracle_agree(question: Question) -> None:
    answer = decide(LAW, question)
    held = table_holds(FACTS, question, str(question.procedure))

    assert isinstance(answer, Permit) == held


@given(question=likely_questions(), data=st.data())
@settings(max_examples=150)
def test_a_law_that_says_less_never_opens_anything(question: Question, data: st.DataObject) -> None:
    """Fewer cells, fewer members, more doubts: what was refused stays refused."""
    grants = data.draw(st.sampled_from(FACTS.grants))
    doubted = data.draw(st.sampled_from(FACTS.scopes))
    unsure = Review(state="unsure")
    stricter = some_facts(
        grants=tuple(found for found in FACTS.grants if found != grants),
        scopes=tuple(
            type(found)(
                **(
                    {name: getattr(found, name) for name in found.__struct_fields__}
                    | {"review": unsure}
                )
            )
            if found == doubted
            else found
            for found in FACTS.scopes
        ),
    )

    if isinstance(decide(AllowList.build(stricter, version=1), question), Permit):
        assert isinstance(decide(LAW, question), Permit)


@given(question=questions, data=st.data())
@settings(max_examples=150)
def test_doubt_about_a_scope_never_opens_a_citation(
    question: Question, data: st.DataObject
) -> None:
    doubted = data.draw(st.sampled_from(FACTS.scopes))
    fields = {name: getattr(doubted, name) for name in doubted.__struct_fields__}
    unsure = type(doubted)(**(fields | {"review": Review(state="unsure")}))
    stricter = some_facts(
        scopes=tuple(unsure if found == doubted else found for found in FACTS.scopes)
    )

    if isinstance(decide(AllowList.build(stricter, version=1), question), Permit):
        assert isinstance(decide(LAW, question), Permit)


@given(question=likely_questions())
@settings(max_examples=150)
def test_a_refusal_for_its_day_is_permitted_on_another_and_only_then(question: Question) -> None:
    answer = decide(LAW, question)
    assume(isinstance(answer, Refuse))
    assert isinstance(answer, Refuse)
    days = {
        day: table_holds(FACTS, _on(question, day), str(question.procedure))
        for day in LAW.change_days
    }

    later = any(held for day, held in days.items() if day > question.on_day)
    earlier = any(held for day, held in days.items() if day <= question.on_day)
    if answer.reason is Reason.NOT_YET_IN_FORCE:
        assert later
    if answer.reason is Reason.NO_LONGER_IN_FORCE:
        assert earlier
        assert not later
    if answer.reason in {Reason.WRONG_PROVIDER, Reason.INFORMATION_NOT_IN_ROW}:
        assert not later
        assert not earlier


def _on(question: Question, day: date) -> Question:
    return Question(
        on_day=day,
        inquirer=question.inquirer,
        provider=question.provider,
        procedure=question.procedure,
        information=question.information,
    )


@lru_cache(maxsize=1)
def _shipped() -> AllowList:
    return AllowList.build(load_shipped(), version=1)


@given(data=st.data(), off=st.integers(min_value=-2, max_value=900))
@settings(max_examples=60)
def test_the_oracle_agrees_on_the_law_that_is_shipped(data: st.DataObject, off: int) -> None:
    law = _shipped()
    scope = data.draw(st.sampled_from(law.facts.scopes))
    rows = {citation.row_no for citation in law.procedures[scope.procedure].citations}
    grants = [found for row_no in sorted(rows) for found in law.grants_of.get(row_no, ())]
    assume(grants)
    grant = data.draw(st.sampled_from(grants))
    question = Question(
        on_day=FIRST + timedelta(days=off),
        inquirer=frozenset({data.draw(st.sampled_from(grant.inquirers)).key}),
        provider=frozenset({data.draw(st.sampled_from(grant.providers)).key}),
        procedure=scope.procedure,
        information=scope.id,
    )

    held = table_holds(law.facts, question, str(scope.procedure))
    assert isinstance(decide(law, question), Permit) == held
