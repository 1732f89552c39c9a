"""How many witnesses must hold another tree of ours until we are not ready."""

from pathlib import Path

import pytest

from certs.publish import DirectoryChanges
from gateway import metrics
from gateway.demo import cast
from gateway.flows.witness_state import WitnessState
from gateway.records.tree import EMPTY_ROOT
from gateway.storage.cosigned import keep_conflict
from gateway.storage.database import Database
from tests.integration.core.world import WorldClock
from tests.integration.flows.trusts import UNION, opened, publish

WITNESSES = (cast.CORE, cast.NAGAOKA, cast.IMMIGRATION)


async def a_state(
    network: Path, clock: WorldClock, database: Database, *witnesses: str
) -> WitnessState:
    """Return the union's view of these witnesses, each of which cosigned its two slots."""
    trust = opened(network, clock)
    changes = DirectoryChanges(witnesses={UNION: witnesses})
    trust.adopt(publish(network, clock, changes).raw, None)
    async with database.read() as connection:
        await connection.execute(
            "INSERT INTO log_slots (slot, origin, root, signed_size, signed_root, seal)"
            " SELECT s, 'o' || s, $1, 0, $1, $1 FROM generate_series(0, 1) AS s",
            EMPTY_ROOT,
        )
        await connection.execute(
            "INSERT INTO cosigned (slot, witness, cosigned_at)"
            " SELECT slot, w, now() FROM log_slots, unnest($1::text[]) AS w",
            list(witnesses),
        )
    state = WitnessState(trust, database, clock)
    await state.look()
    assert state.obstacles(clock.now()) == ()
    return state


@pytest.mark.parametrize(
    ("witnesses", "conflicting", "is_ready"),
    [(3, 1, True), (3, 2, False), (2, 1, False), (1, 1, False)],
)
async def test_one_witness_alarms_and_stops_us_only_where_too_few_are_left(
    network: Path,
    clock: WorldClock,
    database: Database,
    *,
    witnesses: int,
    conflicting: int,
    is_ready: bool,
) -> None:
    state = await a_state(network, clock, database, *WITNESSES[:witnesses])
    async with database.read() as connection:
        for witness in WITNESSES[:conflicting]:
            await keep_conflict(connection, 1, witness, 50)

    await state.look()

    assert state.obstacles(clock.now()) == (() if is_ready else ("witness-conflict",))
    state.require(clock.now())
    assert metrics.WITNESS_CONFLICTS._value.get() == conflicting


async def test_different_witnesses_of_different_slots_leave_enough_of_each(
    network: Path, clock: WorldClock, database: Database
) -> None:
    state = await a_state(network, clock, database, *WITNESSES)
    async with database.read() as connection:
        await keep_conflict(connection, 0, WITNESSES[0], 50)
        await keep_conflict(connection, 1, WITNESSES[1], 50)

    await state.look()

    assert state.obstacles(clock.now()) == ()
