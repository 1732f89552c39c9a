"""A token lives five minutes; what was begun with it is finished after that all the same."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.wire.codec import decode_json
from gateway.wire.network import PermitsAnswer, ProvisionsAnswer
from tests.conftest import NewDatabase
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.resilience.presenting import first_port, present, present_raw, said, sealed_bytes
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import PERMITS, PROVISIONS, Scene, die, parties_at_rest
from tests.integration.core.world import WorldClock

TOKEN_LIFE = timedelta(minutes=5)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def clock() -> WorldClock:
    """A clock that goes on only in this module, and never back."""
    return WorldClock()


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase, clock: WorldClock) -> AsyncIterator[Network]:
    async with parties_at_rest(new_database, clock) as running:
        yield running


@pytest.fixture(scope="module")
def people(network: Network) -> People:
    return People(network, network.key_stores[cast.CORE])


@pytest.mark.parametrize(("to", "path"), [(cast.CORE, PERMITS), (cast.NAGAOKA, PROVISIONS)])
async def test_an_inquiry_taken_up_after_its_token_expired_has_the_same_permit_and_answer(
    scene: Scene, to: str, path: str
) -> None:
    async with (
        scene.another_worker(cast.GUNMA_UNION) as dying,
        road(scene.network, dying.context, to=to) as before,
    ):
        before.next(path, Fate.HOLD_ANSWER)
        inquiry_id = await scene.asked(by=dying)
        await before.somebody_is_stopped()
        await die(dying)
    scene.clock.ahead += TOKEN_LIFE + SECOND

    async with road(scene.network, scene.union.context, to=to) as after:
        view = await scene.taken_up(inquiry_id)

    permit_id = view.row.permit_id
    assert view.row.state is InquiryState.PROVIDED
    assert await scene.count(cast.CORE, permit_id, "permit") == [1]
    assert await scene.count(cast.NAGAOKA, permit_id, "provision") == [1]
    first, second = before.answers[path][0], after.answers[path][0]
    if path == PERMITS:
        lost, renewed = (decode_json(raw, PermitsAnswer) for raw in (first, second))
        assert lost.results == renewed.results
        assert lost.tokens != renewed.tokens
    else:
        lost_answer, again = (decode_json(raw, ProvisionsAnswer) for raw in (first, second))
        assert sealed_bytes(lost_answer) == sealed_bytes(again)


async def test_a_known_permit_is_answered_after_its_token_expired(
    scene: Scene, rogue: Rogue
) -> None:
    request = await rogue.provisions_request(await rogue.permitted())
    first = await present(rogue, request, first_port(scene))
    scene.clock.ahead += TOKEN_LIFE + SECOND

    again = await present(rogue, request, first_port(scene))

    assert said(rogue, again)[0] == said(rogue, first)[0]
    assert sealed_bytes(again) == sealed_bytes(first)


async def test_an_unknown_permit_stays_unknown_when_its_token_has_expired(
    scene: Scene, rogue: Rogue
) -> None:
    permitted = await rogue.permitted()
    request = await rogue.provisions_request(permitted)
    scene.clock.ahead += TOKEN_LIFE + SECOND

    late = decode_json((await present_raw(rogue, request, first_port(scene)))[1], ProvisionsAnswer)
    (renewed,) = await rogue.permits([permitted.asked])
    answer = await present(rogue, await rogue.provisions_request(renewed), first_port(scene))

    assert late.results[0].problem is not None
    assert late.results[0].problem.type == "permit-expired"
    assert renewed.permit_id == permitted.permit_id
    assert said(rogue, answer)[1].outcome == "provided"
