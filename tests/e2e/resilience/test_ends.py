"""Every kind of data has its end: inquiries lapse, results are erased, rows and keys are swept."""

import asyncio

import pytest

from gateway.app.gateway_role import Gateway
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.errors import IdempotencyMismatchError, NotFoundError
from gateway.flows.inquire import IdempotencyKey, InquiryOrder
from gateway.flows.vault import key_month
from gateway.jobs.ended_keys import EndedKeys
from gateway.jobs.inquiries import InquiryJob
from gateway.jobs.retention import plain_ends
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import PERMITS, Scene, come_round, die, later
from tests.e2e.test_exchange import REGISTRATION


async def turn(scene: Scene, **ahead: float) -> None:
    """Let the job come round so much later."""
    context = later(scene.union.context, **ahead)
    inquiries = InquiryJob(context, scene.union.flows.continuations)
    keys = EndedKeys(context.database, context.vault, context.clock)
    ends = plain_ends(context.database, keys, of_core=False) | {
        "inquiries-open": inquiries.end_lapsed,
        "results": inquiries.end_unfetched,
    }
    await come_round(context, ends)


async def end_all(scene: Scene) -> None:
    """End whatever other tests have left: first what is open, then what nobody fetched."""
    await turn(scene, days=31)
    await turn(scene, days=31)


async def stuck(scene: Scene) -> str:
    """Return an open inquiry that nobody carries."""
    async with (
        scene.another_worker(cast.GUNMA_UNION) as dying,
        road(scene.network, dying.context, to=cast.CORE) as way,
    ):
        way.next(PERMITS, Fate.HOLD_MESSAGE)
        inquiry_id = await scene.asked(by=dying)
        await way.somebody_is_stopped()
        await die(dying)
    return inquiry_id


async def keyed(order: InquiryOrder, key: str, digest: bytes = bytes(32)) -> InquiryOrder:
    return InquiryOrder(
        unified_number=order.unified_number,
        staff=order.staff,
        asked=order.asked,
        wording=order.wording,
        idempotency=IdempotencyKey(key=key, digest=digest),
    )


async def test_an_open_inquiry_lapses_after_seven_days_with_an_entry(scene: Scene) -> None:
    await end_all(scene)
    before = await scene.total(cast.GUNMA_UNION, "inquiry-lapsed")
    inquiry_id = await stuck(scene)

    await turn(scene, days=6, hours=23)
    still = (await scene.view(inquiry_id)).row.state
    await turn(scene, days=7, minutes=1)
    await turn(scene, days=7, minutes=2)

    assert still is InquiryState.OPEN
    assert (await scene.view(inquiry_id)).row.state is InquiryState.LAPSED
    assert await scene.total(cast.GUNMA_UNION, "inquiry-lapsed") == before + 1


async def test_a_withheld_inquiry_lapses_when_its_request_expires(scene: Scene) -> None:
    inquiry_id, row = await scene.held()
    left_s = (row.request_expires - scene.clock.now()).total_seconds()

    await turn(scene, seconds=left_s - 60)
    still = (await scene.view(inquiry_id)).row.state
    await turn(scene, seconds=left_s + 60)

    assert still is InquiryState.WITHHELD
    assert (await scene.view(inquiry_id)).row.state is InquiryState.LAPSED


async def test_a_result_nobody_fetched_is_erased_after_thirty_days_with_an_entry(
    scene: Scene,
) -> None:
    await end_all(scene)
    before = await scene.total(cast.GUNMA_UNION, "result-lapsed")
    inquiry_id = await scene.asked()
    await scene.answered(inquiry_id)

    await turn(scene, days=29)
    fetched = await scene.view(inquiry_id)
    await turn(scene, days=30, minutes=1)
    erased = await scene.view(inquiry_id)

    assert fetched.result is not None
    assert (erased.row.state, erased.result) == (InquiryState.PROVIDED, None)
    assert erased.row.acknowledged_at is not None
    assert await scene.total(cast.GUNMA_UNION, "result-lapsed") == before + 1


async def test_two_workers_at_once_end_an_inquiry_once(scene: Scene) -> None:
    await end_all(scene)
    before = await scene.total(cast.GUNMA_UNION, "inquiry-lapsed")
    inquiry_id = await stuck(scene)

    async with scene.another_worker(cast.GUNMA_UNION) as other, asyncio.TaskGroup() as group:
        lock = "SELECT FROM inquiries WHERE state = 'open' FOR UPDATE"
        async with scene.rows_held(cast.GUNMA_UNION, lock, until_waiting=2):
            for one in (scene.union, other):
                job = InquiryJob(later(one.context, days=8), one.flows.continuations)
                group.create_task(job.end_lapsed())

    assert (await scene.view(inquiry_id)).row.state is InquiryState.LAPSED
    assert await scene.total(cast.GUNMA_UNION, "inquiry-lapsed") == before + 1


async def test_a_result_told_to_nobody_is_fetched_by_id_acknowledged_and_erased(
    scene: Scene,
) -> None:
    """The worker that had the answer is gone; the row has it."""
    async with scene.another_worker(cast.GUNMA_UNION) as dying:
        inquiry_id = await scene.asked(by=dying)
        await dying.flows.inquire.wait(inquiry_id, 20)
    fetched = await scene.view(inquiry_id)

    await scene.union.flows.inquire.acknowledge(inquiry_id, REGISTRATION)
    await scene.union.flows.inquire.acknowledge(inquiry_id, REGISTRATION)
    erased = await scene.view(inquiry_id)
    await turn(scene, days=6)
    await scene.view(inquiry_id)
    await turn(scene, days=7, minutes=1)

    assert (fetched.result is not None, erased.result) == (True, None)
    with pytest.raises(NotFoundError):
        await scene.view(inquiry_id)


