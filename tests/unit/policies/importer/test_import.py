"""The importer as a whole, on a few lines of law."""

from datetime import date

import pytest

from policies.facts import Facts
from policies.importer.report import Kind
from policies.importer.source import SplitLine
from policies.model import Procedure, Scope
from tests.unit.policies.importer.builders import (
    BEFORE,
    CHANGE,
    FIRST,
    LEVY,
    REFUND,
    a_cell,
    a_line,
    an_opening,
    imported,
    kinds,
)

PERSON = "当該保険料を課せられる者に係る"
HOUSE = "当該保険料を課せられる者又は当該者と同一の世帯に属する者に係る"


def only(facts: Facts) -> tuple[Procedure, tuple[Scope, ...]]:
    (procedure,) = facts.procedures
    return procedure, facts.scopes


def test_a_procedure_has_its_scopes_with_place_people_and_review() -> None:
    facts, report = imported(
        an_opening(),
        a_line(f"{LEVY}次に掲げる情報", item="5"),
        a_line(f"{HOUSE}市町村民税に関する情報", item="5", sub_item="イ"),
        a_line(f"{PERSON}住民票に記載された住民票関係情報", item="5", sub_item="ロ"),
    )

    procedure, scopes = only(facts)
    by_letter = {scope.citations[0].sub_item: scope for scope in scopes}

    assert procedure.id == "XP11701050240527"
    assert procedure.label == "高齢者の医療の確保に関する法律第104条第2項の保険料の賦課"
    assert by_letter["イ"].ja == "市町村民税に関する情報"
    assert by_letter["イ"].subject_roles == ("person", "household")
    assert by_letter["イ"].review.state == "reviewed"
    assert by_letter["ロ"].review.state == "sure"
    assert kinds(report) == {}


def test_renumbering_and_a_moved_letter_change_citations_only() -> None:
    facts, _ = imported(
        an_opening(),
        a_line(f"{LEVY}次に掲げる情報", item="5", to=BEFORE),
        a_line(f"{HOUSE}市町村民税に関する情報", item="5", sub_item="イ", to=BEFORE),
        a_line(f"{LEVY}（次号に掲げるものを除く。）次に掲げる情報", item="6", from_=CHANGE),
        a_line(f"{HOUSE}市町村民税に関する情報", item="6", sub_item="ハ", from_=CHANGE),
    )

    procedure, (scope,) = only(facts)

    assert [(c.item, c.from_, c.to) for c in procedure.citations] == [
        ("5", FIRST, BEFORE),
        ("6", CHANGE, None),
    ]
    assert [(c.sub_item, c.from_) for c in scope.citations] == [("イ", FIRST), ("ハ", CHANGE)]
    assert (scope.from_, scope.to) == (FIRST, None)


def test_a_day_on_which_only_something_else_changed_does_not_cut_a_citation() -> None:
    facts, _ = imported(
        an_opening(),
        a_line(f"{LEVY}{PERSON}市町村民税に関する情報", item="1"),
        a_line(f"{REFUND}{PERSON}市町村民税に関する情報", item="2", from_=CHANGE),
    )

    levy = next(p for p in facts.procedures if p.citations[0].item == "1")
    scope = next(s for s in facts.scopes if s.procedure == levy.id)

    assert [(c.from_, c.to) for c in levy.citations] == [(FIRST, None)]
    assert [(c.from_, c.to) for c in scope.citations] == [(FIRST, None)]


def test_a_text_that_only_looks_alike_keeps_its_id_and_is_listed() -> None:
    facts, report = imported(
        an_opening(),
        a_line(f"{LEVY}{PERSON}市町村民税に関する情報", item="5", to=BEFORE),
        a_line(
            f"{LEVY.replace('第二項', '第三項')}{PERSON}市町村民税に関する情報",
            item="5",
            from_=CHANGE,
        ),
    )

    assert len(facts.procedures) == 1
    assert kinds(report) == {Kind.ALIGNMENT_DOUBTFUL: 1}


def test_what_a_person_called_the_same_is_the_same_and_not_listed() -> None:
    line = (
        "国民健康保険法施行令第二十九条の七第{}項第八号の保険料の減額賦課に関する事務{}戸籍関係情報"
    )
    places = {"article": "73", "row_no": "71", "item": "1"}
    opening = an_opening().text.replace("百十五", "七十一")

    facts, report = imported(
        a_line(opening, **(places | {"item": ""})),
        a_line(line.format("五", PERSON), to=date(2026, 3, 31), **places),
        a_line(line.format("六", PERSON), from_=date(2026, 4, 1), **places),
        cells=(a_cell(row_no="71", information="戸籍関係情報"),),
    )

    assert len(facts.procedures) == 1
    assert kinds(report) == {}


