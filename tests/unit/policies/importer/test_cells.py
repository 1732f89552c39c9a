"""Which classes and terms a cell of the table names."""

import pytest

from policies.importer.cells import CellReader, bare_information, defined_words
from policies.importer.report import Findings, Kind
from tests.unit.policies.importer.builders import reviewed


def a_reader() -> CellReader:
    return CellReader(reviewed=reviewed(), findings=Findings())


@pytest.mark.parametrize(
    ("cell", "classes"),
    [
        ("市町村長（特別区の区長を含む。以下この条において同じ。）", ["municipal-mayor"]),
        (
            "都道府県知事又は広島市長若しくは長崎市長",
            ["governor", "hiroshima-mayor", "nagasaki-mayor"],
        ),
        (
            "厚生労働大臣若しくは日本年金機構、共済組合等又は農林漁業団体職員共済組合",
            ["health-minister", "pension-service", "mutual-aid-bodies", "forestry-mutual-aid"],
        ),
        (
            "市町村長（児童手当法第十七条第一項の表の下欄に掲げる者を含む。）",
            ["municipal-mayor", "child-allowance-employer"],
        ),
        (
            "都道府県知事又は保健所を設置する市（特別区を含む。）の長",
            ["governor", "health-centre-city-mayor"],
        ),
        (
            "公営住宅法（昭和二十六年法律第百九十三号）第二条第十六号に規定する事業主体である都道府県知事又は市町村長",
            ["public-housing-body"],
        ),
        (
            "介護保険法第二十条に規定する他の法令による給付の支給を行うこととされている者",
            ["open-care-20"],
        ),
    ],
)
def test_a_class_cell_names_any_of_its_classes(cell: str, classes: list[str]) -> None:
    found = a_reader().classes(cell, place="n")

    assert [ref.class_id for ref in found or ()] == classes


def test_an_unknown_class_is_noted_and_gives_nothing() -> None:
    reader = a_reader()

    assert reader.classes("市町村長又は某", place="115の項") is None
    assert [(found.kind, found.place) for found in reader.findings.all()] == [
        (Kind.CLASS_CELL, "115の項")
    ]


def test_a_list_of_defined_words_needs_no_person() -> None:
    found = a_reader().terms(
        "地方税関係情報又は住民票関係情報であって第百十七条で定めるもの", place="n"
    )

    assert found == (("local-tax", "resident-record"), False)


def test_a_list_with_one_tail_for_all_is_read_by_hand() -> None:
    cell = (
        "予防接種法又は新型インフルエンザ等対策特別措置法による予防接種の実施に関する情報"
        "であって次条で定めるもの"
    )

    assert a_reader().terms(cell, place="n") == (("vaccination", "influenza-vaccination"), True)


def test_a_list_nobody_reviewed_is_noted_and_gives_nothing() -> None:
    reader = a_reader()

    assert reader.terms("甲若しくは乙の支給に関する情報であって次条で定めるもの", place="n") is None
    assert reader.findings.all()[0].kind == Kind.INFORMATION_CELL


def test_the_closing_reference_is_no_part_of_the_information() -> None:
    assert bare_information("戸籍関係情報であって第百六十二条の二で定めるもの") == "戸籍関係情報"


def test_the_words_a_cell_defines_are_found() -> None:
    cell = (
        "事項（以下「住民票関係情報」という。）又は"
        "情報（以下この条において「地方税関係情報」という。）"
    )

    assert defined_words(cell) == ("住民票関係情報", "地方税関係情報")
