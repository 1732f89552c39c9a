"""A worker dies between two steps of an exchange; another goes on from what was recorded."""

import pytest

from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import ITEM, PERMITS, PROVISIONS, Scene, die


@pytest.mark.parametrize(
    ("to", "path", "fate"),
    [
        (cast.CORE, PERMITS, Fate.HOLD_MESSAGE),
        (cast.CORE, PERMITS, Fate.HOLD_ANSWER),
        (cast.NAGAOKA, PROVISIONS, Fate.HOLD_MESSAGE),
        (cast.NAGAOKA, PROVISIONS, Fate.HOLD_ANSWER),
    ],
)
async def test_an_inquiry_is_carried_on_from_wherever_its_worker_died(
    scene: Scene, to: str, path: str, fate: Fate
) -> None:
    async with (
        scene.another_worker(cast.GUNMA_UNION) as dying,
        road(scene.network, dying.context, to=to) as way,
    ):
        way.next(path, fate)
        inquiry_id = await scene.asked(by=dying)
        await way.somebody_is_stopped()
        await die(dying)
    between = await scene.view(inquiry_id)

    view = await scene.taken_up(inquiry_id)

    assert between.row.state is InquiryState.OPEN
    assert (view.row.state, view.row.attempts) == (InquiryState.PROVIDED, 1)
    assert view.result is not None
    assert view.result["records"][0]["items"] == {ITEM: 3500}  # type: ignore[index]
    permit_id = view.row.permit_id
    assert await scene.count(cast.CORE, permit_id, "permit") == [1]
    assert await scene.count(cast.NAGAOKA, permit_id, "provision", "refusal") == [1, 0]
    assert await scene.count(cast.GUNMA_UNION, permit_id, "receipt") == [1]


async def test_one_inquiry_that_cannot_be_read_keeps_no_other_back(scene: Scene) -> None:
    async with (
        scene.another_worker(cast.GUNMA_UNION) as dying,
        road(scene.network, dying.context, to=cast.CORE) as way,
    ):
        way.next(PERMITS, Fate.HOLD_MESSAGE, Fate.HOLD_MESSAGE)
        broken, whole = await scene.asked(by=dying), await scene.asked(by=dying)
        await way.somebody_is_stopped()
        await die(dying)
    async with scene.union.context.database.read() as connection:
        await connection.execute(
            "UPDATE inquiries SET details_box = details_box || '\\x00'::bytea,"
            " lease_until = now() - interval '1 s' WHERE inquiry_id = $1",
            broken,
        )

    view = await scene.taken_up(whole)

    assert view.row.state is InquiryState.PROVIDED
    assert (await scene.view(broken)).row.state is InquiryState.OPEN