def test_what_a_person_called_another_procedure_is_another() -> None:
    line = (
        "雇用保険法第六十一条の{}第一項の育児休業給付金の支給の申請に関する事務"
        "当該者に係る戸籍関係情報"
    )
    places = {"article": "114", "row_no": "112"}
    opening = an_opening().text.replace("百十五", "百十二")
    day = date(2025, 7, 28)

    facts, _ = imported(
        a_line(opening, **places),
        a_line(line.format("六"), item="1", to=date(2025, 7, 27), **places),
        a_line(line.format("七"), item="2", from_=day, **places),
        cells=(a_cell(row_no="112", information="戸籍関係情報"),),
    )

    assert [p.id for p in facts.procedures] == ["XP11401010240527", "XP11401020250728"]


def test_the_most_alike_of_several_is_the_one_continued() -> None:
    same = "高齢者の医療の確保に関する法律第百四条第二項の保険料の{}に関する事務"
    facts, report = imported(
        an_opening(),
        a_line(
            f"{same.format('賦課及び徴収の決定')}{PERSON}市町村民税に関する情報",
            item="1",
            to=BEFORE,
        ),
        *(
            a_line(f"{same.format(words)}{PERSON}市町村民税に関する情報", item=item, from_=CHANGE)
            for item, words in (("1", "還付"), ("2", "賦課又は徴収の決定"))
        ),
    )

    kept = next(p for p in facts.procedures if p.from_ == FIRST)

    assert [c.item for c in kept.citations] == ["1", "2"]
    assert kinds(report) == {Kind.ALIGNMENT_DOUBTFUL: 1}


def test_one_scope_at_one_place_is_cited_once_whatever_says_it_twice() -> None:
    facts, _ = imported(
        an_opening(),
        a_line(f"{LEVY}当該者に係る次に掲げる情報", item="1"),
        a_line("市町村民税に関する情報", item="1", sub_item="イ"),
        a_line("市町村民税に係る情報", item="1", sub_item="ロ"),
        a_line(f"{REFUND}納税者に係る前号に掲げる情報", item="2"),
    )

    (scope,) = [s for s in facts.scopes if s.procedure.startswith("XP1170102")]

    assert len(scope.citations) == 1


def test_a_scope_that_comes_back_is_a_second_scope() -> None:
    day, again = date(2025, 4, 1), date(2026, 4, 1)
    tax = f"{PERSON}市町村民税に関する情報"
    facts, _ = imported(
        an_opening(),
        a_line(f"{LEVY}次に掲げる情報", item="5"),
        a_line(tax, item="5", sub_item="イ", to=date(2025, 3, 31)),
        a_line(f"{PERSON}戸籍関係情報", item="5", sub_item="イ", from_=day, to=date(2026, 3, 31)),
        a_line(tax, item="5", sub_item="イ", from_=again),
        cells=(a_cell(information="地方税関係情報又は戸籍関係情報"),),
    )

    taxes = [scope for scope in facts.scopes if scope.ja == "市町村民税に関する情報"]

    assert [(s.from_, s.id.endswith("-2")) for s in taxes] == [(FIRST, False), (again, True)]


def test_a_reference_takes_over_what_another_item_asks_of_its_own_people() -> None:
    facts, _ = imported(
        an_opening(),
        a_line(f"{LEVY}当該者に係る次に掲げる情報", item="1"),
        a_line("市町村民税に関する情報", item="1", sub_item="イ"),
        a_line("住民票に記載された住民票関係情報", item="1", sub_item="ロ"),
        a_line(f"{REFUND}{HOUSE}前号ロに掲げる情報", item="2"),
    )

    second = next(p for p in facts.procedures if p.citations[0].item == "2")
    (scope,) = [scope for scope in facts.scopes if scope.procedure == second.id]

    assert scope.ja == "住民票に記載された住民票関係情報"
    assert scope.subject_roles == ("person", "household")
    assert [c.sub_item for c in scope.citations] == [""]


@pytest.mark.parametrize("reference", ["第九号に掲げる情報", "前号ヌに掲げる情報"])
def test_a_reference_to_nothing_is_unsure(reference: str) -> None:
    facts, report = imported(
        an_opening(),
        a_line(f"{LEVY}当該者に係る市町村民税に関する情報", item="1"),
        a_line(f"{REFUND}当該者に係る{reference}", item="2"),
    )

    assert [s.review.state for s in facts.scopes if s.procedure.startswith("XP1170102")] == [
        "unsure"
    ]
    assert kinds(report) == {Kind.REFERENCE: 1}
    assert len(report.unresolved) == 1


