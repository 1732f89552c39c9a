"""A stricter rule never opens anything: not release rules, not switches, not assessments."""

from datetime import UTC, date, datetime

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.allow_list import AllowList
from policies.decision import decide
from policies.gates import ConsentStatement, Parties, check_gates
from policies.measures import Assessment, StopSwitch
from policies.model import Permit
from policies.release import (
    Automatic,
    Flag,
    HoldAnswer,
    Hours,
    RefusalGround,
    RefuseAnswer,
    Release,
    ReleaseRules,
    Rule,
    Situation,
    When,
    evaluate,
)
from tests.unit.policies.builders import FIRST, TAX, a_question, some_facts

names = st.sampled_from(["a", "b", "c"])
sets = st.none() | st.frozensets(names, max_size=2)
hours = st.integers(min_value=0, max_value=23)
whens = st.builds(
    When,
    flags=st.none() | st.frozensets(st.sampled_from(list(Flag)), max_size=2),
    information=sets,
    procedures=sets,
    counterparties=sets,
    hours=st.none() | st.builds(Hours, first=hours, last=hours),
    share_per_million=st.none() | st.integers(min_value=1, max_value=1_000_000),
)
holds = st.builds(
    Rule,
    id=st.uuids().map(str),
    from_=st.just(FIRST),
    to=st.none() | st.dates(min_value=FIRST, max_value=date(2027, 1, 1)),
    when=whens,
    then=st.just("hold"),
    reason=names,
    approvals=st.integers(min_value=1, max_value=2),
    deadline_hours=st.integers(min_value=1, max_value=100),
)
refusals = st.builds(
    Rule,
    id=st.uuids().map(str),
    from_=st.just(FIRST),
    when=whens,
    then=st.just("refuse"),
    reason=st.sampled_from([ground.value for ground in RefusalGround]),
)
rules = holds | refusals
situations = st.builds(
    Situation,
    day=st.dates(min_value=FIRST, max_value=date(2027, 1, 1)),
    hour=hours,
    flags=st.frozensets(st.sampled_from(list(Flag))),
    information=st.frozensets(names),
    procedure=names,
    counterparty=names,
    draw=st.integers(min_value=0, max_value=999_999),
)


def is_as_strict(one: Release, other: Release) -> bool:
    match one, other:
        case _, Automatic():
            return True
        case RefuseAnswer(), _:
            return True
        case HoldAnswer(), HoldAnswer():
            return (
                one.approvals >= other.approvals
                and one.deadline <= other.deadline
                and set(one.reasons) >= set(other.reasons)
            )
        case _:
            return False


@given(listed=st.lists(rules, max_size=4), added=rules, situation=situations)
@settings(max_examples=200)
def test_a_further_rule_is_never_less_strict(
    listed: list[Rule], added: Rule, situation: Situation
) -> None:
    before = ReleaseRules(format=1, version="v", otherwise="automatic", rules=tuple(listed))
    after = msgspec.structs.replace(before, rules=(added, *listed))

    assert is_as_strict(evaluate(after, situation), evaluate(before, situation))


@given(listed=st.lists(rules, max_size=4), situation=situations, data=st.data())
@settings(max_examples=100)
def test_the_order_of_rules_says_nothing(
    listed: list[Rule], situation: Situation, data: st.DataObject
) -> None:
    turned = data.draw(st.permutations(listed))
    one = ReleaseRules(format=1, version="v", otherwise="automatic", rules=tuple(listed))
    other = msgspec.structs.replace(one, rules=tuple(turned))

    assert evaluate(one, situation) == evaluate(other, situation)


assessments = st.builds(
    Assessment,
    organisation=st.sampled_from(["union", "nagaoka"]),
    file=names,
    side=st.sampled_from(["receiving", "source"]),
    covers=st.sampled_from([("*",), ("P-fee",), (TAX,), ("other",)]),
    state=st.sampled_from(["published", "unpublished", "not-required"]),
    ground=st.just("x"),
)
switches = st.builds(
    StopSwitch,
    id=names,
    by=st.sampled_from(["procedure", "counterparty", "body"]),
    value=st.sampled_from(["P-fee", "union", "NB", "x"]),
    reason=st.just("r"),
    until=st.sampled_from(["", "2026-07-01T00:00:00.000Z", "2026-07-02T00:00:00.000Z"]),
)
consents = st.builds(
    ConsentStatement, ground=st.sampled_from(["", "x"]), consented_on=st.none() | st.dates()
)
FACTS = some_facts()


@given(
    stated=st.lists(assessments, max_size=4),
    own=st.lists(switches, max_size=2),
    further=switches,
    consent=consents,
)
@settings(max_examples=100)
def test_a_further_switch_or_unpublished_file_never_opens_a_gate(
    stated: list[Assessment],
    own: list[StopSwitch],
    further: StopSwitch,
    consent: ConsentStatement,
) -> None:
    law = AllowList.build(FACTS, version=1, assessments=stated)
    permit = decide(law, a_question())
    assert isinstance(permit, Permit)
    parties = Parties(
        inquirer="union",
        inquirer_body="UB",
        provider="nagaoka",
        provider_body="NB",
        consent=consent,
    )
    now = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
    before = check_gates(law, permit, parties, own, now)

    unpublished = Assessment(
        organisation="union", file="9", side="receiving", covers=("*",), state="unpublished"
    )
    doubtful = AllowList.build(FACTS, version=1, assessments=[*stated, unpublished])
    assert before is None or check_gates(law, permit, parties, [*own, further], now) is not None
    assert check_gates(doubtful, permit, parties, own, now) is not None
