"""An answer that comes when nobody waits any more is evidence all the same (法23, PROTOCOL §3)."""

from collections.abc import Awaitable, Callable

import pytest

from gateway.demo import cast
from gateway.domain.hold import HoldState
from gateway.domain.inquiry import InquiryState
from gateway.flows.delivery_drafts import KIND as DELIVERY
from gateway.flows.outcomes import KIND as OUTCOME
from gateway.flows.record_types import Draft, EffectRefusedError
from gateway.storage import holds
from gateway.storage.inquiries import InquiryAnsweredLate
from tests.e2e.resilience.road import Fate, Road, road
from tests.e2e.resilience.scene import (
    PERMITS,
    PROVISIONS,
    Scene,
    outbox_job,
    told,
    until,
    waiting_rows,
)
from tests.e2e.test_exchange import REGISTRATION, an_order

GiveUp = Callable[[Scene, str], Awaitable[None]]


async def withdraw(scene: Scene, inquiry_id: str) -> None:
    await scene.union.flows.inquire.withdraw(inquiry_id, REGISTRATION)


async def lapse(scene: Scene, inquiry_id: str) -> None:
    async with scene.union.context.database.read() as connection:
        await connection.execute(
            "UPDATE inquiries SET state = 'lapsed', finished_at = now() WHERE inquiry_id = $1",
            inquiry_id,
        )


async def given_up(scene: Scene, inquiry_id: str, way: Road, give_up: GiveUp) -> None:
    """Give the inquiry up while its answer is on the way, and return when that is taken in."""
    receipts = await scene.total(cast.GUNMA_UNION, "receipt")
    await way.somebody_is_stopped()
    await give_up(scene, inquiry_id)
    way.open()

    async def is_recorded() -> bool:
        return await scene.total(cast.GUNMA_UNION, "receipt") > receipts

    await until(is_recorded)


async def outcomes_at_core(scene: Scene, permit_id: str | None) -> list[tuple[str, str]]:
    """Return what the core knows of an exchange when both parties have told everything."""
    for gateway in (scene.union, scene.city):
        await told(outbox_job(gateway), OUTCOME)
    async with scene.network.core_database.read() as connection:
        rows = await connection.fetch(
            "SELECT kind, outcome FROM core_outcomes WHERE permit_id = $1::uuid"
            " ORDER BY kind, outcome",
            permit_id,
        )
    return [(row["kind"], row["outcome"]) for row in rows]


@pytest.mark.parametrize(
    ("give_up", "state"),
    [(withdraw, InquiryState.WITHDRAWN), (lapse, InquiryState.LAPSED)],
    ids=["withdrawn", "lapsed"],
)
async def test_an_answer_to_an_inquiry_given_up_is_recorded_told_and_not_kept(
    scene: Scene, give_up: GiveUp, state: InquiryState
) -> None:
    async with road(scene.network, scene.union.context, to=cast.NAGAOKA) as way:
        way.next(PROVISIONS, Fate.DELAY_ANSWER)
        inquiry_id = await scene.asked()
        await given_up(scene, inquiry_id, way, give_up)
    row = (await scene.view(inquiry_id)).row

    assert (row.state, row.result_box) == (state, None)
    assert await scene.count(cast.GUNMA_UNION, row.permit_id, "receipt") == [1]
    assert await scene.count(cast.NAGAOKA, row.permit_id, "provision") == [1]
    assert await outcomes_at_core(scene, row.permit_id) == [
        ("provision", "provided"),
        ("receipt", "provided"),
    ]
    assert await waiting_rows(scene.union, OUTCOME, row.permit_id) == 0


async def test_a_delivery_finds_the_inquiry_that_was_withdrawn_before_its_answer_was_withheld(
    scene: Scene,
) -> None:
    number = await scene.person()
    await scene.flag(number)
    async with road(scene.network, scene.union.context, to=cast.NAGAOKA) as way:
        way.next(PROVISIONS, Fate.DELAY_ANSWER)
        inquiry_id = await scene.asked(order=an_order(number))
        await given_up(scene, inquiry_id, way, withdraw)
    permit_id = (await scene.view(inquiry_id)).row.permit_id
    rows = await scene.city.flows.release.page(state=HoldState.WAITING, before=None, limit=50)
    held = next(row for row in rows if row.permit_id == permit_id)
    await scene.released(held)

    await told(outbox_job(scene.city), DELIVERY)
    row = (await scene.view(inquiry_id)).row

    assert (row.state, row.result_box) == (InquiryState.WITHDRAWN, None)
    assert await scene.count(cast.GUNMA_UNION, permit_id, "receipt") == [2]
    async with scene.city.context.database.read() as connection:
        found = await holds.find(connection, [held.hold_id])
    assert found[held.hold_id].state is HoldState.DELIVERED
    assert await outcomes_at_core(scene, permit_id) == [
        ("delivery", "provided"),
        ("provision", "withheld"),
        ("receipt", "provided"),
        ("receipt", "withheld"),
    ]


@pytest.mark.parametrize("follows", [None, bytes(32)])
async def test_one_answer_follows_another_once(scene: Scene, follows: bytes | None) -> None:
    async with road(scene.network, scene.union.context, to=cast.NAGAOKA) as way:
        way.next(PROVISIONS, Fate.DELAY_ANSWER)
        inquiry_id = await scene.asked()
        await given_up(scene, inquiry_id, way, withdraw)
    before = (await scene.view(inquiry_id)).row
    effect = InquiryAnsweredLate(
        inquiry_id=inquiry_id,
        states=(InquiryState.WITHDRAWN.value,),
        answer_leaf=bytes([1]) * 32,
        follows=follows,
    )
    draft = Draft(kind="inquiry-withdrawn", members={}, private={}, effects=(effect,))

    (outcome,) = await scene.union.context.writer.append([draft], source="test")

    assert isinstance(outcome, EffectRefusedError)
    assert (await scene.view(inquiry_id)).row == before


async def test_a_refusal_of_an_inquiry_withdrawn_meanwhile_is_recorded(scene: Scene) -> None:
    stranger = await scene.people.add(organisations=(cast.GUNMA_UNION,))
    async with road(scene.network, scene.union.context, to=cast.CORE) as way:
        way.next(PERMITS, Fate.DELAY_ANSWER)
        inquiry_id = await scene.asked(order=an_order(stranger))
        await given_up(scene, inquiry_id, way, withdraw)
    row = (await scene.view(inquiry_id)).row

    assert (row.state, row.permit_id) == (InquiryState.WITHDRAWN, None)
    assert row.answer_leaf is not None
