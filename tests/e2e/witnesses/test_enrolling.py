"""Who was never cosigned asks its witnesses soon, and again soon: they may come up with it."""

import asyncio
from collections.abc import Mapping

from gateway.demo import cast
from gateway.flows.cosigning import Cosigning
from gateway.jobs.witnesses import VISIT_S, WitnessJob
from gateway.storage.cosigned import Cosigned
from tests.e2e.parties import Network
from tests.e2e.witnesses.scene import (
    context_of,
    cosign_all,
    end_lease,
    forget_cosignatures,
    write_entry,
)

UNION = cast.GUNMA_UNION
ENOUGH = 3


class LateWitnesses(Cosigning):
    """Nobody is there before they were asked a few times."""

    visits = 0

    async def visit(self, witness: str, slots: Mapping[int, Cosigned]) -> None:
        self.visits += 1
        if self.visits > 2 * ENOUGH:
            await super().visit(witness, slots)


async def test_witnesses_that_come_later_are_asked_again_at_once(network: Network) -> None:
    union = context_of(network, UNION)
    await end_lease(union)
    await write_entry(union)
    await forget_cosignatures(union)
    late = LateWitnesses(union)
    running = asyncio.create_task(WitnessJob(union, late).run())

    try:
        async with asyncio.timeout(VISIT_S - 1):  # sooner than they are visited every day
            while union.witnesses.is_enrolling:
                await asyncio.sleep(0.05)
        visits = late.visits
        await asyncio.sleep(1)
    finally:
        running.cancel()
        await asyncio.wait([running])
        await cosign_all(union)
        await union.witnesses.look()

    assert visits > 2 * ENOUGH
    assert late.visits <= visits + 2  # and left alone as soon as there were enough
