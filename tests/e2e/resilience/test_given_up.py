"""An answer lost on its way to an inquiry that was withdrawn meanwhile is taken in soon (法23)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.app.gateway_role import Gateway
from gateway.demo import cast
from gateway.domain.hold import HoldState
from gateway.domain.inquiry import InquiryState
from gateway.flows.delivery_drafts import KIND as DELIVERY
from gateway.flows.outcomes import KIND as OUTCOME
from gateway.flows.receipts import FETCHED
from gateway.flows.reconcile_network import PATH as RECONCILIATIONS
from gateway.records.entry import ParsedEntry, parse_entry
from gateway.records.kinds import Receipt
from gateway.records.reconcile import PartyRecords, reconcile
from gateway.storage.inquiries import InquiryRow
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import PERMITS, PROVISIONS, Scene, die, outbox_job, told
from tests.e2e.resilience.test_withdrawn import outcomes_at_core, withdraw
from tests.e2e.test_exchange import an_order

UNION, NAGAOKA, CORE = cast.GUNMA_UNION, cast.NAGAOKA, cast.CORE


async def lost(
    scene: Scene, fate: Fate, *, to: str = NAGAOKA, path: str = PROVISIONS, held: bool = False
) -> str:
    """Return an inquiry withdrawn whose worker died with its message or its answer on the way."""
    number = await scene.person()
    if held:
        await scene.flag(number)
    async with (
        scene.another_worker(UNION) as dying,
        road(scene.network, dying.context, to=to) as way,
    ):
        way.next(path, fate)
        inquiry_id = await scene.asked(by=dying, order=an_order(number))
        await way.somebody_is_stopped()
        await die(dying)
    await withdraw(scene, inquiry_id)
    await scene.all_told()
    await told(outbox_job(scene.city), OUTCOME)
    return inquiry_id


async def lease_ends(scene: Scene, inquiry_id: str) -> None:
    async with scene.union.context.database.read() as connection:
        await connection.execute(
            "UPDATE inquiries SET lease_until = now() - interval '1 s' WHERE inquiry_id = $1",
            inquiry_id,
        )


async def looked_for(scene: Scene, inquiry_id: str) -> InquiryRow:
    """Let the lease of whoever carried the inquiry end, and the first worker look for answers."""
    await lease_ends(scene, inquiry_id)
    await scene.union.flows.given_up.turn()
    return (await scene.view(inquiry_id)).row


async def entries(scene: Scene, name: str, row: InquiryRow) -> list[ParsedEntry]:
    """Return what a party has on record of an inquiry and its exchange."""
    async with scene.database(name).read() as connection:
        rows = await connection.fetch(
            "SELECT leaf FROM log_entries WHERE permit_id = $1::uuid OR entry_id = $2::uuid",
            row.permit_id,
            row.entry_id,
        )
    return [parse_entry(one["leaf"]) for one in rows]


async def test_an_answer_whose_asker_died_and_was_not_waited_for_is_taken_in_soon(
    scene: Scene,
) -> None:
    inquiry_id = await lost(scene, Fate.HOLD_ANSWER)
    before = (await scene.view(inquiry_id)).row
    await scene.union.flows.given_up.turn()  # whoever carried it may be alive
    whilst = (await scene.view(inquiry_id)).row
    row = await looked_for(scene, inquiry_id)
    await looked_for(scene, inquiry_id)

    assert (before.answer_leaf, whilst.answer_leaf) == (None, None)
    assert (row.state, row.result_box) == (InquiryState.WITHDRAWN, None)
    assert await scene.count(NAGAOKA, row.permit_id, "provision") == [1]
    assert await outcomes_at_core(scene, row.permit_id) == [
        ("provision", "provided"),
        ("receipt", "provided"),
    ]
    parties = [
        PartyRecords(organisation=name, entries=await entries(scene, name, row))
        for name in (CORE, UNION, NAGAOKA)
    ]
    (receipt,) = [one.public for one in parties[1].entries if isinstance(one.public, Receipt)]
    assert (receipt.outcome, receipt.reason) == ("provided", FETCHED)
    assert reconcile(parties).differences == ()


async def test_two_workers_that_look_for_one_answer_record_it_once(scene: Scene) -> None:
    inquiry_id = await lost(scene, Fate.HOLD_ANSWER)
    async with (
        scene.another_worker(UNION) as other,
        road(scene.network, scene.union.context, to=CORE) as way,
    ):
        way.next(RECONCILIATIONS, Fate.DELAY_ANSWER)
        await lease_ends(scene, inquiry_id)
        async with turning(scene.union):
            await way.somebody_is_stopped()
            await lease_ends(scene, inquiry_id)
            await other.flows.given_up.turn()
            row = (await scene.view(inquiry_id)).row
            way.open()

    assert row.answer_leaf is not None
    assert await scene.count(UNION, row.permit_id, "receipt") == [1]


@pytest.mark.parametrize(("to", "path", "permits"), [(CORE, PERMITS, 0), (NAGAOKA, PROVISIONS, 1)])
async def test_looking_for_an_answer_causes_none(
    scene: Scene, to: str, path: str, permits: int
) -> None:
    before = [await scene.total(CORE, "permit"), await scene.total(NAGAOKA, "provision")]
    inquiry_id = await lost(scene, Fate.HOLD_MESSAGE, to=to, path=path)
    row = await looked_for(scene, inquiry_id)

    assert (row.state, row.permit_id) == (InquiryState.WITHDRAWN, None)
    assert await scene.total(CORE, "permit") == before[0] + permits
    assert await scene.total(NAGAOKA, "provision") == before[1]


async def test_a_delivery_finds_the_inquiry_whose_withheld_answer_was_lost(scene: Scene) -> None:
    inquiry_id = await lost(scene, Fate.HOLD_ANSWER, held=True)
    row = await looked_for(scene, inquiry_id)
    rows = await scene.city.flows.release.page(state=HoldState.WAITING, before=None, limit=50)
    await scene.released(next(one for one in rows if one.permit_id == row.permit_id))
    await told(outbox_job(scene.city), DELIVERY)

    assert (await scene.view(inquiry_id)).row.state is InquiryState.WITHDRAWN
    assert await outcomes_at_core(scene, row.permit_id) == [
        ("delivery", "provided"),
        ("provision", "withheld"),
        ("receipt", "provided"),
        ("receipt", "withheld"),
    ]


@asynccontextmanager
async def turning(gateway: Gateway) -> AsyncIterator[None]:
    """Let a worker look for answers until the context ends."""
    async with asyncio.TaskGroup() as group:
        group.create_task(gateway.flows.given_up.turn())
        yield
