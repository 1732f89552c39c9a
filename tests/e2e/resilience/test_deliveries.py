"""What people let go is sent until it is acknowledged, unless something forbids it meanwhile."""

from collections.abc import Awaitable, Callable

import pytest

from certs.publish import DirectoryChanges
from gateway.demo import cast
from gateway.domain.hold import HoldState
from gateway.domain.inquiry import InquiryState
from gateway.flows.delivery_drafts import KIND as DELIVERY
from gateway.flows.outcomes import KIND as OUTCOME
from gateway.flows.record_types import Draft, new_id
from gateway.flows.release import Release
from gateway.jobs.ended_keys import EndedKeys
from gateway.jobs.retention import plain_ends
from gateway.storage import holds
from gateway.storage.holds import HoldRow
from gateway.storage.switches import SwitchLifted, SwitchSet
from policies.allow_list import AllowList
from policies.facts import load_shipped
from policies.release import RefusalGround
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import (
    ALICE,
    DELIVERIES,
    ITEM,
    Scene,
    come_round,
    later,
    outbox_job,
    told,
    waiting_rows,
)
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order


async def hold(scene: Scene, row: HoldRow) -> HoldRow:
    async with scene.city.context.database.read() as connection:
        return (await holds.find(connection, [row.hold_id]))[row.hold_id]


async def is_kept(scene: Scene, row: HoldRow) -> bool:
    """Tell whether the sealed delivery is still there."""
    async with scene.city.context.database.read() as connection:
        return bool(await holds.deliveries(connection, [row.permit_id]))


async def deliver(scene: Scene) -> None:
    await told(outbox_job(scene.city), DELIVERY)


async def reasons(scene: Scene, row: HoldRow) -> list[str]:
    """Return why a delivery was stopped, once for each entry that says so."""
    async with scene.city.context.database.read() as connection:
        rows = await connection.fetch(
            "SELECT convert_from(leaf, 'UTF8')::jsonb ->> 'reason' AS reason FROM log_entries"
            " WHERE kind = 'delivery-stopped' AND permit_id = $1::uuid",
            row.permit_id,
        )
    return [found["reason"] for found in rows]


async def test_a_release_by_a_worker_that_died_is_delivered_by_another(scene: Scene) -> None:
    inquiry_id, row = await scene.held()
    async with scene.another_worker(cast.NAGAOKA) as dying:
        await scene.released(row, by=dying)
    before = await scene.view(inquiry_id)

    await deliver(scene)
    view = await scene.view(inquiry_id)

    assert before.row.state is InquiryState.WITHHELD
    assert view.row.state is InquiryState.PROVIDED
    assert view.result is not None
    assert view.result["records"][0]["items"] == {ITEM: 3500}  # type: ignore[index]
    assert (await hold(scene, row)).state is HoldState.DELIVERED


async def test_a_delivery_is_sent_until_acknowledged_and_acknowledged_again_when_that_was_lost(
    scene: Scene,
) -> None:
    inquiry_id, row = await scene.held()
    await scene.released(row)
    async with road(scene.network, scene.city.context, to=cast.GUNMA_UNION) as way:
        way.next(DELIVERIES, Fate.LOSE_MESSAGE, Fate.LOSE_ANSWER)
        await deliver(scene)
        unsent = (await scene.view(inquiry_id)).row.state
        await deliver(scene)
        arrived = (await scene.view(inquiry_id)).row.state
        unheard = (await hold(scene, row)).state
        still_waiting = await waiting_rows(scene.city, DELIVERY, row.permit_id)
        await deliver(scene)

    assert (unsent, arrived) == (InquiryState.WITHHELD, InquiryState.PROVIDED)
    assert (unheard, still_waiting) == (HoldState.RELEASED, 1)
    assert way.requests[DELIVERIES] == 3
    first, second = way.answers[DELIVERIES]
    assert first == second
    assert await scene.count(cast.GUNMA_UNION, row.permit_id, "receipt") == [2]
    assert await scene.count(cast.NAGAOKA, row.permit_id, "provision", "delivery") == [1, 1]
    assert (await hold(scene, row)).state is HoldState.DELIVERED
    assert await waiting_rows(scene.city, DELIVERY, row.permit_id) == 0
    assert not await is_kept(scene, row)


