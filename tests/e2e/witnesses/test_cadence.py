"""How often slots are brought to their witnesses: soon while they grow, and daily."""

from datetime import timedelta
from itertools import pairwise

import pytest

from gateway.demo import cast
from gateway.flows.context import Context
from gateway.jobs.witnesses import TURN_S, WitnessJob
from tests.e2e.parties import Network
from tests.e2e.witnesses.scene import context_of, cosign_all, end_lease, own_slot, write_entry
from tests.integration.core.world import WorldClock

CITY, UNION, CORE = cast.NAGAOKA, cast.GUNMA_UNION, cast.CORE


@pytest.fixture
def core(network: Network) -> Context:
    return context_of(network, CORE)


async def test_an_unchanged_slot_is_cosigned_again_within_the_day(
    core: Context, clock: WorldClock
) -> None:
    await cosign_all(core)
    slot = 5  # nobody writes there
    count = await cosignatures(core, slot)
    await cosign_all(core)
    assert await cosignatures(core, slot) == count

    async with core.database.read() as connection:
        await connection.execute(
            "UPDATE cosigned SET cosigned_at = cosigned_at - interval '20 hours' WHERE slot = $1",
            slot,
        )
    clock.ahead += timedelta(seconds=1)  # a line's time is in whole seconds
    await cosign_all(core)

    assert await cosignatures(core, slot) == count + 2


async def test_a_growing_slot_goes_to_every_witness_at_least_every_ten_seconds(
    core: Context, clock: WorldClock
) -> None:
    await cosign_all(core)
    await end_lease(core)
    job, slot = WitnessJob(core), own_slot(core)
    begun = core.clock.now().replace(microsecond=0)
    for _ in range(int(40 / TURN_S)):
        clock.ahead += timedelta(seconds=TURN_S)
        await write_entry(core)
        await job.turn()
        await job.settle()

    for witness in (CITY, UNION):
        async with core.database.read() as connection:
            rows = await connection.fetch(
                "SELECT cosigned_at FROM cosignatures WHERE slot = $1 AND witness = $2"
                " AND cosigned_at >= $3 ORDER BY cosigned_at",
                *(slot, witness, begun),
            )
        times = [begun, *(row["cosigned_at"] for row in rows), core.clock.now()]
        assert max(after - before for before, after in pairwise(times)) <= timedelta(seconds=10)


async def cosignatures(context: Context, slot: int) -> int:
    async with context.database.read() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM cosignatures WHERE slot = $1", slot
        )
        return count
