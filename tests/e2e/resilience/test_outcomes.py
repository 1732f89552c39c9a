"""Both parties tell the core how it came out: at once from memory, else from the outbox."""

from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.flows.outcomes import KIND as OUTCOME
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import (
    OUTCOMES,
    Scene,
    die,
    outbox_job,
    told,
    until,
    waiting_rows,
)


async def test_what_was_told_from_memory_leaves_no_row(scene: Scene) -> None:
    view = await scene.answered(await scene.asked())
    permit_id = view.row.permit_id

    async def is_told() -> bool:
        rows = [
            await waiting_rows(party, OUTCOME, permit_id) for party in (scene.union, scene.city)
        ]
        return rows == [0, 0]

    await until(is_told)

    assert view.row.state is InquiryState.PROVIDED
    assert await scene.count(cast.CORE, permit_id, "outcome") == [2]


async def test_the_row_of_a_worker_that_died_before_it_told_is_told_by_another(
    scene: Scene,
) -> None:
    async with (
        scene.another_worker(cast.GUNMA_UNION) as dying,
        road(scene.network, dying.context, to=cast.CORE) as way,
    ):
        way.next(OUTCOMES, Fate.HOLD_MESSAGE)
        inquiry_id = await scene.asked(by=dying)
        await way.somebody_is_stopped()
        await die(dying)
    permit_id = (await scene.view(inquiry_id)).row.permit_id
    job = outbox_job(scene.union)
    await job.turn(OUTCOME)  # not due yet: whoever wrote it may still tell it
    await job.settle()
    early = await waiting_rows(scene.union, OUTCOME, permit_id)

    await told(job, OUTCOME)

    assert early == 1
    assert await waiting_rows(scene.union, OUTCOME, permit_id) == 0
    async with scene.network.core_database.read() as connection:
        kinds = await connection.fetch(
            "SELECT kind FROM core_outcomes WHERE permit_id = $1::uuid ORDER BY kind", permit_id
        )
    assert [row["kind"] for row in kinds] == ["provision", "receipt"]


async def test_a_row_told_twice_is_taken_once(scene: Scene) -> None:
    await scene.all_told()
    async with road(scene.network, scene.union.context, to=cast.CORE) as way:
        way.next(OUTCOMES, Fate.LOSE_ANSWER)
        view = await scene.answered(await scene.asked())

        async def is_told() -> bool:
            return not await waiting_rows(scene.union, OUTCOME, view.row.permit_id)

        await until(is_told)

    assert way.requests[OUTCOMES] == 2
    assert way.answers[OUTCOMES][0] == way.answers[OUTCOMES][1]
    assert await scene.count(cast.CORE, view.row.permit_id, "outcome") == [2]


async def test_an_answer_whose_receipt_is_with_the_core_is_kept_no_longer(scene: Scene) -> None:
    """The provider hears of the receipt when it tells later than the inquirer did."""
    await scene.all_told()
    async with road(scene.network, scene.city.context, to=cast.CORE) as way:
        way.next(OUTCOMES, Fate.REFUSE)
        view = await scene.answered(await scene.asked())
        permit_id = view.row.permit_id

        async def inquirer_has_told() -> bool:
            is_there = await waiting_rows(scene.union, OUTCOME, permit_id)
            return not is_there and bool(way.requests[OUTCOMES])

        await until(inquirer_has_told)
    before = await sealed(scene, permit_id)

    await told(outbox_job(scene.city), OUTCOME)

    assert before is not None
    assert await sealed(scene, permit_id) is None
    assert await waiting_rows(scene.city, OUTCOME, permit_id) == 0


async def sealed(scene: Scene, permit_id: str | None) -> bytes | None:
    async with scene.city.context.database.read() as connection:
        kept: bytes | None = await connection.fetchval(
            "SELECT sealed FROM answers WHERE permit_id = $1", permit_id
        )
    return kept
