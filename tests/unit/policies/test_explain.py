"""Explaining: the law's own words in, decision, reason, basis and nearest out."""

import json
from datetime import date

import pytest

from policies.explain import QuestionError, diff, explain, explain_lines
from policies.lint import lint_facts, lint_rules
from policies.model import Body, BodyClass, ClassId
from policies.release import ReleaseRules
from tests.unit.policies.builders import (
    BEFORE,
    CHANGE,
    FIRST,
    TAX,
    a_grant,
    an_allow_list,
    some_facts,
)

LAW = an_allow_list()
ASKED: dict[str, object] = {
    "on_date": "2026-07-01",
    "inquirer_class": "後期高齢者医療広域連合",
    "provider_class": "市町村長",
    "row": "115",
    "article": "117",
    "item": "6",
    "sub_item": "ロ",
    "information": "地方税関係情報",
}


def asked(**changed: object) -> dict[str, object]:
    merged = ASKED | changed
    return {name: part for name, part in merged.items() if part is not None}


def reason(**changed: object) -> object:
    return explain(LAW, asked(**changed))["reason"]


def test_a_permit_says_what_it_is_narrowed_to() -> None:
    assert explain(LAW, asked()) == {
        "decision": "permit",
        "reason": "narrowed",
        "basis": [
            {
                "row": "115",
                "article": "117",
                "paragraph": "1",
                "item": "6",
                "sub_item": "ロ",
                "text": "115の項 第117条第6号ロ",
            }
        ],
        "nearest": [
            {
                "citation": {
                    "row": "115",
                    "article": "117",
                    "paragraph": "1",
                    "item": "6",
                    "sub_item": "ロ",
                    "text": "115の項 第117条第6号ロ",
                },
                "information": "地方税関係情報",
                "scope": "市町村民税に関する情報",
                "inquirer_classes": ["広域連合"],
                "provider_classes": ["市町村長"],
                "procedure": "P-fee",
                "from": "2024-05-27",
            }
        ],
    }
    assert reason(information="市町村民税に関する情報") == "permitted"


def test_a_refusal_says_why_on_what_and_what_was() -> None:
    found = explain(
        LAW,
        asked(
            inquirer_class="市長",
            provider_class="広域連合",
            row="117",
            article="119",
            item=None,
            sub_item=None,
            information="高確法による保険料の徴収に関する情報",
        ),
    )

    assert found["decision"] == "refuse"
    assert found["reason"] == "wrong-provider"
    assert found["nearest"] == [
        {
            "citation": {
                "row": "117",
                "article": "119",
                "paragraph": "1",
                "text": "117の項 第119条",
            },
            "information": "公的給付支給等口座登録簿関係情報",
            "scope": "公的給付支給等口座登録簿関係情報",
            "inquirer_classes": ["市町村長"],
            "provider_classes": ["内閣総理大臣"],
            "procedure": "P-refund",
            "from": "2024-05-27",
        },
        {
            "citation": {"row": "旧82", "text": "旧82の項"},
            "information": "高齢者の医療の確保に関する法律による保険料の徴収に関する情報",
            "inquirer_classes": ["市町村長"],
            "provider_classes": ["広域連合"],
            "to": "2024-05-26",
            "note": "allowed until 2024-05-26 under 旧82",
        },
    ]


@pytest.mark.parametrize(
    "cited",
    [
        {"row": 115, "article": 117, "item": 6},
        {"row": None, "article": "第百十七条", "item": "第六号"},
        {"article": "第117条第6号ロ", "item": None, "sub_item": None, "row": None},
        {"article": "115の項第117条第6号", "item": "6"},
        {"row": None, "article": None, "item": None, "procedure": "P-fee"},
        {"paragraph": ""},
    ],
)
def test_a_place_may_be_named_in_many_forms(cited: dict[str, object]) -> None:
    assert reason(**cited) == "narrowed"


@pytest.mark.parametrize(
    "changed",
    [
        {"unknown": "x"},
        {"on_date": None},
        {"on_date": "1 July"},
        {"information": None},
        {"information": 3},
        {"inquirer_class": None},
        {"inquirer_body": "B"},
        {"procedure": "P-fee"},
        {"row": None, "article": None, "item": None},
        {"article": "第117条第7号"},
        {"article": "第条"},
        {"item": "x"},
    ],
)
def test_what_is_no_question_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(QuestionError):
        explain(LAW, asked(**changed))


def test_a_defined_word_is_permitted_where_each_of_its_members_is() -> None:
    pension: dict[str, object] = {
        "row": "58",
        "article": "60",
        "paragraph": "2",
        "item": "2",
        "information": "地方税関係情報",
    }
    assert reason(inquirer_class="共済組合等", **pension) == "wrong-inquirer"
    assert reason(inquirer_class="国家公務員共済組合連合会", **pension) == "narrowed"


def test_members_of_a_defined_word_count_on_either_side_if_each_is_named() -> None:
    each = a_grant("115", "国共連 私学事業団", "国共連 私学事業団", TAX)
    law = an_allow_list(grants=(*some_facts().grants, each))

    inquirers = asked(inquirer_class="共済組合等", provider_class="私学事業団")
    assert explain(law, inquirers)["decision"] == "permit"
    providers = asked(inquirer_class="国共連", provider_class="共済組合等")
    assert explain(law, providers)["decision"] == "permit"


