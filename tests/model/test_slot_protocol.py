"""No fork and no false alarm in any order of things; without any one rule, a fork."""

from dataclasses import replace
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
        # Whoever administers the database makes up rows, and puts back what it was ever sent.
        Rules(failovers=0, deaths=0, rewrites=1, refusals=1, witness_asked=False),
        Rules(failovers=0, deaths=1, rewrites=2, refusals=1, entries=2, witness_asked=False),
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


def test_without_a_seal_what_somebody_made_up_is_signed() -> None:
    explored = _explored(Rules(failovers=0, rewrites=1, seal_asked=False))

    assert explored.wrong == "what nobody recorded is signed"
    assert explored.trace == ("somebody makes up entry 0", "0 reads at 0 and signs")


def test_without_a_seal_a_slot_set_back_and_rewritten_is_a_fork() -> None:
    rules = Rules(failovers=0, rewrites=1, seal_asked=False)

    explored = explore(
        State(),
        moves=partial(moves, rules=rules),
        wrong=lambda state: "fork" if state.forked else None,
    )

    assert explored.wrong == "fork"
    assert "somebody makes up entry 0" in explored.trace


@pytest.mark.parametrize("left_out", ["mark_compared", "proven_alone"])
def test_a_seal_alone_does_not_keep_what_was_never_committed_from_being_signed(
    left_out: str,
) -> None:
    """What a writer sent in vain is sealed as well as what it committed in its place."""
    rules = Rules(failovers=0, rewrites=2, refusals=1, witness_asked=False)

    explored = _explored(replace(rules, **{left_out: False}))

    assert explored.wrong == "fork"
    assert any(step.startswith("somebody puts back") for step in explored.trace)
    assert any("is refused" in step for step in explored.trace)
