"""A witness whose database goes back, or is changed, signs no second tree."""

import itertools

import pytest

from gateway import metrics
from gateway.demo import cast
from gateway.flows.cosigned_memory import CosignedForgottenError
from tests.e2e.adversary.rogue import Reply, core_services
from tests.e2e.parties import Network
from tests.e2e.witnesses.scene import LiarsLog, context_of, post
from tests.integration.core.world import WorldClock

CITY, CORE = cast.NAGAOKA, cast.CORE
_slots = itertools.count(36)
"""Of the city's slots, those that no test beside this file takes."""


@pytest.fixture
def log(network: Network, clock: WorldClock) -> LiarsLog:
    signer = context_of(network, CITY).trust.keys.log
    return LiarsLog(origin=f"{cast.NETWORK}/{CITY}/log/{next(_slots)}", signer=signer, clock=clock)


async def asked(network: Network, log: LiarsLog, old: int, size: int, *, mark: str = "") -> Reply:
    return await post(network, CITY, CORE, log.request(old, size, mark=mark))


async def say(network: Network, log: LiarsLog, size: int, *, mark: str = "") -> None:
    """Make the core's database say that it cosigned this last: what an UPDATE can do."""
    async with context_of(network, CORE).database.read() as connection:
        await connection.execute(
            "UPDATE witnessed SET size = $2, root = $3, note = $4 WHERE origin = $1",
            log.origin,
            size,
            log.tree(size, mark=mark).root(),
            log.note(size, mark=mark),
        )


def told(reply: Reply) -> tuple[int, bytes]:
    return reply.status, reply.body


async def test_a_row_set_back_has_no_second_tree_signed(network: Network, log: LiarsLog) -> None:
    assert (await asked(network, log, 0, 5)).status == 200
    assert (await asked(network, log, 5, 9, mark="signed")).status == 200
    await say(network, log, 5)
    before = metrics.COSIGNED_FORGOTTEN._value.get()

    # Another tree from where the row says: a larger one, one of the same size, a smaller one.
    replies = [await asked(network, log, 5, size) for size in (12, 9, 7)]

    assert [told(reply) for reply in replies] == [(409, b"9\n")] * 3
    assert metrics.COSIGNED_FORGOTTEN._value.get() > before
    # And from the mark, what does not continue it.
    assert (await asked(network, log, 9, 12)).refusal == (422, "not-consistent", "inconsistent")
    assert (await asked(network, log, 9, 9, mark="signed")).status == 200


async def test_a_row_set_forward_has_no_second_tree_signed(network: Network, log: LiarsLog) -> None:
    assert (await asked(network, log, 0, 9, mark="signed")).status == 200
    await say(network, log, 12)

    from_the_row = await asked(network, log, 12, 20)
    from_the_mark = await asked(network, log, 9, 20)

    assert told(from_the_row) == (409, b"9\n")
    assert from_the_mark.refusal == (422, "not-consistent", "inconsistent")


async def test_a_tree_of_the_same_size_in_the_row_is_not_what_was_signed(
    network: Network, log: LiarsLog
) -> None:
    assert (await asked(network, log, 0, 9)).status == 200
    await say(network, log, 9, mark="other")

    again = await asked(network, log, 9, 9, mark="other")

    assert told(again) == (409, b"9\n")
    assert (await asked(network, log, 9, 9)).status == 200


async def test_an_older_note_is_not_shown_as_the_newest(network: Network, log: LiarsLog) -> None:
    assert (await asked(network, log, 0, 9)).status == 200
    await say(network, log, 5)
    witnessing = core_services(network).witnessing

    with pytest.raises(CosignedForgottenError):
        await witnessing.memory.note(log.origin)
