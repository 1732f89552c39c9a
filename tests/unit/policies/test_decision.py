"""Which question is permitted, and which refusal gets which reason."""

from dataclasses import replace
from datetime import date

import pytest

from codes.tables import shipped
from policies.decision import decide
from policies.model import Citation, Permit, Reason, Refuse
from tests.unit.policies.builders import (
    ACCOUNT,
    BEFORE,
    TAX,
    a_grant,
    a_question,
    a_scope,
    an_allow_list,
    by_id,
    classes,
    some_facts,
)
from tests.unit.policies.deciding import AID, permitted, reason, refused

REFUND = {
    "procedure": Citation(row_no="117", article="119"),
    "inquirer": classes("市長"),
    "provider": classes("内閣総理大臣"),
}
PENSION = {
    "procedure": Citation(row_no="58", article="60", paragraph="2", item="2"),
    "inquirer": classes("国共連"),
    "provider": classes("市長"),
}


def test_the_whole_term_is_narrowed_to_the_scope_and_that_is_said() -> None:
    found = permitted(a_question())

    assert found.procedure.id == "P-fee"
    assert found.scope.ja == "市町村民税に関する情報"
    assert found.narrowing is not None
    assert found.narrowing.asked == "地方税関係情報"
    assert found.narrowing.granted == ("市町村民税に関する情報",)
    assert found.citation == Citation(
        row_no="115", article="117", paragraph="1", item="6", sub_item="ロ"
    )
    assert [grant.row_no for grant in found.grants] == ["115"]
    assert found.term.id == TAX


def test_a_scope_asked_by_its_own_name_id_or_wording_is_not_narrowed() -> None:
    for name in ("市町村民税に関する情報", "市町村民税", "市町村の民税に関する情報"):
        assert permitted(a_question(information=name)).narrowing is None
    scope_id = permitted(a_question()).scope.id
    assert permitted(a_question(information=scope_id)).scope.id == scope_id


def test_a_term_may_be_asked_by_its_code() -> None:
    assert permitted(a_question(information=TAX)).narrowing is not None


def test_what_lies_in_the_term_but_outside_the_scope_is_refused_never_dropped() -> None:
    found = refused(a_question(information="道府県民税に関する情報"))

    assert found.reason is Reason.INFORMATION_NOT_IN_PROCEDURE
    assert [near.scope for near in found.nearest] == ["市町村民税に関する情報"]


def test_the_number_moves_and_the_procedure_stays() -> None:
    before = Citation(row_no="115", article="117", item="5", sub_item="ロ")

    assert permitted(a_question(on_day=BEFORE, procedure=before)).procedure.id == "P-fee"


def test_a_citation_is_read_as_of_the_asked_day() -> None:
    # On the day before, 第6号 was another procedure, which this law by hand does not hold.
    assert reason(on_day=BEFORE) is Reason.PROCEDURE_NOT_IN_FORCE


def test_the_city_gets_the_account_of_a_refund() -> None:
    found = permitted(a_question(**REFUND, information="公的給付支給等口座登録簿関係情報"))

    assert found.narrowing is None
    assert found.items == tuple(item.code for item in shipped().items_of(ACCOUNT))


def test_information_the_row_has_not_is_refused_with_the_nearest() -> None:
    found = refused(a_question(**REFUND))

    assert found.reason is Reason.INFORMATION_NOT_IN_ROW
    assert found.basis == (Citation(row_no="117", article="119", paragraph="1", item=None),)
    assert [near.information for near in found.nearest] == ["公的給付支給等口座登録簿関係情報"]


def test_the_old_table_serves_only_to_say_until_when() -> None:
    name = "高確法による保険料の徴収に関する情報"
    found = refused(a_question(**(REFUND | {"provider": classes("広域連合")}), information=name))

    assert found.reason is Reason.WRONG_PROVIDER
    assert found.nearest[-1].note == "allowed until 2024-05-26 under 旧82"
    early = refused(
        a_question(
            **(REFUND | {"provider": classes("広域連合")}),
            information=name,
            on_day=date(2024, 5, 26),
        )
    )
    assert early.reason is Reason.NO_LAW_FOR_THAT_DAY
    assert early.nearest == found.nearest[-1:]


@pytest.mark.parametrize(
    "asked",
    [
        by_id("P-none"),
        Citation(),
        Citation(row_no="999"),
        Citation(article="999"),
        Citation(row_no="116", article="117", item="6"),
        Citation(row_no="115", article="117", item="6", paragraph="2"),
        Citation(row_no="115", article="117", item="6", sub_item="ヌ"),
        Citation(row_no="116", article="118", item="9"),
    ],
)
def test_a_place_that_never_was_is_no_such_procedure(asked: Citation) -> None:
    assert reason(procedure=asked) is Reason.NO_SUCH_PROCEDURE


