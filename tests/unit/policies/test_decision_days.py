"""Which day permits: facts begin and end one by one, and the decision moves with them."""

from dataclasses import replace
from datetime import date

import pytest

from policies.decision import decide
from policies.model import Citation, Permit, Reason, Refuse
from tests.unit.policies.builders import (
    BEFORE,
    CHANGE,
    FIRST,
    TAX,
    a_grant,
    a_procedure,
    a_question,
    a_scope,
    an_allow_list,
    by_id,
    cited,
    classes,
    some_facts,
)
from tests.unit.policies.deciding import AID, permitted, reason, refused


def test_a_day_moved_across_a_change_moves_the_decision() -> None:
    asked = a_question(
        procedure=by_id("P-joining"),
        sub_item="ロ",
        provider=classes("出入国在留管理庁長官"),
        information="出入国関係情報",
    )

    before = refused(replace(asked, on_day=BEFORE))
    assert before.reason is Reason.NOT_YET_IN_FORCE
    assert before.nearest[0].from_ == CHANGE
    assert before.basis[0].item == "7"
    assert permitted(replace(asked, on_day=CHANGE)).citation.item == "8"


@pytest.mark.parametrize("item", ["7", "8"])
def test_a_cited_place_that_permits_from_a_later_day_is_not_yet_in_force(item: str) -> None:
    cited = Citation(row_no="115", article="117", item=item, sub_item="ロ")
    changed = {"provider": classes("出入国在留管理庁長官"), "information": "出入国関係情報"}

    assert reason(**changed, procedure=cited, on_day=BEFORE) is Reason.NOT_YET_IN_FORCE


def test_a_day_the_law_has_no_data_for_is_not_promised() -> None:
    cited = Citation(row_no="115", article="117", item="8", sub_item="ロ")
    asked = a_question(
        provider=classes("出入国在留管理庁長官"),
        information="出入国関係情報",
        procedure=cited,
        on_day=BEFORE,
    )

    found = decide(an_allow_list(data_until=BEFORE), asked)

    assert isinstance(found, Refuse)
    assert found.reason is not Reason.NOT_YET_IN_FORCE


def test_a_cell_that_has_ended_is_no_longer_in_force() -> None:
    ended = a_grant("42", "都道府県知事等", "内閣総理大臣", TAX, to=BEFORE)
    law = an_allow_list(grants=(*some_facts().grants, ended))

    found = decide(law, a_question(**(AID | {"provider": classes("内閣総理大臣")})))
    assert isinstance(found, Refuse)
    assert found.reason is Reason.NO_LONGER_IN_FORCE
    assert found.nearest[0].to == BEFORE


def test_another_owner_of_a_row_is_the_wrong_inquirer_not_a_question_of_time() -> None:
    cited = Citation(row_no="55の3", article="57の3")
    changed = {
        "procedure": cited,
        "inquirer": classes("国土交通大臣"),
        "provider": classes("法務大臣"),
        "information": "戸籍関係情報",
    }

    assert permitted(a_question(**changed, on_day=BEFORE)).procedure.id == "P-ship"
    assert reason(**changed, on_day=CHANGE) is Reason.WRONG_INQUIRER


def test_a_deleted_row_says_so_from_its_day_on() -> None:
    changed = {
        "inquirer": classes("都道府県知事"),
        "provider": classes("法務大臣"),
        "information": "戸籍関係情報",
    }
    for asked in (Citation(row_no="157"), Citation(article="159"), by_id("P-exam")):
        question = a_question(**changed, procedure=asked, on_day=date(2025, 9, 30))
        assert permitted(question).procedure.id == "P-exam"
        gone = refused(replace(question, on_day=date(2025, 10, 1)))
        assert gone.reason is Reason.ROW_DELETED
        assert gone.basis[0].row_no == "157"


def test_a_procedure_out_of_its_days_is_not_in_force() -> None:
    for asked in (Citation(row_no="115", article="117", item="13"), by_id("P-card")):
        found = refused(a_question(procedure=asked))
        assert found.reason is Reason.PROCEDURE_NOT_IN_FORCE
        assert found.nearest[0].to == date(2024, 12, 1)
    new = Citation(row_no="14の2", article="14の2")
    found = refused(a_question(procedure=new, on_day=BEFORE))
    assert found.reason is Reason.PROCEDURE_NOT_IN_FORCE
    assert found.nearest[0].from_ == CHANGE


def test_a_row_alone_that_has_not_begun_or_has_ended_says_which() -> None:
    assert reason(procedure=Citation(row_no="14の2"), on_day=BEFORE) is Reason.NOT_YET_IN_FORCE
    assert reason(procedure=Citation(row_no="18")) is Reason.NO_LONGER_IN_FORCE


def test_the_first_and_the_last_day_of_a_fact_both_count() -> None:
    first = Citation(row_no="115", article="117", item="5", sub_item="ロ")
    permitted(a_question(procedure=first, on_day=FIRST))
    permitted(a_question(on_day=CHANGE))
    assert reason(procedure=first, on_day=CHANGE) is Reason.PROCEDURE_NOT_IN_FORCE


def test_a_procedure_that_moves_to_another_row_takes_that_rows_cells_from_then_on() -> None:
    moving = a_procedure(
        "P-moving",
        cited("55の3", "57の3", "9", from_=FIRST, to=BEFORE),
        cited("42", "44", "9", from_=CHANGE),
    )
    scope = a_scope("P-moving", "", "市町村民税に関する情報", TAX)
    facts = some_facts()
    law = an_allow_list(procedures=(*facts.procedures, moving), scopes=(*facts.scopes, scope))
    asked = a_question(**(AID | {"procedure": by_id("P-moving")}))

    assert isinstance(decide(law, asked), Permit)
    before = decide(law, replace(asked, on_day=BEFORE))
    assert isinstance(before, Refuse)
    # Row 42 had this cell all along, but the procedure did not stand there yet.
    assert before.reason is Reason.NOT_YET_IN_FORCE


def test_a_scope_that_has_ended_is_no_longer_in_force_though_its_cell_is() -> None:
    old = next(s.id for s in some_facts().scopes if s.procedure == "P-joining" and s.to)
    changed = {
        "procedure": by_id("P-joining"),
        "provider": classes("協会"),
        "information": old,
    }

    assert permitted(a_question(**changed, on_day=BEFORE)).scope.id == old
    assert reason(**changed) is Reason.NO_LONGER_IN_FORCE


def test_a_procedure_that_has_ended_is_not_in_force_though_its_citation_is_open() -> None:
    ended = a_procedure("P-ended", cited("42", "44", "9"), to=BEFORE)
    facts = some_facts()
    scope = a_scope("P-ended", "", "市町村民税に関する情報", TAX)
    law = an_allow_list(procedures=(*facts.procedures, ended), scopes=(*facts.scopes, scope))

    for place in (by_id("P-ended"), Citation(row_no="42", article="44", item="9")):
        asked = a_question(**(AID | {"procedure": place}))
        found = decide(law, asked)
        assert isinstance(found, Refuse)
        assert found.reason is Reason.PROCEDURE_NOT_IN_FORCE
        assert isinstance(decide(law, replace(asked, on_day=BEFORE)), Permit)
