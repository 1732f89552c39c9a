"""Gates beside the table: each closes by itself and none opens another."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace as replace_fact

from policies.allow_list import AllowList
from policies.decision import decide
from policies.gates import (
    ConsentStatement,
    Parties,
    check_gates,
    needs_consent_ground,
    stopping,
)
from policies.measures import Assessment, StopSwitch
from policies.model import Citation, Permit, Reason
from tests.unit.policies.builders import (
    TAX,
    a_question,
    all_assessed,
    an_allow_list,
    by_id,
    classes,
    some_facts,
)

LAW = an_allow_list()
NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
PARTIES = Parties(
    inquirer="union",
    inquirer_body="UB",
    provider="nagaoka",
    provider_body="NB",
    consent=ConsentStatement(ground="法令の定め"),
)


def a_permit(**changed: object) -> Permit:
    found = decide(LAW, a_question(**changed))
    assert isinstance(found, Permit)
    return found


def reason(
    permit: Permit | None = None,
    parties: Parties = PARTIES,
    *switches: StopSwitch,
    law: AllowList = LAW,
) -> Reason | None:
    found = check_gates(law, permit or a_permit(), parties, switches, NOW)
    return found.reason if found else None


def with_assessments(*assessments: Assessment) -> AllowList:
    return AllowList.build(some_facts(), version=1, assessments=assessments)


def test_open_gates_say_nothing() -> None:
    assert reason() is None


def test_a_refusal_rests_on_the_citation_of_the_permit() -> None:
    found = check_gates(with_assessments(), a_permit(), PARTIES, (), NOW)

    assert found is not None
    assert found.basis == (a_permit().citation,)


@pytest.mark.parametrize("side", ["receiving", "source"])
def test_either_file_unassessed_closes_the_gate(side: str) -> None:
    others = [found for found in all_assessed() if found.side != side]

    assert reason(law=with_assessments(*others)) is Reason.ASSESSMENT_UNPUBLISHED


@pytest.mark.parametrize(
    ("organisation", "side", "covers"),
    [("union", "receiving", "P-fee"), ("nagaoka", "source", TAX)],
)
def test_one_unpublished_file_closes_it_only_for_what_it_covers(
    organisation: str, side: str, covers: str
) -> None:
    def one(name: str) -> Assessment:
        return Assessment(
            organisation=organisation,
            file="2",
            side=side,  # type: ignore[arg-type]  # a parameter of the test
            covers=(name,),
            state="unpublished",
        )

    closed = with_assessments(*all_assessed(), one(covers))
    assert reason(law=closed) is Reason.ASSESSMENT_UNPUBLISHED
    assert reason(law=with_assessments(*all_assessed(), one("other"))) is None


def test_an_assessment_may_be_not_required_on_a_ground() -> None:
    free = [
        replace_fact(found, state="not-required", ground="x")
        for found in all_assessed()
        if found.organisation != "digital"
    ]

    assert reason(law=with_assessments(*free)) is None
    with pytest.raises(ValueError, match="ground"):
        Assessment(organisation="o", file="1", side="source", covers=("*",), state="not-required")


def test_unknown_consent_asks_for_the_ground_of_tax_information() -> None:
    assert needs_consent_ground(a_permit())
    without = replace(PARTIES, consent=ConsentStatement())
    assert reason(None, without) is Reason.CONSENT_MISSING
    blank = replace(PARTIES, consent=ConsentStatement(ground=" "))
    assert reason(None, blank) is Reason.CONSENT_MISSING


def test_required_consent_needs_its_day_and_not_one_to_come() -> None:
    meals = a_permit(procedure=by_id("P-meals"))
    assert not needs_consent_ground(meals)

    assert reason(meals) is Reason.CONSENT_MISSING
    for day, expected in (
        (date(2026, 7, 1), None),
        (date(2026, 7, 2), Reason.CONSENT_MISSING),
    ):
        given = replace(PARTIES, consent=ConsentStatement(consented_on=day))
        assert reason(meals, given) is expected


def test_consent_that_is_not_required_has_its_ground_in_the_law() -> None:
    aid = a_permit(
        procedure=Citation(row_no="42", article="44", item="1", sub_item="イ"),
        inquirer=classes("市長"),
    )
    silent = replace(PARTIES, consent=ConsentStatement())

    assert reason(aid, silent) is None
    groundless = replace(aid, consent=type(aid.consent)(state="not-required"))
    assert reason(groundless, silent) is Reason.CONSENT_MISSING


def test_other_information_needs_no_consent() -> None:
    resident = a_permit(
        information="住民票関係情報",
        procedure=Citation(row_no="115", article="117", item="6", sub_item="ハ"),
    )

    assert not needs_consent_ground(resident)
    assert reason(resident, replace(PARTIES, consent=ConsentStatement())) is None


@pytest.mark.parametrize(
    ("by", "value", "stops"),
    [
        ("all", "", True),
        ("procedure", "P-fee", True),
        ("procedure", "P-meals", False),
        ("information", TAX, True),
        ("information", "S-P-fee-ロ-市町村民税に関する情報", True),
        ("information", "T-family", False),
        ("counterparty", "nagaoka", True),
        ("counterparty", "UB", True),
        ("counterparty", "digital", False),
        ("body", "NB", True),
        ("body", "nagaoka", False),
    ],
)
def test_a_switch_stops_what_it_is_about(by: str, value: str, *, stops: bool) -> None:
    switch = StopSwitch(
        id="s",
        by=by,  # type: ignore[arg-type]  # a parameter of the test
        value=value,
        reason="r",
    )

    assert (reason(None, PARTIES, switch) is Reason.STOPPED) == stops
    networks = AllowList.build(
        some_facts(), version=1, assessments=all_assessed(), switches=(switch,)
    )
    assert (reason(law=networks) is Reason.STOPPED) == stops


def test_a_switch_binds_from_its_beginning_until_its_end() -> None:
    switch = StopSwitch(
        id="s",
        by="all",
        reason="r",
        since="2026-07-01T03:00:00.000Z",
        until="2026-07-01T04:00:00.000Z",
    )

    assert switch.is_on(NOW)
    assert not switch.is_on(NOW.replace(hour=2, minute=59))
    assert not switch.is_on(NOW.replace(hour=4))
    assert stopping(LAW, a_permit(), PARTIES, (switch,), NOW.replace(hour=4)) is None
    assert stopping(LAW, a_permit(), PARTIES, (switch,), NOW) is switch


def test_a_switch_that_says_nothing_or_too_much_is_refused() -> None:
    for changed in (
        {"by": "all", "value": "x", "reason": "r"},
        {"by": "body", "value": "", "reason": "r"},
        {"by": "all", "reason": ""},
        {"by": "all", "reason": "r", "until": "tomorrow"},
    ):
        with pytest.raises(ValueError, match=r"."):
            StopSwitch(id="s", **changed)  # type: ignore[arg-type]  # wrong on purpose


def test_the_first_closed_gate_is_the_reason() -> None:
    switch = StopSwitch(id="s", by="all", reason="r")

    assert reason(None, PARTIES, switch, law=with_assessments()) is Reason.STOPPED
