"""Brackets, numerals, digests and labels of ours."""

import pytest

from policies.importer.text import (
    LABEL_CHARACTERS_MAX,
    digest,
    iroha_range,
    item_order,
    kanji_value,
    outer_brackets,
    short_label,
    strip_brackets,
)


def test_brackets_go_with_all_that_is_inside_them() -> None:
    assert (
        strip_brackets("事務（同法（令和三年）を除く。）に係る情報（以下同じ。）")
        == "事務に係る情報"
    )


def test_an_unclosed_bracket_stays() -> None:
    assert strip_brackets("事務（同法") == "事務（同法"


def test_only_outer_brackets_are_told_apart() -> None:
    assert outer_brackets("甲（乙（丙）丁）戊（己）") == ("乙（丙）丁", "己")


@pytest.mark.parametrize(
    ("numeral", "value"),
    [("十", 10), ("百十七", 117), ("二百九十二", 292), ("三〇", 30), ("七", 7), ("千二", 1002)],
)
def test_kanji_numerals_have_their_value(numeral: str, value: int) -> None:
    assert kanji_value(numeral) == value


def test_iroha_runs_from_one_letter_to_another_and_not_backwards() -> None:
    assert iroha_range("イ", "ホ") == ("イ", "ロ", "ハ", "ニ", "ホ")
    assert iroha_range("ホ", "イ") == ()


def test_branches_stand_after_their_number() -> None:
    assert sorted(["4", "3の3", "3", "3の2", "10"], key=item_order) == [
        "3",
        "3の2",
        "3の3",
        "4",
        "10",
    ]


def test_a_label_drops_set_phrases_and_writes_counted_numbers_in_digits() -> None:
    affair = (
        "高齢者の医療の確保に関する法律第百四条の二第二項（同条を除く。）の一部負担金の申請"
        "に係る事実についての審査に関する事務"
    )

    assert short_label(affair) == "高齢者の医療の確保に関する法律第104条の2第2項の一部負担金の申請"


def test_a_long_label_is_cut_in_the_middle() -> None:
    label = short_label("あ" * 200 + "に関する事務")

    assert len(label) == LABEL_CHARACTERS_MAX
    assert "…" in label


def test_a_digest_does_not_depend_on_how_a_letter_is_composed() -> None:
    assert digest("\u30d7") == digest("\u30d5\u309a")
    assert len(digest("")) == 64
