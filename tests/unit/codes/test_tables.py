from datetime import date

import pytest

from codes import tables
from codes.errors import LapsedCodeError, TableError, UnknownCodeError

DAY = date(2026, 7, 1)
TERM = """
[[entry]]
code = "TM00000000000002"
name = "地方税関係情報"
valid_from = 2024-05-27
valid_to = 2026-06-30
provisional = false
"""
ITEM = """
[[entry]]
code = "XTK0000000000001"
name = "均等割額"
information = "TM00000000000002"
valid_from = 2024-05-27
provisional = true
"""


def texts(**changed: str) -> dict[str, str]:
    empty = dict.fromkeys(tables.TABLE_NAMES, "entry = []")
    return empty | {"information": TERM, "items": ITEM} | changed


def test_a_code_is_found_on_its_first_and_its_last_day() -> None:
    table = tables.parse_table(TERM, tables.Information)

    assert table.find("TM00000000000002", date(2024, 5, 27)).name == "地方税関係情報"
    assert table.find("TM00000000000002", date(2026, 6, 30)).name == "地方税関係情報"
    assert table.named("地方税関係情報", date(2026, 6, 30)).code == "TM00000000000002"


@pytest.mark.parametrize("day", [date(2024, 5, 26), DAY])
def test_a_code_outside_its_days_is_refused(day: date) -> None:
    table = tables.parse_table(TERM, tables.Information)

    with pytest.raises(LapsedCodeError) as lapsed:
        table.find("TM00000000000002", day)
    with pytest.raises(LapsedCodeError) as lapsed_name:
        table.named("地方税関係情報", day)

    assert lapsed.value.reason == "lapsed-code"
    assert lapsed_name.value.reason == "lapsed-name"


