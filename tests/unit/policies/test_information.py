"""What an asked information is: a term, a scope, a wording, several at once, or a very text."""

import hashlib
from dataclasses import replace
from datetime import date
from importlib import resources

import pytest
from msgspec.structs import replace as replace_fact

from codes.tables import TABLE_NAMES, CodeTables, shipped
from policies.decision import decide
from policies.information import InformationBook, items_of, plain_label
from policies.model import Citation, Permit, Phrase, Reason, Refuse, SubjectRole, TermId
from tests.unit.policies.builders import (
    DAY,
    TAX,
    a_question,
    a_scope,
    an_allow_list,
    by_id,
    classes,
    some_facts,
)

JOINED = "市町村民税又は固定資産税に関する情報"
PHRASE = Phrase(
    ja=JOINED,
    term=TermId(TAX),
    parts=("市町村民税に関する情報", "固定資産税に関する情報"),
)
AID = {
    "inquirer": classes("市長"),
    "provider": classes("市長"),
    "procedure": by_id("P-aid"),
    "information": JOINED,
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("市町村民税", "市町村民税に関する情報"),
        ("地方税関係情報であって第百十七条で定めるもの", "地方税関係情報"),
        ("地方税関係情報（以下この条において「地方税」という。）", "地方税関係情報"),
        (
            "高確法による保険料の徴収",
            "高齢者の医療の確保に関する法律による保険料の徴収に関する情報",
        ),
    ],
)
def test_two_wordings_of_one_thing_are_one_label(one: str, other: str) -> None:
    assert plain_label(one) == plain_label(other)


def test_a_label_is_never_cut_down_to_nothing() -> None:
    assert plain_label("に関する情報") == "に関する情報"
    assert plain_label("道府県民税") != plain_label("市町村民税")


def test_a_joined_wording_asks_for_all_it_joins() -> None:
    law = an_allow_list(phrases=(*some_facts().phrases, PHRASE))

    found = decide(law, a_question(**AID))
    assert isinstance(found, Permit)
    assert [scope.ja for scope in found.scopes] == [
        "市町村民税に関する情報",
        "固定資産税に関する情報",
    ]


def test_a_joined_wording_is_refused_where_one_is_missing() -> None:
    law = an_allow_list(phrases=(*some_facts().phrases, PHRASE))

    found = decide(law, a_question(information=JOINED))
    assert isinstance(found, Refuse)
    assert found.reason is Reason.INFORMATION_NOT_IN_PROCEDURE


def test_a_joined_wording_is_refused_where_one_is_not_this_persons() -> None:
    owners = tuple(
        replace_fact(scope, subject_roles=(SubjectRole.HOUSEHOLD,))
        if scope.procedure == "P-aid" and scope.ja.startswith("固定")
        else scope
        for scope in some_facts().scopes
    )
    law = an_allow_list(phrases=(*some_facts().phrases, PHRASE), scopes=owners)

    found = decide(law, a_question(**AID, subject_role="person"))
    assert isinstance(found, Refuse)
    assert found.reason is Reason.SUBJECT_ROLE_NOT_IN_PROCEDURE


def test_the_very_text_of_a_place_is_known_by_its_digest() -> None:
    text = "当該保険料を課せられる者に係る市町村民税に関する情報"
    digest = hashlib.sha256(text.encode()).hexdigest()
    scopes = tuple(
        replace_fact(scope, text_digest=digest) if scope.id.startswith("S-P-fee-ロ") else scope
        for scope in some_facts().scopes
    )

    found = decide(an_allow_list(scopes=scopes), a_question(information=text))
    assert isinstance(found, Permit)
    assert found.scope.ja == "市町村民税に関する情報"


def test_items_tied_to_a_narrower_phrase_belong_to_that_scope_only() -> None:
    municipal = items_of(a_scope("P", "", "市町村民税に関する情報", TAX), DAY, shipped())
    prefectural = items_of(a_scope("P", "", "道府県民税に関する情報", TAX), DAY, shipped())

    tied = {item.code for item in shipped().items_of(TAX) if item.scope is not None}
    assert tied & set(municipal)
    assert not set(prefectural) & {
        item.code
        for item in shipped().items_of(TAX)
        if item.scope is not None and "道府県" not in item.scope
    }


def test_a_site_may_bring_its_own_tables() -> None:
    folder = resources.files("codes") / "tables"
    texts = {name: (folder / f"{name}.toml").read_text("utf-8") for name in TABLE_NAMES}
    own = CodeTables.parse(texts | {"items": texts["items"].split("[[entry]]")[0] + ITEM})

    found = decide(an_allow_list(), a_question(), tables=own)
    assert isinstance(found, Permit)
    assert found.items == ("XTK9990000000001",)
    early = replace(
        a_question(procedure=Citation(row_no="115", article="117", item="5", sub_item="ロ")),
        on_day=date(2026, 6, 1),
    )
    before = decide(an_allow_list(), early, tables=own)
    assert isinstance(before, Permit)
    assert before.items == ()


ITEM = f"""
[[entry]]
code = "XTK9990000000001"
name = "課税年度"
information = "{TAX}"
valid_from = 2026-06-14
provisional = true
"""


def test_a_term_wins_over_a_scope_that_is_worded_the_same() -> None:
    book = InformationBook.build(some_facts())

    assert book.find("戸籍関係情報").is_whole
    assert not book.find("市町村民税").is_whole