def test_an_article_with_an_item_left_out_is_ambiguous() -> None:
    found = refused(a_question(procedure=Citation(row_no="115", article="117")))

    assert found.reason is Reason.AMBIGUOUS_CITATION
    assert {citation.item for citation in found.basis} == {"6", "8", "9"}
    assert found.nearest


def test_article_60_without_its_paragraph_is_ambiguous_whoever_asks() -> None:
    cited = Citation(row_no="58", article="60", item="2")

    assert reason(**(PENSION | {"procedure": cited})) is Reason.AMBIGUOUS_CITATION


def test_the_limit_of_a_paragraph_binds_the_inquirer() -> None:
    assert permitted(a_question(**PENSION, information="市町村民税")).procedure.id == "P-pension-2"
    other = PENSION | {"inquirer": classes("私学事業団")}
    found = refused(a_question(**other))
    assert found.reason is Reason.WRONG_INQUIRER
    assert found.nearest[0].inquirers == ("C-国共連",)


def test_a_sub_item_left_out_is_ambiguous_only_if_two_places_fit() -> None:
    cited = Citation(row_no="42", article="44", item="1")

    assert reason(**(AID | {"procedure": cited})) is Reason.AMBIGUOUS_CITATION
    one = a_question(**(AID | {"procedure": cited}), information="固定資産税に関する情報")
    assert permitted(one).citation.sub_item == "ロ"


def test_a_procedure_asked_by_id_grants_all_scopes_of_the_term() -> None:
    found = permitted(a_question(**(AID | {"procedure": by_id("P-aid")})))

    assert found.narrowing is not None
    assert found.narrowing.granted == ("市町村民税に関する情報", "固定資産税に関する情報")


@pytest.mark.parametrize("name", ["市長", "特別区の区長", "広島市長", "福祉事務所を管理する町村長"])
def test_a_member_of_a_defined_class_may_ask_as_the_class(name: str) -> None:
    permitted(a_question(**(AID | {"inquirer": classes(name)})))


@pytest.mark.parametrize("name", ["町村長", "市町村長", "広域連合"])
def test_whoever_is_not_wholly_in_the_class_is_the_wrong_inquirer(name: str) -> None:
    assert reason(**(AID | {"inquirer": classes(name)})) is Reason.WRONG_INQUIRER


def test_a_provider_the_row_has_not_is_the_wrong_provider() -> None:
    found = refused(a_question(provider=classes("内閣総理大臣")))

    assert found.reason is Reason.WRONG_PROVIDER
    assert found.nearest[0].scope == "市町村民税に関する情報"
    assert found.nearest[0].providers == ("C-市町村長",)


def test_what_the_row_has_only_from_another_is_not_in_the_row_for_this_provider() -> None:
    found = refused(a_question(provider=classes("出入国在留管理庁長官")))

    assert found.reason is Reason.INFORMATION_NOT_IN_ROW
    assert [near.providers for near in found.nearest] == [("C-市町村長",)]


def test_a_class_with_nobody_listed_is_refused_as_such() -> None:
    cited = Citation(row_no="116", article="118", item="1")
    asked = {"procedure": cited, "information": "他法令給付関係情報"}

    for provider in ("市長", "他の給付を行う者", "厚生労働大臣"):
        found = reason(**asked, provider=classes(provider))
        assert found is Reason.OPEN_CLASS_WITHOUT_MEMBER
    by_name = {"information": "戸籍関係情報", "provider": classes("他の給付を行う者")}
    assert reason(procedure=cited, **by_name) is Reason.OPEN_CLASS_WITHOUT_MEMBER


def test_an_open_class_permits_exactly_its_listed_members() -> None:
    cited = Citation(row_no="116", article="118", item="2")
    asked = {"procedure": cited, "information": "年金の情報"}

    permitted(a_question(**asked, provider=classes("厚生労働大臣")))
    assert reason(**asked, provider=classes("市長")) is Reason.WRONG_PROVIDER


def test_where_items_are_information_the_item_picks_the_scope() -> None:
    asked = {
        "provider": classes("内閣総理大臣"),
        "information": "公的給付支給等口座登録簿関係情報",
    }
    cited = Citation(row_no="116", article="118", item="3")

    assert permitted(a_question(**asked, procedure=cited)).citation.item == "3"
    other = replace(cited, item="2")
    assert reason(**asked, procedure=other) is Reason.INFORMATION_NOT_IN_PROCEDURE


