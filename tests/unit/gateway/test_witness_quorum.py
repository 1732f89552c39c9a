"""How many witnesses are enough."""

import pytest

from gateway.flows.witness_state import enough


@pytest.mark.parametrize(("witnesses", "needed"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_more_than_half_of_the_witnesses_are_enough(witnesses: int, needed: int) -> None:
    assert enough(witnesses) == needed
