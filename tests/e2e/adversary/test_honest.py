"""The attackers' tools, used honestly: what they send is taken, so refusals mean something."""

from gateway.demo import cast
from tests.e2e.adversary.rogue import Rogue, adds
from tests.e2e.parties import Network


async def test_what_the_tools_send_is_answered(network: Network, union: Rogue) -> None:
    permitted = await union.permitted()

    async with adds(network, cast.NAGAOKA, provision=1, refusal=0):
        reply = await union.present(permitted)

    (result,) = reply.provisions.results
    assert result.result is not None
    assert result.result.sealed is not None
