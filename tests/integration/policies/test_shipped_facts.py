"""What must be true of the shipped facts whatever the law says."""

import json
from datetime import date, timedelta
from importlib.resources import files
from itertools import pairwise

import pytest

from policies.facts import Facts, load_facts, load_shipped, save_facts
from policies.importer.review import load_reviewed
from policies.model import Dated, Grant

PROVIDED_COMPLETELY = (
    *("14", "15", "16", "17", "42", "48", "69", "70", "71", "106", "107"),
    *("115", "116", "117", "131", "132", "144", "145", "146"),
)
CHANGES = ("2024-09-19", "2024-10-01", "2025-04-01", "2025-07-28", "2026-03-01", "2026-06-14")


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_shipped()


def test_every_row_that_must_be_complete_has_no_unsure_scope(facts: Facts) -> None:
    rows = {found.id: {c.row_no for c in found.citations} for found in facts.procedures}

    unsure = [
        scope.id
        for scope in facts.scopes
        if scope.review.state == "unsure" and rows[scope.procedure] & set(PROVIDED_COMPLETELY)
    ]

    assert unsure == []


def test_only_what_ministers_decide_elsewhere_is_unsure(facts: Facts) -> None:
    articles = {found.id: found.citations[0].article for found in facts.procedures}

    assert {articles[s.procedure] for s in facts.scopes if s.review.state == "unsure"} == {"162"}


def test_every_procedure_of_every_day_has_a_scope(facts: Facts) -> None:
    for day in (facts.data_from, *map(date.fromisoformat, CHANGES)):
        held = {scope.procedure for scope in facts.scopes if scope.holds_on(day)}

        assert {found.id for found in facts.procedures if found.holds_on(day)} <= held


def test_every_scope_lies_in_a_term_its_row_names_that_day(facts: Facts) -> None:
    for day in (facts.data_from, *map(date.fromisoformat, CHANGES)):
        rows = {
            procedure.id: next(c.row_no for c in procedure.citations if c.holds_on(day))
            for procedure in facts.procedures
            if procedure.holds_on(day)
        }
        named = {
            (grant.row_no, term)
            for grant in facts.grants
            if grant.holds_on(day)
            for term in grant.terms
        }

        lost = [
            scope.id
            for scope in facts.scopes
            if scope.holds_on(day) and (rows[scope.procedure], scope.term) not in named
        ]

        assert lost == []


def test_one_place_belongs_to_one_procedure_on_any_day(facts: Facts) -> None:
    for day in (facts.data_from, *map(date.fromisoformat, CHANGES)):
        places = [
            (c.article, c.paragraph, c.item)
            for found in facts.procedures
            for c in found.citations
            if c.holds_on(day)
        ]

        assert len(set(places)) == len(places)


def test_citations_and_scopes_stay_within_their_procedure(facts: Facts) -> None:
    lives = {found.id: (found.from_, found.to) for found in facts.procedures}

    for scope in facts.scopes:
        assert _within(scope, *lives[scope.procedure])
        assert all(_within(cited, scope.from_, scope.to) for cited in scope.citations)
    for procedure in facts.procedures:
        days = [(cited.from_, cited.to) for cited in procedure.citations]
        assert days[0][0] == procedure.from_
        assert days[-1][1] == procedure.to
        for (_, ended), (began, _) in pairwise(days):
            assert ended is not None
            assert began == ended + timedelta(days=1)


def test_a_procedure_keeps_its_id_when_its_number_moves(facts: Facts) -> None:
    (levied,) = [p for p in facts.procedures if p.id == "XP11701050240527"]

    assert [(c.item, c.from_.isoformat(), str(c.to)) for c in levied.citations] == [
        ("5", "2024-05-27", "2026-06-13"),
        ("6", "2026-06-14", "None"),
    ]


def test_a_procedure_keeps_its_id_when_it_moves_to_another_article(facts: Facts) -> None:
    (moved,) = [p for p in facts.procedures if p.id == "XP05731010260601"]

    assert [(c.row_no, c.article) for c in moved.citations] == [
        ("55の3", "57の3"),
        ("55の4", "57の4"),
    ]