def test_an_unknown_code_or_name_is_refused_and_not_repeated() -> None:
    table = tables.parse_table(TERM, tables.Information)

    with pytest.raises(UnknownCodeError) as unknown:
        table.find("TM00000000000003", DAY)
    with pytest.raises(UnknownCodeError) as unknown_name:
        table.named("住民票関係情報", DAY)

    assert str(unknown.value) == "unknown-code"
    assert str(unknown_name.value) == "unknown-name"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TERM + TERM, "duplicate-code"),
        (TERM + TERM.replace("0002", "0003"), "duplicate-name"),
        (TERM.replace("TM0000", "TM000"), "code-form"),
        (TERM.replace("TM0000", "JM0000"), "code-form"),
        (TERM.replace("false", "true"), "code-form"),
        (TERM.replace('"TM', '"XTM').replace('02"', '2"'), "code-form"),
        (TERM.replace("地方税関係情報", ""), "name-length"),
        (TERM.replace("地方税関係情報", "地" * 201), "name-length"),
        (TERM.replace("2026-06-30", "2024-05-26"), "ends-before-it-begins"),
        (TERM + "colour = 'red'", "table-form"),
        (TERM.replace("provisional = false", ""), "table-form"),
        (TERM.replace("2024-05-27", '"soon"'), "table-form"),
        (TERM.replace("false", "0"), "table-form"),
        ("x = 1\n" + TERM, "table-form"),
        ("", "table-form"),
        ("entry = 1", "table-form"),
        ("[[entry", "not-toml"),
        ("#" + "x" * tables.TABLE_BYTES_MAX, "too-large"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(text: str, reason: str) -> None:
    with pytest.raises(TableError) as refused:
        tables.parse_table(text, tables.Information)

    assert refused.value.reason == reason


def test_a_name_may_pass_on_to_a_new_code_on_a_later_day() -> None:
    later = TERM.replace("0002", "0003").replace("2024-05-27", "2026-07-01")
    table = tables.parse_table(
        TERM + later.replace("valid_to = 2026-06-30\n", ""), tables.Information
    )

    assert table.named("地方税関係情報", DAY).code == "TM00000000000003"
    assert [entry.code for entry in table] == ["TM00000000000002", "TM00000000000003"]
    assert len(table) == 2
    assert "TM00000000000003" in table
    assert "TM00000000000004" not in table


def test_the_smallest_entry_holds_on_one_day_under_one_letter() -> None:
    text = TERM.replace("地方税関係情報", "税").replace("2026-06-30", "2024-05-27")
    table = tables.parse_table(text, tables.Information)

    assert table.find("TM00000000000002", date(2024, 5, 27)).name == "税"


@pytest.mark.parametrize(
    ("first", "last"),
    [("2024-01-01", "2024-05-27"), ("2026-06-30", "2027-01-01"), ("2025-01-01", "2025-01-01")],
)
def test_two_codes_of_one_name_never_share_a_day(first: str, last: str) -> None:
    other = (
        TERM.replace("0002", "0003")
        .replace("valid_from = 2024-05-27", f"valid_from = {first}")
        .replace("valid_to = 2026-06-30", f"valid_to = {last}")
    )

    for text in (TERM + other, other + TERM):
        with pytest.raises(TableError) as refused:
            tables.parse_table(text, tables.Information)
        assert refused.value.reason == "duplicate-name"


@pytest.mark.parametrize("kind", [tables.Body, tables.Affair, tables.Procedure, tables.Item])
def test_every_kind_of_table_refuses_members_it_does_not_know(kind: type[tables.Entry]) -> None:
    extra = {"Body": 'organisation = "x"', "Item": 'information = "x"'}.get(kind.__name__, "")
    known = f"""
        [[entry]]
        code = "X000000000000001"
        name = "仮"
        valid_from = 2024-05-27
        provisional = true
        {extra}
    """

    assert len(tables.parse_table(known, kind)) == 1
    with pytest.raises(TableError) as refused:
        tables.parse_table(known + 'colour = "red"', kind)
    assert refused.value.reason == "table-form"


def test_a_name_that_two_terms_share_is_ambiguous() -> None:
    second = ITEM.replace("001", "002").replace("TM00000000000002", "TM00000000000003")
    table = tables.parse_table(ITEM + second, tables.Item)

    with pytest.raises(TableError) as refused:
        table.named("均等割額", DAY)

    assert refused.value.reason == "ambiguous-name"


def test_a_body_with_a_wrong_local_government_code_is_refused() -> None:
    body = """
        [[entry]]
        code = "XB15202000000001"
        name = "長岡市長"
        organisation = "長岡市"
        local_government = "152022"
        valid_from = 2024-05-27
        provisional = true
    """

    with pytest.raises(TableError) as refused:
        tables.parse_table(body, tables.Body)

    assert refused.value.reason == "local-government"


def test_items_are_grouped_under_their_term() -> None:
    loaded = tables.CodeTables.parse(texts())

    assert [item.name for item in loaded.items_of("TM00000000000002")] == ["均等割額"]
    with pytest.raises(UnknownCodeError):
        loaded.items_of("TM00000000000009")


def test_a_term_may_have_no_items() -> None:
    assert tables.CodeTables.parse(texts(items="entry = []")).items_of("TM00000000000002") == ()


def test_an_item_of_no_term_is_refused() -> None:
    with pytest.raises(TableError) as refused:
        tables.CodeTables.parse(texts(information="entry = []"))

    assert refused.value.reason == "item-without-term"


def test_a_missing_or_strange_table_is_refused() -> None:
    with pytest.raises(TableError) as refused:
        tables.CodeTables.parse(texts(colours="entry = []"))

    assert refused.value.reason == "table-names"


@pytest.mark.parametrize(
    ("name", "organisation"),
    [
        ("長岡市長", "長岡市"),
        ("長岡市教育委員会", "長岡市"),
        ("群馬県後期高齢者医療広域連合長", "群馬県後期高齢者医療広域連合"),
        ("内閣総理大臣", "デジタル庁"),
        ("出入国在留管理庁長官", "出入国在留管理庁"),
    ],
)
def test_the_bodies_of_the_demo_are_shipped(name: str, organisation: str) -> None:
    body = tables.shipped().organisations.named(name, DAY)

    assert body.organisation == organisation


def test_values_seen_in_public_are_real_and_all_others_are_marked() -> None:
    loaded = tables.shipped()
    everything = [
        *loaded.organisations,
        *loaded.affairs,
        *loaded.procedures,
        *loaded.information,
        *loaded.items,
    ]

    real = {entry.code for entry in everything if not entry.provisional}

    assert real == {
        "1419900000002200",
        "JM01000000121000",
        "JT01010000000001",
        "JT01010000000214",
        "TM00000000000002",
        "TM00000000000089",
    }
    assert len({entry.code for entry in everything}) == len(everything)


def test_municipal_and_prefectural_tax_are_different_items() -> None:
    items = tables.items_of("TM00000000000002")
    scope = {item.name: item.scope for item in items}

    assert scope["市町村民税 所得割額"] == "市町村民税に関する情報"
    assert scope["道府県民税 所得割額"] == "道府県民税に関する情報"
    assert None not in scope.values()


def test_the_old_premium_term_has_lapsed() -> None:
    name = "高齢者の医療の確保に関する法律による保険料の徴収に関する情報"

    assert tables.information().named(name, date(2024, 5, 26)).provisional
    with pytest.raises(LapsedCodeError):
        tables.information().named(name, DAY)


def test_the_demo_terms_have_items() -> None:
    for name in (
        "地方税関係情報",
        "公的給付支給等口座登録簿関係情報",
        "住民票関係情報",
        "介護保険給付等関係情報",
        "出入国関係情報",
        "在留カード関係情報",
        "特別永住者証明書関係情報",
        "医療保険給付関係情報",
        "年金給付関係情報",
        "戸籍関係情報",
        "生活保護関係情報",
    ):
        assert tables.items_of(tables.information().named(name, DAY).code), name