def test_a_list_of_classes_is_permitted_only_if_each_is() -> None:
    assert reason(provider_class="市長又は特別区の区長") == "narrowed"
    assert reason(provider_class="市長、特別区の区長若しくは内閣総理大臣") == "wrong-provider"
    assert reason(provider_class="市長又は知らない者") == "wrong-provider"
    assert reason(provider_class="") == "wrong-provider"


def test_a_class_may_carry_the_brackets_of_its_definition() -> None:
    named = "市町村長（特別区の区長を含む。以下この条において同じ。）"

    assert reason(provider_class=named) == "narrowed"
    assert reason(provider_class="市町村長（知らない事実に限る。）") == "wrong-provider"


def test_an_unknown_class_or_body_is_nobody() -> None:
    assert reason(inquirer_class="知らない者") == "wrong-inquirer"
    assert reason(inquirer_class=None, inquirer_body="none") == "wrong-inquirer"


def test_a_body_is_asked_by_its_code() -> None:
    stated = BodyClass(class_id=ClassId("C-市長"), from_=FIRST, fact="地方自治法")
    mayor = Body(body_code="B1", organisation="nagaoka", name="長岡市長", classes=(stated,))
    question = asked(provider_class=None, provider_body="B1")

    assert explain(LAW, question, bodies={"B1": mayor})["reason"] == "narrowed"


def test_a_role_may_be_named_in_japanese() -> None:
    assert reason(subject_role="世帯員") == "narrowed"
    assert reason(subject_role="配偶者") == "subject-role-not-in-procedure"


def test_lines_are_answered_in_order_and_a_bad_one_is_refused() -> None:
    lines = [
        json.dumps(asked()).encode(),
        b"{",
        b"\n",
        b"[" * 5000,
        b"[1]",
        b"\xff",
        b" " * 20_000 + b"{}",
        json.dumps(asked(information="好きな色")).encode(),
    ]

    reasons = [json.loads(line)["reason"] for line in explain_lines(LAW, lines)]

    assert reasons == ["narrowed", *["malformed-question"] * 5, "information-not-in-row"]


def test_a_difference_tells_moves_from_beginnings() -> None:
    found = diff(LAW, BEFORE, CHANGE)

    assert {"procedure": "P-fee", "from": "115の項 第117条第5号", "to": "115の項 第117条第6号"} in (
        found["moved"]  # type: ignore[operator]  # a list, as the document says
    )
    assert found["begun"] == [
        {"procedure": "P-new", "citation": "14の2の項 第14条の2"},
        {"procedure": "P-stay", "citation": "55の3の項 第57条の3"},
    ]
    assert found["ended"] == [{"procedure": "P-ship", "citation": "55の3の項 第57条の3"}]
    assert {
        "procedure": "P-joining",
        "inquirers": "広域連合",
        "providers": "出入国在留管理庁長官",
        "information": "出入国関係情報",
        "scope": "出入国関係情報",
        "citation": "115の項 第117条第8号ロ",
    } in found["permitted"]  # type: ignore[operator]  # a list, as the document says
    assert found["withdrawn"] == [
        {
            "procedure": "P-ship",
            "inquirers": "国土交通大臣",
            "providers": "法務大臣",
            "information": "戸籍関係情報",
            "scope": "戸籍関係情報",
            "citation": "55の3の項 第57条の3",
        }
    ]


def test_a_difference_to_a_day_without_law_is_everything() -> None:
    found = diff(LAW, date(2024, 5, 26), FIRST)

    assert found["withdrawn"] == []
    assert found["permitted"]
    assert diff(LAW, date(2025, 9, 30), date(2025, 10, 1))["rows_deleted"] == ["157"]


def test_lint_lists_what_is_refused_for_want_of_something() -> None:
    doubts = {(found["kind"], found["what"]) for found in lint_facts(some_facts())}

    assert ("open-class-without-member", "他の給付を行う者") in doubts
    assert ("cell-not-reviewed", "G-42-法務大臣-2024-05-27") in doubts
    assert ("scope-not-reviewed", "S-P-unread-イ-当該申請に係る情報") in doubts
    assert not any(kind == "procedure-permits-nothing" for kind, _ in doubts)
    lonely = lint_facts(some_facts(grants=()))
    assert {"kind": "procedure-of-no-row", "what": "P-fee"} in lonely
    assert {"kind": "procedure-permits-nothing", "what": "P-fee"} in lonely


def test_lint_finds_a_rule_said_twice() -> None:
    rule = (
        '[[rules]]\nid = "{}"\nfrom = 2024-05-27\nwhen = {{ always = 1 }}\nthen = "hold"\n'
        'reason = "r"\napprovals = 1\ndeadline_hours = 1\n'
    )
    head = 'format = 1\nversion = "v"\notherwise = "automatic"\n'

    twice = ReleaseRules.parse(head + rule.format("a") + rule.format("b"))
    assert [found["what"] for found in lint_rules(twice)] == ["a", "b"]
    assert lint_rules(ReleaseRules.parse(head + rule.format("a"))) == []