async def outcomes_at_core(scene: Scene, row: HoldRow) -> list[tuple[str, str]]:
    """Return what both parties told the core of an exchange, when they have told everything."""
    for gateway in (scene.union, scene.city):
        await told(outbox_job(gateway), OUTCOME)
    async with scene.network.core_database.read() as connection:
        found = await connection.fetch(
            "SELECT kind, outcome FROM core_outcomes WHERE permit_id = $1::uuid"
            " ORDER BY kind, outcome",
            row.permit_id,
        )
    return [(one["kind"], one["outcome"]) for one in found]


async def throw_switch(scene: Scene, _row: HoldRow) -> Callable[[], Awaitable[object]]:
    switch_id, writer = new_id(), scene.city.context.writer
    thrown = SwitchSet(switch_id=switch_id, by="information", value=TAX, reason="x", maker="m")
    lifted = SwitchLifted(switch_id=switch_id, lifted_by="m")

    def draft(effect: SwitchSet | SwitchLifted) -> Draft:
        kind = "switch-set" if isinstance(effect, SwitchSet) else "switch-lifted"
        return Draft(kind=kind, members={}, private={}, effects=(effect,), changes_gate=True)

    await writer.append([draft(thrown)], source="test")
    return lambda: writer.append([draft(lifted)], source="test")


async def flag_again(scene: Scene, row: HoldRow) -> Callable[[], Awaitable[object]]:
    await scene.flag_subject(row.subject)

    async def nothing() -> None:
        return

    return nothing


async def withdraw_assessment(scene: Scene, _row: HoldRow) -> Callable[[], Awaitable[object]]:
    bare = AllowList.build(load_shipped(), version=2)
    await scene.publish(DirectoryChanges(allow_list=bare.to_document()))

    async def restore() -> None:
        version = scene.city.context.trust.law.version + 1
        whole = cast.allow_list(version=version)
        await scene.publish(DirectoryChanges(allow_list=whole.to_document()))

    return restore


@pytest.mark.parametrize(
    ("forbid", "reason"),
    [
        (throw_switch, "stopped"),
        (flag_again, "flagged-since"),
        (withdraw_assessment, "assessment-unpublished"),
    ],
)
async def test_a_delivery_stops_when_something_forbids_it_after_its_release(
    scene: Scene,
    forbid: Callable[[Scene, HoldRow], Awaitable[Callable[[], Awaitable[object]]]],
    reason: str,
) -> None:
    inquiry_id, row = await scene.held()
    await scene.released(row)
    allow_again = await forbid(scene, row)

    await deliver(scene)
    await allow_again()
    await deliver(scene)

    assert await reasons(scene, row) == [reason]
    assert (await hold(scene, row)).state is HoldState.STOPPED
    assert not await is_kept(scene, row)
    assert await waiting_rows(scene.city, DELIVERY, row.permit_id) == 0
    assert (await scene.view(inquiry_id)).row.state is InquiryState.WITHHELD


