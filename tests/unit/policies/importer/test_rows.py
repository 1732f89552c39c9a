"""Rows, old table and texts as the importer reads them."""

import pytest

from policies.importer.report import Kind
from policies.importer.source import SourceError, WholeCell
from tests.unit.policies.importer.builders import (
    BEFORE,
    CHANGE,
    FIRST,
    a_cell,
    a_line,
    an_opening,
    imported,
    kinds,
)


def test_without_any_text_there_are_no_facts() -> None:
    with pytest.raises(SourceError) as empty:
        imported(cells=())
    with pytest.raises(SourceError) as undated:
        imported(cells=(a_cell(version="latest"),))

    assert (empty.value.reason, undated.value.reason) == ("source-empty", "source-malformed")


def test_a_deleted_row_and_a_deleted_article_give_nothing() -> None:
    facts, report = imported(
        a_line("削除", article="159", row_no="", from_=CHANGE),
        cells=(a_cell(row_no="157", inquirer="削除", provider="", information="", from_=CHANGE),),
    )

    assert [(row.row_no, row.from_) for row in facts.deleted_rows] == [("157", CHANGE)]
    assert facts.grants == ()
    assert kinds(report) == {}


def test_a_cell_that_cannot_be_read_gives_no_grant() -> None:
    facts, report = imported(cells=(a_cell(provider="某"), a_cell(information="某")))

    assert facts.grants == ()
    assert kinds(report) == {Kind.CLASS_CELL: 1, Kind.INFORMATION_CELL: 1}


def test_a_cell_of_a_named_and_an_open_part_is_two_grants() -> None:
    facts, _ = imported(
        cells=(
            a_cell(
                provider="医療保険者その他の法令による医療に関する給付の支給を行うこととされている者",
                information="医療保険各法その他の法令による医療に関する給付の支給に関する情報",
            ),
        )
    )

    assert [[ref.class_id for ref in grant.providers] for grant in facts.grants] == [
        ["medical-insurer"],
        ["open-medical"],
    ]
    assert len({grant.id for grant in facts.grants}) == 2


def test_a_whole_version_that_says_otherwise_is_noted() -> None:
    same = a_cell()
    whole = [
        WholeCell(
            table="order19-8_art2@2024-05-27",
            row_no=same.row_no,
            inquirer=same.inquirer,
            provider=provider,
            information=same.information,
        )
        for provider in ("市町村長", "都道府県知事")
    ]

    _, agrees = imported(whole=(whole[0],))
    _, differs = imported(whole=tuple(whole))

    assert kinds(agrees) == {}
    assert kinds(differs) == {Kind.SOURCE_DIFFERS: 1}


def test_a_deleted_row_of_a_whole_version_is_no_difference() -> None:
    gone = WholeCell(
        table="order19-8_art2@2026-06-14",
        row_no="157",
        inquirer="削除",
        provider="",
        information="",
    )

    _, report = imported(an_opening(), whole=(gone,), cells=())

    assert kinds(report) == {}


def test_the_old_table_is_kept_with_all_names_of_its_information() -> None:
    old = WholeCell(
        table="act_beppyo2_old@2024-04-24",
        row_no="82",
        inquirer="市町村長",
        provider="後期高齢者医療広域連合",
        information="高齢者の医療の確保に関する法律による保険料の徴収に関する情報であって主務省令で定めるもの",
    )
    nobody = WholeCell(
        table=old.table, row_no="82", inquirer="某", provider="某", information="某情報"
    )

    facts, _ = imported(whole=(old, nobody))

    (kept,) = facts.superseded

    assert kept.id == "O82.1"
    assert "高確法による保険料の徴収に関する情報" in kept.information


def test_each_text_has_its_day_and_its_digest() -> None:
    facts, _ = imported(
        an_opening(),
        cells=(a_cell(to=BEFORE), a_cell(from_=CHANGE, version="2026-06-14-1")),
    )

    assert [text.effective_from for text in facts.law_texts] == [FIRST, CHANGE]
    assert facts.version == "506M60004008009@2026-06-14"
    assert facts.data_from == FIRST
    assert facts.law_texts[0].digest != ""


def test_a_term_says_which_row_defines_it() -> None:
    facts, _ = imported(
        cells=(a_cell(information="戸籍関係情報（以下「戸籍関係情報」という。）"),),
    )

    (term,) = [term for term in facts.terms if term.ja == "戸籍関係情報"]

    assert term.defined_in == "第2条の表115の項"
