"""Citations as people write them."""

import pytest

from policies.citations import CitationError, number, parse_citation, parse_part, show_citation
from policies.model import Citation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("第117条第6号ロ", Citation(article="117", item="6", sub_item="ロ")),
        ("第百十七条第六号ロ", Citation(article="117", item="6", sub_item="ロ")),
        ("第一一七条", Citation(article="117")),
        ("第3条の2", Citation(article="3の2")),
        ("第五十九条の二", Citation(article="59の2")),
        ("第３条の３第３号の３", Citation(article="3の3", item="3の3")),
        ("第60条 第2項 第1号", Citation(article="60", paragraph="2", item="1")),
        ("55の3の項 第57条の3", Citation(row_no="55の3", article="57の3")),
        ("115の項", Citation(row_no="115")),
        ("第六号", Citation(item="6")),
        ("第二千三百四条", Citation(article="2304")),
    ],
)
def test_a_citation_is_read_in_every_numeral(text: str, expected: Citation) -> None:
    assert parse_citation(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "117",
        "第条",
        "第十百条",
        "第117条第6号ロハ",
        "第117条の",
        "別表",
        "第12345条",
        "第" + "一" * 80,
    ],
)
def test_what_is_no_citation_is_refused(text: str) -> None:
    with pytest.raises(CitationError):
        parse_citation(text)


def test_a_row_beside_the_citation_must_be_the_same() -> None:
    assert parse_citation("第117条", row_no="百十五").row_no == "115"
    assert parse_citation("115の項第117条", row_no="115").row_no == "115"
    with pytest.raises(CitationError, match="two different rows"):
        parse_citation("115の項第117条", row_no="116")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("117", "117"),
        ("第117条", "117"),
        ("第百十七条", "117"),
        ("3の2", "3の2"),
        ("第3条の2", "3の2"),
        ("第六号", "6"),
        ("ロ", "ロ"),
        ("115の項", "115"),
        ("１１５", "115"),
    ],
)
def test_a_part_is_read_into_the_form_of_the_data(text: str, expected: str) -> None:
    assert parse_part(text) == expected


@pytest.mark.parametrize("text", ["", "イロ", "3の", "旧82", "x", "第", "1" * 70])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(CitationError):
        parse_part(text)


def test_a_numeral_needs_a_digit() -> None:
    assert number("二十") == "20"
    with pytest.raises(CitationError):
        number("")


def test_a_citation_is_shown_as_people_write_it() -> None:
    full = Citation(row_no="55の3", article="57の3", paragraph="1", item="3の2", sub_item="ロ")

    assert show_citation(full) == "55の3の項 第57条の3第3号の2ロ"
    assert show_citation(full, has_paragraphs=True) == "55の3の項 第57条の3第1項第3号の2ロ"
    assert show_citation(Citation(article="60", paragraph="2")) == "第60条第2項"
    assert show_citation(Citation()) == ""
