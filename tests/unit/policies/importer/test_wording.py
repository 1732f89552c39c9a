"""The grammar of 「…に係る次に掲げる情報」."""

import pytest

from policies.importer.wording import Reference, Wording, read_information
from tests.unit.policies.importer.builders import reviewed


def read(text: str, *, row_no: str = "115") -> tuple[Wording, ...] | None:
    return read_information(text, reviewed(), row_no=row_no)


def test_a_description_ends_where_a_known_wording_begins() -> None:
    assert read("当該届出に係る被保険者に係る戸籍関係情報") == (
        Wording(subject="当該届出に係る被保険者", phrase="戸籍関係情報"),
    )


def test_a_wording_alone_is_of_nobody_in_particular() -> None:
    assert read("市町村民税（個人に係るものに限る。）に関する情報") == (
        Wording(subject="", phrase="市町村民税に関する情報"),
    )


def test_a_header_leaves_the_rest_to_the_list_that_follows() -> None:
    (header,) = read("当該申請を行う者に係る次に掲げる情報") or ()

    assert header.is_header
    assert header.subject == "当該申請を行う者"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("前号に掲げる情報", Reference(item="")),
        ("第十一号に掲げる情報", Reference(item="11")),
        ("第三号の二に掲げる情報", Reference(item="3の2")),
        ("第一号イからハまでに掲げる情報", Reference(item="1", subs=("イ", "ロ", "ハ"))),
        ("前号ロ及びハに掲げる情報", Reference(item="", subs=("ロ", "ハ"))),
        (
            "第一号イからニまで、ヘ及びトに掲げる情報",
            Reference(item="1", subs=("イ", "ロ", "ハ", "ニ", "ヘ", "ト")),
        ),
        (
            "第一号イからニまで及びトに掲げる情報",
            Reference(item="1", subs=("イ", "ロ", "ハ", "ニ", "ト")),
        ),
    ],
)
def test_a_reference_names_its_item_and_letters(text: str, reference: Reference) -> None:
    assert read(f"要保護者等に係る{text}") == (Wording(subject="要保護者等", reference=reference),)


def test_several_things_of_one_person_are_told_apart() -> None:
    found = read("納税者に係る第一号に掲げる情報及び生活保護実施関係情報並びに次に掲げる情報") or ()

    assert [(each.subject, each.phrase, each.is_header) for each in found] == [
        ("納税者", "", False),
        ("納税者", "生活保護実施関係情報", False),
        ("納税者", "", True),
    ]


def test_two_people_each_keep_their_own() -> None:
    found = read("入居者に係る第一号に掲げる情報並びに同居者に係る次に掲げる情報") or ()

    assert [each.subject for each in found] == ["入居者", "同居者"]


def test_a_reference_may_be_limited_to_one_persons_information() -> None:
    found = (
        read("第四号に掲げる情報（納税義務者に係る情報に限る。）及び滞納者に係る戸籍関係情報") or ()
    )

    assert [each.subject for each in found] == ["納税義務者", "滞納者"]


def test_a_definition_is_known_by_its_beginning() -> None:
    text = (
        "当該届出に係る者に係る出入国管理及び難民認定法第十九条の六、第二十条の在留カード"
        "の交付に関する情報（以下同じ。）"
    )

    assert [each.subject for each in read(text) or ()] == ["当該届出に係る者"]


def test_a_wording_that_joins_several_only_in_some_rows_is_known_only_there() -> None:
    text = "医療保険各法又は高齢者の医療の確保に関する法律による保険給付の支給に関する情報"

    assert read(text, row_no="141") == (Wording(subject="", phrase=text),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "知らない情報",
        "当該者に係る知らない情報",
        "前号に掲げる事務",
        "者に係る戸籍関係情報及び何か",
    ],
)
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    assert read(text) is None


def test_an_affair_is_never_taken_for_people() -> None:
    assert read("減免に関する事務第四号に掲げる情報及び納税者に係る戸籍関係情報") is None
