"""What of an entry can be corrected, how it reads then, and which mark of 法23② stands."""

import pytest

from gateway.records.corrections import correctable, corrected, own_mark, standing, unchanged
from gateway.records.errors import RecordsError
from gateway.records.kinds import Correction, Provision, Public
from gateway.records.marks import MarkSaid, mark_said, standing_mark
from tests.unit.records import made

EXCHANGE = (
    *("inquiry", "provision", "delivery", "receipt", "refusal"),
    *("notified", "lapsed", "delivery-stopped"),
)
ASKED = {"non_disclosure": 1}
AT = "2026-07-0{}T00:00:00.000Z"


def public(kind: str, **members: object) -> Public:
    return made.an_entry(kind, members={**made.MEMBERS.get(kind, {}), **members}).public


def said(mark: int, day: int) -> MarkSaid:
    return MarkSaid(time=AT.format(day), mark=mark)


@pytest.mark.parametrize("kind", EXCHANGE)
def test_facts_that_an_entry_shows_can_be_corrected_and_nothing_else(kind: str) -> None:
    names = correctable(public(kind))

    assert {"department", "affair", "information"} <= names
    assert names.isdisjoint(
        {
            *("id", "kind", "time", "organisation", "permit_id", "inquirer", "provider", "peer"),
            *("outcome", "payload", "law_version", "law_day", "legal_basis", "reason", "of"),
            *("inquiry_leaf", "answer_leaf", "subject", "subject_p", "reply_key"),
        }
    )


@pytest.mark.parametrize("kind", ["permit", "correction", "outcome", "opened", "flag-set"])
def test_what_is_of_no_exchange_of_ours_is_not_corrected(kind: str) -> None:
    with pytest.raises(RecordsError) as refused:
        correctable(public(kind))

    assert refused.value.reason == "kind-not-correctable"


def test_each_side_has_its_own_mark_and_never_the_others() -> None:
    marks = {kind: own_mark(public(kind)) for kind in EXCHANGE}
    own_question = own_mark(public("refusal", counterparty=None))

    assert {kind for kind, mark in marks.items() if mark == "non_disclosure"} == {
        "inquiry",
        "receipt",
    }
    assert (marks["refusal"], own_question) == ("non_disclosure_provider", "non_disclosure")
    with pytest.raises(RecordsError) as refused:
        corrected(public("provision"), ASKED)
    assert (refused.value.reason, refused.value.detail) == (
        "member-not-correctable",
        "non_disclosure",
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("inquiry", "department", ""),
        ("inquiry", "department", "x" * 201),
        ("inquiry", "department", "a\nb"),
        ("inquiry", "department", 5),
        ("inquiry", "non_disclosure", 2),
        ("inquiry", "information", {"term": "T", "scope": "S"}),
        ("inquiry", "information", {"term": "T", "scope": "S", "items": ["\x07"]}),
        ("provision", "requested_at", "2026-02-30T00:00:00.000Z"),
        ("provision", "provided_at", "yesterday"),
        ("provision", "act21_2", -1),
    ],
)
def test_what_no_entry_could_say_is_no_correction(kind: str, name: str, value: object) -> None:
    with pytest.raises(RecordsError) as refused:
        corrected(public(kind), {name: value})

    assert refused.value.reason == "bad-entry"


def test_the_later_of_two_corrections_wins_and_the_rest_stays() -> None:
    entry = public("provision")

    reads = standing(entry, [{"department": "福祉課", "affair": "JM2"}, {"department": "税務課"}])

    assert isinstance(reads, Provision)
    assert (reads.department, reads.affair) == ("税務課", "JM2")
    assert reads.citation == made.TERMS["citation"]
    assert unchanged(entry, reads, ["department", "affair", "citation"]) == ("citation",)


def test_information_is_compared_by_what_it_says() -> None:
    entry = public("inquiry")

    same = corrected(entry, {"information": made.TERMS["information"]})

    assert unchanged(entry, same, ["information"]) == ("information",)


def test_a_correction_may_show_its_makers_mark() -> None:
    plain = public("correction")
    marked = public("correction", **made.MARKED)

    assert isinstance(plain, Correction)
    assert isinstance(marked, Correction)
    assert (plain.non_disclosure, marked.non_disclosure) == (None, 1)
    assert b"non_disclosure" not in made.an_entry("correction").raw


@pytest.mark.parametrize(
    ("entries", "corrections", "stands"),
    [
        ([], [], 0),
        ([(0, 1), (1, 2)], [], 1),
        ([(1, 1)], [(0, 2)], 0),  # lifted
        ([(0, 1)], [(1, 2), (0, 3)], 0),  # set, then lifted: the later one wins
        ([(0, 1)], [(0, 3), (1, 2)], 0),  # whatever their order
        ([(1, 1), (1, 3)], [(0, 2)], 1),  # an answer given later, with the mark
        ([(0, 1), (0, 3)], [(1, 2)], 1),  # an answer given later takes no mark away
        ([(0, 1)], [(0, 2), (1, 2)], 1),  # both at once: the stricter one
    ],
)
def test_the_mark_that_stands_is_the_last_said_and_the_stricter_of_two(
    entries: list[tuple[int, int]], corrections: list[tuple[int, int]], stands: int
) -> None:
    found = standing_mark([said(*one) for one in entries], [said(*one) for one in corrections])

    assert found == stands


def test_a_withheld_answer_counts_with_the_flag_it_does_not_show() -> None:
    withheld = public("provision", outcome="withheld", payload=None, non_disclosure_provider=0)
    name = "non_disclosure_provider"

    (plain,) = mark_said(withheld, {"flags": ["automatic-answer-disabled"]}, name)
    (flagged,) = mark_said(withheld, {"flags": ["record-not-disclosed"]}, name)
    (unopened,) = mark_said(withheld, None, name)

    assert (plain.mark, flagged.mark, unopened.mark) == (0, 1, 0)
    assert mark_said(public("notified"), {}, name) == ()
    assert mark_said(public("correction", **ASKED), {}, "non_disclosure") == ()