def test_an_unsure_scope_is_refused_as_not_reviewed() -> None:
    place = AID | {"procedure": by_id("P-unread")}

    assert reason(**place, information="市町村民税") is Reason.NOT_REVIEWED
    assert reason(**place, information="当該申請に係る情報") is Reason.NOT_REVIEWED
    # Something nobody has read may hold it.
    assert reason(**place, information="道府県民税に関する情報") is Reason.NOT_REVIEWED
    permitted(a_question(**place, information="固定資産税に関する情報"))


def test_an_unsure_cell_and_a_procedure_without_scopes_are_not_reviewed() -> None:
    asked = AID | {"provider": classes("法務大臣"), "information": "戸籍関係情報"}
    cited = Citation(row_no="42", article="44", item="1", sub_item="ハ")
    law = an_allow_list(
        scopes=tuple(scope for scope in some_facts().scopes if scope.procedure != "P-refund")
    )

    assert reason(**(asked | {"procedure": cited})) is Reason.NOT_REVIEWED
    found = decide(law, a_question(**REFUND, information="公的給付支給等口座登録簿関係情報"))
    assert isinstance(found, Refuse)
    assert found.reason is Reason.NOT_REVIEWED


def test_whose_information_must_be_named_by_the_scope() -> None:
    permitted(a_question(subject_role="household"))
    assert reason(subject_role="spouse") is Reason.SUBJECT_ROLE_NOT_IN_PROCEDURE
    assert reason(subject_role="nobody") is Reason.SUBJECT_ROLE_NOT_IN_PROCEDURE


def test_items_outside_the_scope_are_refused_and_none_means_all() -> None:
    everything = permitted(a_question()).items
    assert everything
    assert permitted(a_question(items=everything[:1])).items == everything[:1]
    assert reason(items=("XTK0000089000001",)) is Reason.INFORMATION_NOT_IN_PROCEDURE
    listed = permitted(a_question(**AID, information="市町村民税に関する情報"))
    assert listed.items == ("XTK0000010000002",)


def test_a_term_without_items_in_the_tables_holds_none() -> None:
    cited = Citation(row_no="116", article="118", item="2")
    asked = a_question(procedure=cited, information="年金の情報", provider=classes("厚生労働大臣"))

    assert permitted(asked).items == ()
    assert refused(replace(asked, items=("X",))).reason is Reason.INFORMATION_NOT_IN_PROCEDURE


def test_a_scope_without_a_place_of_its_own_is_cited_as_its_procedure() -> None:
    bare = a_scope("P-refund", "", "公的給付支給等口座登録簿関係情報", ACCOUNT, citations=())
    others = tuple(found for found in some_facts().scopes if found.procedure != "P-refund")
    law = an_allow_list(scopes=(*others, bare))

    found = decide(law, a_question(**REFUND, information=ACCOUNT))
    assert isinstance(found, Permit)
    assert found.citation == Citation(row_no="117", article="119", paragraph="1", item="")


def test_no_day_without_data_and_no_other_ground_is_decided() -> None:
    assert reason(on_day=date(2024, 5, 26)) is Reason.NO_LAW_FOR_THAT_DAY
    ends = an_allow_list(data_until=date(2026, 6, 30))
    found = decide(ends, a_question())
    assert isinstance(found, Refuse)
    assert found.reason is Reason.NO_LAW_FOR_THAT_DAY
    assert reason(legal_basis="act19-9") is Reason.GROUND_NOT_LOADED


def test_what_the_law_has_no_word_for_is_not_in_the_row() -> None:
    assert reason(information="好きな色") is Reason.INFORMATION_NOT_IN_ROW
    assert reason(information="") is Reason.INFORMATION_NOT_IN_ROW


def test_a_scope_id_of_another_procedure_is_not_in_this_one() -> None:
    other = next(s.id for s in some_facts().scopes if s.procedure == "P-meals")

    assert reason(information=other) is Reason.INFORMATION_NOT_IN_PROCEDURE


def test_whoever_is_named_as_a_class_with_nobody_listed_is_refused_as_such() -> None:
    grants = (
        *(grant for grant in some_facts().grants if grant.row_no != "116"),
        a_grant("116", "他の給付を行う者", "内閣総理大臣", ACCOUNT),
    )
    law = an_allow_list(grants=grants)
    asked = a_question(
        procedure=Citation(row_no="116", article="118", item="3"),
        inquirer=classes("他の給付を行う者"),
        provider=classes("内閣総理大臣"),
        information=ACCOUNT,
    )

    for inquirer, expected in (
        (asked.inquirer, Reason.OPEN_CLASS_WITHOUT_MEMBER),
        (classes("広域連合"), Reason.WRONG_INQUIRER),
    ):
        found = decide(law, replace(asked, inquirer=inquirer))
        assert isinstance(found, Refuse)
        assert found.reason is expected
