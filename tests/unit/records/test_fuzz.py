"""A few thousand mutated inputs of every parser; `make fuzz` feeds a million, guided."""

from random import Random

import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS, Target

INPUTS = 400
FEW = {"directory": 20}


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_what_is_good_is_taken_and_nothing_else_gets_through(target: Target) -> None:
    seeds = list(target.seeds().values())
    assert [target.try_one(raw) for raw in seeds] == [True] * len(seeds)

    random = Random(target.name)
    for _ in range(FEW.get(target.name, INPUTS)):
        target.try_one(mutated(random.choice(seeds), random, seeds))
