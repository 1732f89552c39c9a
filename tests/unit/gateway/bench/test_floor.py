"""The floor: each part counted as often as its party needs it."""

import pytest

from gateway.bench.floor import (
    CORE,
    INQUIRER,
    PARTIES,
    PROVIDER,
    Often,
    Part,
    make_parts,
    measure_floor,
)


def test_what_a_message_shares_is_divided_by_its_items() -> None:
    part = Part(name="sign", work=int, messages=Often(inquirer=2, core=3, provider=1))

    assert part.us_an_exchange(600.0, 1, PARTIES) == 3600.0
    assert part.us_an_exchange(600.0, 60, PARTIES) == pytest.approx(60.0)


def test_what_every_item_needs_is_not() -> None:
    part = Part(name="hash", work=int, items=Often(inquirer=4, core=6, provider=2))

    assert part.us_an_exchange(2.0, 1, PARTIES) == part.us_an_exchange(2.0, 60, PARTIES) == 24.0


def test_one_partys_floor_is_a_part_of_all() -> None:
    parts = make_parts(8)

    each = [sum(part.us_an_exchange(1.0, 8, [party]) for part in parts) for party in PARTIES]
    together = sum(part.us_an_exchange(1.0, 8, PARTIES) for part in parts)

    assert sum(each) == pytest.approx(together)
    assert min(each) > 0


@pytest.mark.parametrize("party", [INQUIRER, CORE, PROVIDER])
def test_every_part_runs_and_takes_time(party: str) -> None:
    floor = measure_floor(batch=2, seconds=0.0, parties=[party])

    assert floor.ms > 0
    assert min(floor.parts_us.values()) > 0
    assert len(floor.rounds_ms) >= 3
