"""No fork and no false alarm in any order of things; without any one rule, a fork."""

from functools import partial

import pytest

from tests.model.explore import Explored, explore
from tests.model.slot_protocol import Rules, State, moves, wrong


def _explored(rules: Rules) -> Explored[State]:
    return explore(State(), moves=partial(moves, rules=rules), wrong=wrong)


@pytest.mark.parametrize(
    "rules",
    [
        # Strict synchronous commits alone hold against every failover, whatever else is lost.
        Rules(marks_compared=False, witness_asked=False, failovers=1, deaths=2),
        Rules(failovers=1, deaths=1),
        # A database that is set back is found out by the machine that signed.
        Rules(failovers=0, restores=1, witness_asked=False),
        Rules(failovers=1, restores=1, entries=2),
    ],
)
def test_no_order_of_things_makes_a_fork(rules: Rules) -> None:
    explored = _explored(rules)

    assert (explored.wrong, explored.trace) == (None, ())
    assert explored.states > 500


@pytest.mark.parametrize(
    "rules",
    [
        Rules(marks_compared=False, witness_asked=False, barrier_at_read=False),
        Rules(marks_compared=False, witness_asked=False, clean_commits_only=False),
        Rules(restores=1, marks_compared=False, witness_asked=False),
        # On another machine only the witness knows, and only what it was shown.
        Rules(restores=1, one_host=False),
    ],
)
def test_without_a_rule_there_is_a_fork(rules: Rules) -> None:
    explored = _explored(rules)

    assert explored.wrong == "fork"
    assert explored.trace
