"""The law changes between inquirer and core: the inquiry is decided again and asked once more."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest

from certs.publish import DirectoryChanges
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import ITEM, PERMITS, Scene

BEFORE = date(2026, 6, 30)


@pytest.fixture
async def changed(scene: Scene) -> AsyncIterator[None]:
    """The core and the provider have a newer law day than the inquirer, who polls slowly."""
    await scene.publish(DirectoryChanges(law_day=BEFORE), cast.NAGAOKA)
    yield
    await scene.publish(DirectoryChanges(law_day=cast.LAW_DAY))


async def of_inquiry(scene: Scene, kind: str, since: int) -> list[str]:
    """Return the outcomes of a kind of the inquirer's entries after so many."""
    async with scene.union.context.database.read() as connection:
        rows = await connection.fetch(
            "SELECT outcome, convert_from(leaf, 'UTF8')::jsonb ->> 'reason' AS reason,"
            " convert_from(leaf, 'UTF8')::jsonb ->> 'law_day' AS law_day"
            " FROM log_entries WHERE kind = $1 ORDER BY time, index OFFSET $2",
            kind,
            since,
        )
    return [f"{row['outcome']} {row['reason']} {row['law_day']}" for row in rows]


@pytest.mark.usefixtures("changed")
async def test_the_answer_arrives_under_the_same_inquiry_after_one_more_entry(
    scene: Scene,
) -> None:
    inquiries = await scene.total(cast.GUNMA_UNION, "inquiry")
    receipts = await scene.total(cast.GUNMA_UNION, "receipt")

    view = await scene.answered(await scene.asked())

    assert (view.row.state, view.row.reason) == (InquiryState.PROVIDED, None)
    assert view.result is not None
    assert view.result["records"][0]["items"] == {ITEM: 3500}  # type: ignore[index]
    assert await of_inquiry(scene, "inquiry", inquiries) == [
        f"None None {cast.LAW_DAY}",
        f"None None {BEFORE}",
    ]
    assert await of_inquiry(scene, "receipt", receipts) == [
        f"refused law-changed {cast.LAW_DAY}",
        f"provided None {BEFORE}",
    ]
    assert view.row.summary["law_day"] == BEFORE.isoformat()


async def test_what_the_law_of_the_other_day_does_not_know_ends_refused(scene: Scene) -> None:
    await scene.publish(DirectoryChanges(law_day=date(2024, 5, 26)), cast.NAGAOKA)
    inquiries = await scene.total(cast.GUNMA_UNION, "inquiry")

    view = await scene.answered(await scene.asked())
    await scene.publish(DirectoryChanges(law_day=cast.LAW_DAY))

    assert (view.row.state, view.row.reason) == (InquiryState.REFUSED, "law-changed")
    assert await scene.total(cast.GUNMA_UNION, "inquiry") == inquiries + 1


@pytest.mark.usefixtures("changed")
async def test_a_gate_that_moves_while_it_is_asked_again_is_decided_under_once_more(
    scene: Scene,
) -> None:
    receipts = await scene.total(cast.GUNMA_UNION, "receipt")
    async with road(scene.network, scene.union.context, to=cast.CORE) as way:
        way.next(PERMITS, Fate.DELAY_ANSWER)
        inquiry_id = await scene.asked()
        await way.somebody_is_stopped()
        async with scene.union.context.database.read() as connection:
            await connection.execute("SELECT gate_change()")
        way.open()
        view = await scene.answered(inquiry_id)

    assert view.row.state is InquiryState.PROVIDED
    assert await of_inquiry(scene, "receipt", receipts) == [
        f"refused law-changed {cast.LAW_DAY}",
        f"provided None {BEFORE}",
    ]


@pytest.mark.usefixtures("changed")
async def test_a_worker_that_hears_of_the_change_late_does_not_end_what_another_asked_again(
    scene: Scene,
) -> None:
    async with (
        scene.another_worker(cast.GUNMA_UNION) as slow,
        road(scene.network, slow.context, to=cast.CORE) as core,
        road(scene.network, scene.union.context, to=cast.NAGAOKA) as city,
    ):
        core.next(PERMITS, Fate.DELAY_ANSWER)
        city.next("/v1/provisions", Fate.DELAY_ANSWER)
        inquiry_id = await scene.asked(by=slow)
        await core.somebody_is_stopped()
        taken_up = asyncio.create_task(scene.taken_up(inquiry_id))
        await city.somebody_is_stopped()  # asked again, permitted and provided; not yet received
        core.open()
        await slow.flows.inquire.wait(inquiry_id, 20)
        between = (await scene.view(inquiry_id)).row.state
        city.open()
        view = await taken_up

    assert between is InquiryState.OPEN
    assert view.row.state is InquiryState.PROVIDED
    assert await scene.count(cast.NAGAOKA, view.row.permit_id, "provision") == [1]