def test_items_of_a_single_procedure_are_information() -> None:
    opening = (
        f"第二条の表百十五の項で定める事務は、{REFUND}とし、"
        "同項で定める情報は、当該還付を受ける者に係る次に掲げる情報とする。"
    )
    facts, _ = imported(
        a_line(opening),
        a_line("市町村民税に関する情報", item="1"),
        a_line("当該者の配偶者に係る住民票に記載された住民票関係情報", item="2"),
    )

    procedure, scopes = only(facts)
    by_item = {scope.citations[0].item: scope for scope in scopes}

    assert procedure.citations[0].item == ""
    assert by_item["1"].subject_roles == ("person",)
    assert by_item["2"].subject_roles == ("spouse",)


def test_a_single_procedure_may_name_its_one_information_itself() -> None:
    opening = (
        f"第二条の表百十五の項で定める事務は、{REFUND}とし、"
        "同項で定める情報は、当該還付を受ける者に係る市町村民税に関する情報とする。"
    )

    facts, _ = imported(a_line(opening))

    assert [(c.item, c.sub_item) for c in facts.scopes[0].citations] == [("", "")]


def test_an_article_whose_information_is_not_understood_is_unsure() -> None:
    opening = (
        f"第二条の表百十五の項で定める事務は、{REFUND}とし、"
        "同項で定める情報は、知らない情報とする。"
    )

    facts, report = imported(a_line(opening))

    assert [scope.review.state for scope in facts.scopes] == ["unsure"]
    assert kinds(report) == {Kind.PHRASE: 1}


def test_what_ministers_decide_elsewhere_is_unsure() -> None:
    opening = (
        f"第二条の表百六十の項で定める事務は、{REFUND}とし、"
        "同項で定める情報は、次に掲げる情報のうち大臣が定めるものとする。"
    )
    places = {"article": "162", "row_no": "160"}

    facts, report = imported(
        a_line(opening, **places),
        a_line("市町村民税に関する情報", item="1", **places),
        cells=(a_cell(row_no="160"),),
    )

    assert [scope.review.state for scope in facts.scopes] == ["unsure"]
    assert kinds(report) == {Kind.DETERMINED_ELSEWHERE: 1}


def test_an_unknown_wording_is_kept_as_an_unsure_scope() -> None:
    facts, report = imported(
        an_opening(),
        a_line(f"{LEVY}次に掲げる情報", item="1"),
        a_line("当該者に係る知らない情報", item="1", sub_item="イ"),
        a_line(f"{REFUND}当該者に係る知らない情報", item="2"),
    )

    assert {scope.review.state for scope in facts.scopes} == {"unsure"}
    assert {scope.term for scope in facts.scopes} == {None}
    assert kinds(report) == {Kind.PHRASE: 2, Kind.SPLIT: 1}


def test_a_hint_splits_what_the_wording_cannot() -> None:
    facts, report = imported(
        an_opening(),
        a_line(f"{LEVY}知らない情報", item="1"),
        splits=(
            SplitLine(
                article="117",
                item="1",
                sub_item="",
                affair=LEVY,
                information="知らない情報",
                method="",
            ),
        ),
    )

    assert facts.procedures[0].label == "高齢者の医療の確保に関する法律第104条第2項の保険料の賦課"
    assert kinds(report) == {Kind.PHRASE: 1}


def test_a_procedure_that_moves_to_another_article_keeps_its_id() -> None:
    places = {"article": "118", "row_no": "116"}
    facts, _ = imported(
        an_opening(to=BEFORE),
        a_line(f"{LEVY}{PERSON}市町村民税に関する情報", item="1", to=BEFORE),
        a_line(an_opening().text.replace("百十五", "百十六"), from_=CHANGE, **places),
        a_line(f"{LEVY}{PERSON}市町村民税に関する情報", item="1", from_=CHANGE, **places),
        cells=(a_cell(), a_cell(row_no="116")),
    )

    (procedure,) = facts.procedures

    assert [(c.row_no, c.article) for c in procedure.citations] == [("115", "117"), ("116", "118")]


def test_paragraphs_are_cited_only_where_there_are_several_and_limit_who_asks() -> None:
    places = {"article": "60", "row_no": "58"}
    opening = an_opening().text.replace("百十五", "五十八")
    facts, _ = imported(
        a_line(opening, **places),
        *(
            a_line(f"{LEVY}{PERSON}市町村民税に関する情報", item="1", paragraph=paragraph, **places)
            for paragraph in "12"
        ),
        cells=(a_cell(row_no="58"),),
    )

    limits = {
        p.citations[0].paragraph: [ref.class_id for ref in p.inquirer_limit or ()]
        for p in facts.procedures
    }

    assert limits == {"1": ["health-minister"], "2": ["national-mutual-aid-federation"]}


def test_the_closing_article_is_no_procedure() -> None:
    facts, _ = imported(a_line("この命令に定めるもののほか、別に定める。", article="176"))

    assert facts.procedures == ()
