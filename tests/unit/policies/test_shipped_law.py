"""The cases of the law that were checked against the texts, on the facts that are shipped."""

from functools import lru_cache

import pytest

from policies.allow_list import AllowList
from policies.explain import explain
from policies.facts import load_shipped

UNION = "後期高齢者医療広域連合"
ACCOUNT = "公的給付支給等口座登録簿関係情報"


@lru_cache(maxsize=1)
def law() -> AllowList:
    return AllowList.build(load_shipped(), version=1)


def ask(
    day: str, inquirer: str, provider: str, information: str, **place: str
) -> dict[str, object]:
    question = {
        "on_date": day,
        "inquirer_class": inquirer,
        "provider_class": provider,
        "information": information,
    }
    return explain(law(), question | place)


def scopes(answer: dict[str, object]) -> list[object]:
    nearest = answer["nearest"]
    assert isinstance(nearest, list)
    return [found.get("scope") for found in nearest]


def test_the_union_gets_the_municipal_tax_for_its_premiums() -> None:
    found = ask(
        "2026-07-01", UNION, "市町村長", "地方税関係情報", row="115", article="第117条第6号ロ"
    )

    assert found["decision"] == "permit"
    assert found["reason"] == "narrowed"
    assert scopes(found) == ["市町村民税に関する情報"]


def test_the_prefectures_tax_is_not_in_the_procedure() -> None:
    found = ask(
        "2026-07-01",
        UNION,
        "市町村長",
        "道府県民税に関する情報",
        row="115",
        article="第117条第6号ロ",
    )

    assert found["reason"] == "information-not-in-procedure"


def test_the_day_before_it_was_item_5_of_the_same_procedure() -> None:
    before = ask(
        "2026-06-13", UNION, "市町村長", "地方税関係情報", row="115", article="第117条第5号ロ"
    )
    after = ask(
        "2026-07-01", UNION, "市町村長", "地方税関係情報", row="115", article="第117条第6号ロ"
    )

    assert before["decision"] == "permit"
    assert procedure_of(before) == procedure_of(after)


def test_the_city_gets_the_account_for_a_refund() -> None:
    found = ask("2026-07-01", "市町村長", "内閣総理大臣", ACCOUNT, row="117", article="119")

    assert found["decision"] == "permit"


def test_the_city_gets_no_tax_for_a_refund_and_learns_what_it_gets() -> None:
    found = ask(
        "2026-07-01", "市町村長", "内閣総理大臣", "地方税関係情報", row="117", article="119"
    )

    assert found["reason"] == "information-not-in-row"
    assert scopes(found) == [ACCOUNT]


def test_the_union_no_longer_provides_the_collection_of_premiums() -> None:
    asked = "高確法による保険料の徴収に関する情報"
    found = ask("2026-07-01", "市町村長", UNION, asked, row="117", article="119")

    assert found["reason"] == "wrong-provider"
    nearest = found["nearest"]
    assert isinstance(nearest, list)
    assert nearest[-1]["note"] == "allowed until 2024-05-26 under 旧82"


def test_the_immigration_agency_provides_from_the_day_it_joined() -> None:
    place = {"procedure": joining(), "sub_item": "ロ"}
    asked = (UNION, "出入国在留管理庁長官", "出入国関係情報")

    assert ask("2026-06-13", *asked, **place)["reason"] == "not-yet-in-force"
    assert ask("2026-06-14", *asked, **place)["decision"] == "permit"


@pytest.mark.parametrize("item", ["第117条第7号ロ", "第117条第8号ロ"])
def test_whichever_number_is_cited_the_day_before_it_is_not_yet(item: str) -> None:
    asked = (UNION, "出入国在留管理庁長官", "出入国関係情報")

    assert ask("2026-06-13", *asked, row="115", article=item)["reason"] == "not-yet-in-force"


def test_article_60_without_its_paragraph_is_ambiguous() -> None:
    asked = ("国家公務員共済組合連合会", "出入国在留管理庁長官", "出入国関係情報")

    without = ask("2026-07-01", *asked, row="58", article="60", item="3")
    assert without["reason"] == "ambiguous-citation"
    named = ask("2026-07-01", *asked, row="58", article="60", paragraph="2", item="3")
    assert named["decision"] == "permit"


def test_an_aid_association_never_gets_residence_cards_under_article_60() -> None:
    for paragraph in ("1", "2", "3", "4"):
        found = ask(
            "2026-07-01",
            "国家公務員共済組合連合会",
            "出入国在留管理庁長官",
            "在留カード関係情報",
            row="58",
            article="60",
            paragraph=paragraph,
            item="3",
        )
        assert found["decision"] == "refuse"


def test_a_deleted_row_says_so() -> None:
    asked = ("都道府県知事", "法務大臣", "戸籍関係情報")
    place = {"row": "157", "article": "159", "item": "1"}

    assert ask("2025-09-30", *asked, **place)["decision"] == "permit"
    assert ask("2025-10-01", *asked, **place)["reason"] == "row-deleted"


def test_a_row_that_changed_its_owner_belongs_to_the_new_one() -> None:
    ship = ("国土交通大臣", "法務大臣", "戸籍関係情報")
    place = {"row": "55の3", "article": "第57条の3第1号"}

    assert ask("2026-06-13", *ship, **place)["decision"] == "permit"
    assert ask("2026-06-14", *ship, **place)["reason"] == "wrong-inquirer"


def test_no_day_before_the_table_is_decided() -> None:
    found = ask(
        "2024-05-26", UNION, "市町村長", "地方税関係情報", row="115", article="117", item="5"
    )

    assert found["reason"] == "no-law-for-that-day"


def procedure_of(answer: dict[str, object]) -> object:
    nearest = answer["nearest"]
    assert isinstance(nearest, list)
    return nearest[0]["procedure"]


def joining() -> str:
    found = ask(
        "2026-06-14",
        UNION,
        "出入国在留管理庁長官",
        "出入国関係情報",
        row="115",
        article="第117条第8号ロ",
    )
    return str(procedure_of(found))
