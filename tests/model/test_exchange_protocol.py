"""One permit, one provision, and in the end three records that agree, in any order of things."""

from functools import partial

import pytest

from tests.model.exchange_protocol import Rules, State, is_agreed, moves, wrong
from tests.model.explore import explore, hopeless


def test_no_order_of_things_doubles_anything_or_keeps_the_records_apart() -> None:
    step = partial(moves, rules=Rules())

    explored = explore(State(), moves=step, wrong=wrong)
    ended = hopeless(State(), moves=step, is_good=is_agreed)

    assert (explored.wrong, explored.trace) == (None, ())
    assert (ended.wrong, ended.trace) == (None, ())
    assert explored.states == ended.states > 10_000


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Rules(core_knows_leaf=False), "two permits"),
        (Rules(provider_knows_id=False), "two provisions"),
    ],
)
def test_without_a_rule_something_is_done_twice(rules: Rules, expected: str) -> None:
    explored = explore(State(), moves=partial(moves, rules=rules), wrong=wrong)

    assert explored.wrong == expected


@pytest.mark.parametrize(
    "rules",
    [
        # An answer that was lost until the provider forgot it: only its statement can be had.
        Rules(reconciliation=False),
        # A delivery that overtook its provision: nobody asks for the provision again.
        Rules(delivery_after_provision=False),
        Rules(late_answers_recorded=False, reconciliation=False),
    ],
)
def test_without_a_rule_the_records_may_stay_apart_for_ever(rules: Rules) -> None:
    ended = hopeless(State(), moves=partial(moves, rules=rules), is_good=is_agreed)

    assert ended.wrong == "hopeless"
    assert ended.trace