async def test_a_delivery_after_withdrawal_is_recorded_acknowledged_and_not_kept(
    scene: Scene,
) -> None:
    inquiry_id, row = await scene.held()
    await scene.union.flows.inquire.withdraw(inquiry_id, REGISTRATION)
    await scene.released(row)

    async with road(scene.network, scene.city.context, to=cast.GUNMA_UNION) as way:
        way.next(DELIVERIES, Fate.LOSE_ANSWER)
        await deliver(scene)
        await deliver(scene)
    view = await scene.view(inquiry_id)

    first, second = way.answers[DELIVERIES]
    assert first == second
    assert (view.row.state, view.row.result_box) == (InquiryState.WITHDRAWN, None)
    assert await scene.count(cast.GUNMA_UNION, row.permit_id, "receipt", "refusal") == [2, 0]
    assert (await hold(scene, row)).state is HoldState.DELIVERED
    assert not await is_kept(scene, row)
    assert await waiting_rows(scene.city, DELIVERY, row.permit_id) == 0
    assert await outcomes_at_core(scene, row) == [
        ("delivery", "provided"),
        ("provision", "withheld"),
        ("receipt", "provided"),
        ("receipt", "withheld"),
    ]


async def lapse(scene: Scene, row: HoldRow) -> None:
    """Let the request expire in the database, and the job come round."""
    async with scene.city.context.database.read() as connection:
        await connection.execute(
            "UPDATE holds SET request_expires = now() - interval '1 s' WHERE hold_id = $1",
            row.hold_id,
        )
    await scene.city.flows.release.end_lapsed()
    await scene.city.flows.release.end_lapsed()


@pytest.mark.parametrize("is_released", [False, True])
async def test_no_hold_outlives_its_request(scene: Scene, is_released: bool) -> None:  # noqa: FBT001
    inquiry_id, row = await scene.held()
    if is_released:
        await scene.released(row)
    before = await scene.total(cast.NAGAOKA, "hold-lapsed")
    await scene.city.flows.release.end_lapsed()
    early = await scene.total(cast.NAGAOKA, "hold-lapsed")

    await lapse(scene, row)
    await deliver(scene)

    assert early == before
    assert await scene.total(cast.NAGAOKA, "hold-lapsed") == before + 1
    assert (await hold(scene, row)).state is HoldState.LAPSED
    assert not await is_kept(scene, row)
    assert await waiting_rows(scene.city, DELIVERY, row.permit_id) == 0
    assert (await scene.view(inquiry_id)).row.state is InquiryState.WITHHELD


async def test_a_refusal_that_was_delivered_lapses_no_more_and_is_swept_in_time(
    scene: Scene,
) -> None:
    inquiry_id, row = await scene.held()
    await scene.city.flows.release.refuse(row.hold_id, ALICE, RefusalGround.WRONG_PERSON)
    await deliver(scene)
    before = await scene.total(cast.NAGAOKA, "hold-lapsed")

    await lapse(scene, row)
    kept = await hold(scene, row)
    await turn(scene, days=7)
    still = await hold(scene, row)
    await turn(scene, days=8, minutes=1)

    assert (await scene.view(inquiry_id)).row.state is InquiryState.DENIED
    assert await scene.total(cast.NAGAOKA, "hold-lapsed") == before
    assert kept.state is still.state is HoldState.REFUSED
    async with scene.city.context.database.read() as connection:
        assert await holds.find(connection, [row.hold_id]) == {}


async def turn(scene: Scene, **ahead: float) -> None:
    """Let the job for terms come round so much later."""
    context, flows = later(scene.city.context, **ahead), scene.city.flows
    release = Release(context, flows.answering, flows.release._deliveries)
    keys = EndedKeys(context.database, context.vault, context.clock)
    ends = plain_ends(context.database, keys, of_core=False) | {"holds-open": release.end_lapsed}
    await come_round(context, ends)


async def test_a_hold_asked_again_is_the_same_hold(scene: Scene) -> None:
    order = an_order(await scene.person())
    inquiry_id, row = await scene.held(order=order)
    async with scene.union.context.database.read() as connection:
        await connection.execute(
            "UPDATE inquiries SET state = 'open' WHERE inquiry_id = $1", inquiry_id
        )

    view = await scene.taken_up(inquiry_id)

    assert view.row.state is InquiryState.WITHHELD
    assert await scene.count(cast.NAGAOKA, row.permit_id, "provision") == [1]