async def test_an_idempotency_key_finds_the_inquiry_of_a_worker_that_died(scene: Scene) -> None:
    order = await keyed(await scene.order(), "died")
    async with (
        scene.another_worker(cast.GUNMA_UNION) as dying,
        road(scene.network, dying.context, to=cast.CORE) as way,
    ):
        way.next(PERMITS, Fate.HOLD_MESSAGE)
        inquiry_id = await scene.asked(by=dying, order=order)
        await way.somebody_is_stopped()
        await die(dying)

    assert await scene.asked(order=order) == inquiry_id
    with pytest.raises(IdempotencyMismatchError):
        await scene.asked(order=await keyed(order, "died", bytes([1]) * 32))


async def test_an_idempotency_key_ends_after_its_days(scene: Scene) -> None:
    order = await keyed(await scene.order(), "old")
    first = await scene.asked(order=order)
    await scene.answered(first)
    async with scene.union.context.database.read() as connection:
        row = await connection.fetchrow(
            "DELETE FROM idempotency_keys WHERE idempotency_key = 'old'"
            " RETURNING *, round(extract(epoch FROM expires_at - now()) / 86400) AS days"
        )
        assert row is not None
        await connection.execute(
            "INSERT INTO idempotency_keys"
            " (client_id, idempotency_key, digest, inquiry_id, expires_at)"
            " VALUES ($1, 'old', $2, $3, now())",
            *(row[name] for name in ("client_id", "digest", "inquiry_id")),
        )

    await turn(scene)
    again = await scene.asked(order=order)
    await scene.answered(again)

    assert row["days"] == 7
    assert again != first


async def expire_key(scene: Scene, key: str) -> None:
    async with scene.union.context.database.read() as connection:
        await connection.execute(
            "UPDATE idempotency_keys SET expires_at = now() WHERE idempotency_key = $1", key
        )


async def test_an_idempotency_key_past_its_days_begins_anew_before_it_is_swept(
    scene: Scene,
) -> None:
    order = await scene.order()
    first = await scene.asked(order=await keyed(order, "expired"))
    await scene.answered(first)
    await expire_key(scene, "expired")
    other = await keyed(order, "expired", bytes([1]) * 32)

    second = await scene.asked(order=other)
    again = await scene.asked(order=other)
    await scene.answered(second)

    assert second != first
    assert again == second
    with pytest.raises(IdempotencyMismatchError):
        await scene.asked(order=await keyed(order, "expired"))


async def test_a_key_past_its_days_at_two_workers_at_once_begins_one_inquiry(scene: Scene) -> None:
    order = await keyed(await scene.order(), "expired twice")
    await scene.answered(await scene.asked(order=order))
    await expire_key(scene, "expired twice")
    before = await scene.total(cast.GUNMA_UNION, "inquiry")

    async with scene.another_worker(cast.GUNMA_UNION) as other:
        async with scene.gate_held(cast.GUNMA_UNION, until_waiting=2):
            asked = [
                asyncio.create_task(scene.asked(by=one, order=order))
                for one in (scene.union, other)
            ]
        first, second = await asyncio.gather(*asked)
        await other.flows.inquire.wait(first, 20)
    await scene.answered(first)

    assert first == second
    assert await scene.total(cast.GUNMA_UNION, "inquiry") == before + 1


async def test_a_key_used_at_two_workers_at_once_begins_one_inquiry(scene: Scene) -> None:
    order = await keyed(await scene.order(), "twice")
    before = await scene.total(cast.GUNMA_UNION, "inquiry")

    async with scene.another_worker(cast.GUNMA_UNION) as other:
        async with scene.gate_held(cast.GUNMA_UNION, until_waiting=2):
            asked = [
                asyncio.create_task(scene.asked(by=one, order=order))
                for one in (scene.union, other)
            ]
        first, second = await asyncio.gather(*asked)
        await other.flows.inquire.wait(first, 20)
    view = await scene.answered(first)

    assert first == second
    assert view.row.state is InquiryState.PROVIDED
    assert await scene.total(cast.GUNMA_UNION, "inquiry") == before + 1


async def test_what_lives_for_weeks_lies_under_the_key_of_its_month(
    scene: Scene, rogue: Rogue
) -> None:
    """So that its key can end with it: an older backup of the database reads it no longer."""
    inquiry_id, hold = await scene.held()
    permitted = await rogue.permitted()
    await scene.tell_notices()

    async def period(gateway: Gateway, query: str, *arguments: str) -> int:
        async with gateway.context.database.read() as connection:
            found: int = await connection.fetchval(query, *arguments)
        return found

    periods = [
        await period(
            scene.union, "SELECT key_year FROM inquiries WHERE inquiry_id = $1", inquiry_id
        ),
        await period(scene.city, "SELECT key_year FROM holds WHERE permit_id = $1", hold.permit_id),
        await period(
            scene.city, "SELECT key_year FROM notices WHERE permit_id = $1", permitted.permit_id
        ),
    ]

    month = key_month(scene.clock.now())
    assert periods == [month] * 3
    assert f"storage/inquiries/{month}" in scene.union.context.vault.keys.key_ids()
