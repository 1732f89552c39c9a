"""What an article says on one day."""

from datetime import date

from policies.importer.articles import article_names, read_article
from policies.importer.report import Findings, Kind
from tests.unit.policies.importer.builders import BEFORE, CHANGE, FIRST, a_line, an_opening


def test_articles_stand_in_the_order_of_the_law() -> None:
    lines = [a_line("", article=name) for name in ("119", "12", "117", "12の2")]

    assert article_names(lines) == ("12", "12の2", "117", "119")


def test_an_article_is_read_anew_on_each_day_a_word_changes() -> None:
    lines = [
        an_opening(),
        a_line("甲", item="1", to=BEFORE),
        a_line("乙", item="1", from_=CHANGE),
        a_line("甲", item="2", from_=CHANGE),
    ]

    found = read_article(lines, days=frozenset(), findings=Findings())

    assert [(p.from_, p.to, [i.text for i in p.items]) for p in found] == [
        (FIRST, BEFORE, ["甲"]),
        (CHANGE, None, ["乙", "甲"]),
    ]


def test_it_is_read_anew_where_its_row_changes() -> None:
    day = date(2025, 7, 28)

    found = read_article([an_opening()], days=frozenset({day}), findings=Findings())

    assert [paragraph.from_ for paragraph in found] == [FIRST, day]


def test_the_row_is_taken_from_the_opening_when_its_column_is_empty() -> None:
    found = read_article([an_opening(row_no="")], days=frozenset(), findings=Findings())

    assert found[0].row_no == "115"


def test_an_article_with_one_procedure_names_it_in_its_opening() -> None:
    text = (
        "第二条の表百十七の項で定める事務は、還付に関する事務とし、"
        "同項で定める情報は、戸籍関係情報とする。"
    )

    (found,) = read_article([a_line(text, row_no="117")], days=frozenset(), findings=Findings())

    assert (found.affair, found.information) == ("還付に関する事務", "戸籍関係情報")


def test_letters_stand_in_the_order_of_iroha() -> None:
    lines = [an_opening(), a_line("甲", item="1")]
    lines += [a_line(sub, item="1", sub_item=sub) for sub in "ロヰイナ"]

    (found,) = read_article(lines, days=frozenset(), findings=Findings())

    assert [sub for sub, _ in found.items[0].subs] == ["イ", "ロ", "ナ", "ヰ"]


def test_a_deleted_article_says_nothing() -> None:
    assert read_article([a_line("削除")], days=frozenset(), findings=Findings()) == ()


def test_paragraphs_share_the_opening_that_is_known() -> None:
    lines = [an_opening(), a_line("甲", item="1"), a_line("乙", item="1", paragraph="2")]

    found = read_article(lines, days=frozenset(), findings=Findings())

    assert [p.paragraph for p in found] == ["1", "2"]
    assert found[1].place == "第117条第2項 2024-05-27"


def test_openings_that_do_not_fit_are_noted() -> None:
    for lines in ([a_line("甲", item="1")], [a_line("第二条の表百十五の項で定める事務は、甲。")]):
        findings = Findings()

        assert read_article(lines, days=frozenset(), findings=findings) == ()
        assert findings.all()[0].kind == Kind.OPENING


def test_contradictions_of_the_source_are_noted() -> None:
    findings = Findings()
    lines = [an_opening(), a_line("甲", item="1"), a_line("乙", item="1", row_no="114")]

    read_article(lines, days=frozenset(), findings=findings)

    assert {found.kind for found in findings.all()} == {Kind.SOURCE_DIFFERS, Kind.DUPLICATE_LINE}
