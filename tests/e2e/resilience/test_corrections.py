"""Corrections on their way and in each other's way: told until acknowledged, recorded once."""

import asyncio

import asyncpg
import pytest

from gateway.app.gateway_role import Gateway
from gateway.demo import cast
from gateway.domain.staff import Role, Staff
from gateway.errors import ConflictError, RefusedError
from gateway.flows.correct_records import CorrectRecords, MadeCorrection, NewCorrection
from gateway.flows.tell_corrections import KIND, PATH, TellCorrections
from gateway.jobs.outbox import OutboxJob
from gateway.records.corrections import CorrectionGround
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from gateway.storage.records import StoredEntry, find_by_permit
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import (
    PERMITS,
    PROVISIONS,
    Scene,
    die,
    told,
    waiting_rows,
)
from tests.e2e.resilience.test_withdrawn import withdraw

UNION, NAGAOKA, CORE = cast.GUNMA_UNION, cast.NAGAOKA, cast.CORE
OFFICER = Staff(
    staff_id="5" * 32,
    credential_id="6" * 32,
    name="sora",
    roles=frozenset({Role.SECURITY_OFFICER}),
)


def as_department(name: str) -> NewCorrection:
    return NewCorrection(members={"department": name}, ground=CorrectionGround.OWN_FINDING)


async def correct(gateway: Gateway, entry_id: str, name: str = "福祉課") -> MadeCorrection:
    flow = CorrectRecords(gateway.context)
    return await flow.correct(entry_id, as_department(name), by=OFFICER)


def job_of(gateway: Gateway) -> OutboxJob:
    context = gateway.context
    return OutboxJob(context.database, {KIND: TellCorrections(context).send_rows})


async def an_exchange(scene: Scene) -> str:
    view = await scene.answered(await scene.asked())
    assert view.row.permit_id is not None
    return view.row.permit_id


async def about(gateway: Gateway, permit_id: str, kind: str) -> list[StoredEntry]:
    async with gateway.context.database.read() as connection:
        found = await find_by_permit(connection, [permit_id])
    return [one for one in found if one.kind == kind]


@pytest.mark.parametrize("to", [CORE, UNION])
async def test_a_notice_whose_answer_was_lost_is_told_again_and_taken_once(
    scene: Scene, to: str
) -> None:
    await told(job_of(scene.city), KIND)
    permit_id = await an_exchange(scene)
    (provision,) = await about(scene.city, permit_id, "provision")
    await correct(scene.city, provision.entry_id)
    kind = "correction" if to == CORE else "correction-received"

    async with road(scene.network, scene.city.context, to=to) as way:
        way.next(PATH, Fate.LOSE_ANSWER)
        await told(job_of(scene.city), KIND)
        left = await waiting_rows(scene.city, KIND, permit_id)
        await told(job_of(scene.city), KIND)

    assert left == 1
    assert way.requests[PATH] == 2
    assert await waiting_rows(scene.city, KIND, permit_id) == 0
    assert await scene.count(to, permit_id, kind) == [1]


async def test_who_does_not_know_the_exchange_yet_is_asked_again(scene: Scene) -> None:
    await told(job_of(scene.city), KIND)  # what earlier tests left would be asked one by one
    permit_id = await an_exchange(scene)
    (provision,) = await about(scene.city, permit_id, "provision")
    await correct(scene.city, provision.entry_id)

    async with road(scene.network, scene.city.context, to=UNION) as way:
        way.next(PATH, Fate.REFUSE)
        await told(job_of(scene.city), KIND)
    left = await waiting_rows(scene.city, KIND, permit_id)
    await told(job_of(scene.city), KIND)

    assert left == 1
    assert await waiting_rows(scene.city, KIND, permit_id) == 0


async def test_a_correction_of_a_worker_that_died_is_told_by_another(scene: Scene) -> None:
    permit_id = await an_exchange(scene)
    (provision,) = await about(scene.city, permit_id, "provision")
    async with scene.another_worker(NAGAOKA) as dying:
        await correct(dying, provision.entry_id)
        await die(dying)

    await told(job_of(scene.city), KIND)

    assert await waiting_rows(scene.city, KIND, permit_id) == 0
    assert await scene.count(UNION, permit_id, "correction-received") == [1]
    assert await scene.count(CORE, permit_id, "correction") == [1]


async def test_of_two_corrections_of_the_same_state_one_is_refused(scene: Scene) -> None:
    permit_id = await an_exchange(scene)
    (provision,) = await about(scene.city, permit_id, "provision")

    async with scene.another_worker(NAGAOKA) as other:
        async with scene.gate_held(NAGAOKA, until_waiting=2):
            pair = [
                asyncio.ensure_future(correct(worker, provision.entry_id, name))
                for worker, name in ((scene.city, "福祉課"), (other, "税務課"))
            ]
        outcomes = await asyncio.gather(*pair, return_exceptions=True)

    made = [one for one in outcomes if isinstance(one, MadeCorrection)]
    assert len(made) == 1
    assert [type(one) for one in outcomes if isinstance(one, Exception)] == [ConflictError]
    assert await scene.count(NAGAOKA, permit_id, "correction") == [1]


async def test_an_inquiry_without_an_answer_yet_is_not_corrected(scene: Scene) -> None:
    async with road(scene.network, scene.union.context, to=CORE) as way:
        way.next(PERMITS, Fate.HOLD_MESSAGE)
        inquiry_id = await scene.asked()
        await way.somebody_is_stopped()
        row = (await scene.view(inquiry_id)).row

        with pytest.raises(RefusedError) as refused:
            await correct(scene.union, row.entry_id)

    assert refused.value.reason == "exchange-open"


async def test_of_an_inquiry_given_up_the_core_knows_the_permit(scene: Scene) -> None:
    async with (
        scene.another_worker(UNION) as dying,
        road(scene.network, dying.context, to=NAGAOKA) as way,
    ):
        way.next(PROVISIONS, Fate.HOLD_ANSWER)
        inquiry_id = await scene.asked(by=dying)
        await way.somebody_is_stopped()
        await die(dying)
    await withdraw(scene, inquiry_id)
    row = (await scene.view(inquiry_id)).row

    made = await correct(scene.union, row.entry_id)
    await told(job_of(scene.union), KIND)

    assert row.permit_id is None
    assert made.told == (CORE, NAGAOKA)
    async with scene.union.context.database.read() as connection:
        permit_id = await connection.fetchval(
            "SELECT permit_id FROM corrections WHERE entry_id = $1", made.entry_id
        )
    assert await scene.count(NAGAOKA, permit_id, "provision", "correction-received") == [1, 1]
    assert await scene.count(CORE, permit_id, "correction") == [1]


async def test_the_core_takes_a_correction_of_what_its_tables_have_forgotten(
    scene: Scene, postgres: EmbeddedPostgres
) -> None:
    """A record is corrected for seven years; the tables of requests live eighty days."""
    permit_id = await an_exchange(scene)
    await scene.all_told()
    (provision,) = await about(scene.city, permit_id, "provision")
    await correct(scene.city, provision.entry_id)
    dsn = scene.network.parties[CORE].worker.dsn
    owner = await asyncpg.connect(postgres.dsn(SUPERUSER, dsn.split("?")[0].rpartition("/")[2]))
    for table in ("core_outcomes", "core_inquiries"):
        await owner.execute(f"DELETE FROM {table} WHERE permit_id = $1::uuid", permit_id)
    await owner.close()

    await told(job_of(scene.city), KIND)

    assert await waiting_rows(scene.city, KIND, permit_id) == 0
    assert await scene.count(CORE, permit_id, "permit", "correction") == [1, 1]