def test_a_letter_that_moved_is_still_the_same_scope(facts: Facts) -> None:
    (account,) = [
        scope
        for scope in facts.scopes
        if scope.procedure == "XP04401010240527" and scope.term == "TM00000000000089"
    ]

    assert [(c.sub_item, c.from_.isoformat()) for c in account.citations] == [
        ("ケ", "2024-05-27"),
        ("コ", "2025-07-28"),
    ]


def test_a_deleted_row_gives_nothing_from_its_day(facts: Facts) -> None:
    (deleted,) = facts.deleted_rows

    assert (deleted.row_no, deleted.from_) == ("157", date(2025, 10, 1))
    assert all(not grant.holds_on(deleted.from_) for grant in _of_row(facts, "157"))


def test_a_provider_that_came_later_is_dated(facts: Facts) -> None:
    came = [
        grant.from_
        for grant in _of_row(facts, "115")
        if any(ref.class_id == "immigration-agency-head" for ref in grant.providers)
    ]

    assert came == [date(2026, 6, 14)]


def test_each_paragraph_of_article_60_limits_who_asks(facts: Facts) -> None:
    limits = {
        (c.paragraph, ref.class_id)
        for found in facts.procedures
        for c in found.citations
        if c.article == "60"
        for ref in found.inquirer_limit or ()
    }

    assert limits == {
        ("1", "health-minister"),
        ("2", "national-mutual-aid-federation"),
        ("3", "local-mutual-aid"),
        ("3", "municipal-mutual-aid-federation"),
        ("4", "private-school-corporation"),
    }


def test_open_classes_are_shipped_without_members(facts: Facts) -> None:
    open_ = [found for found in facts.classes if found.kind == "open"]

    assert len(open_) == 21
    assert all(not found.members for found in open_)


def test_membership_of_the_medical_insurers_by_elimination_is_marked_reviewed(
    facts: Facts,
) -> None:
    states = {
        scope.review.state
        for scope in facts.scopes
        if scope.ja == "医療保険被保険者等資格に関する情報"
    }

    assert states == {"reviewed"}


def test_a_reviewed_fact_says_who_when_and_why(facts: Facts) -> None:
    reviews = [scope.review for scope in facts.scopes] + [grant.review for grant in facts.grants]

    for review in reviews:
        assert review.state != "reviewed" or (review.who and review.when and review.why)


def test_the_old_table_ended_the_day_before_the_new_one_began(facts: Facts) -> None:
    assert {old.until for old in facts.superseded} == {facts.data_from - timedelta(days=1)}
    assert any(
        old.row_no == "82" and "高確法による保険料の徴収に関する情報" in old.information
        for old in facts.superseded
    )


def test_the_facts_hold_no_sentence_of_the_law() -> None:
    folder = files("policies") / "law"

    for name in ("grants", "procedures", "scopes", "terms", "classes", "superseded"):
        assert "。" not in (folder / f"{name}.json").read_text(encoding="utf-8")


def test_the_files_are_as_save_would_write_them(
    facts: Facts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("law")
    save_facts(facts, folder)

    for path in folder.iterdir():
        assert path.read_bytes() == (files("policies") / "law" / path.name).read_bytes()
    assert load_facts(folder) == facts


def test_the_sixty_most_frequent_wordings_are_in_the_reviewed_table() -> None:
    reviewed = load_reviewed()

    assert len(reviewed.phrases) + len(reviewed.compounds) >= 150
    assert reviewed.when >= date(2026, 11, 23)


def test_codes_are_sixteen_characters_and_ours_begin_with_x(facts: Facts) -> None:
    ids = [str(found.id) for found in facts.procedures] + [str(found.id) for found in facts.terms]

    assert all(len(code) == 16 for code in ids)
    assert {code for code in ids if not code.startswith("X")} == {
        "TM00000000000002",
        "TM00000000000089",
    }


def test_the_manifest_names_the_latest_text() -> None:
    manifest = json.loads((files("policies") / "law" / "manifest.json").read_bytes())

    assert manifest["version"] == "506M60004008009@2026-06-14"
    assert manifest["data_from"] == "2024-05-27"


def _of_row(facts: Facts, row_no: str) -> list[Grant]:
    return [grant for grant in facts.grants if grant.row_no == row_no]


def _within(fact: Dated, from_: date, to: date | None) -> bool:
    return fact.from_ >= from_ and (to is None or (fact.to is not None and fact.to <= to))
