"""Where an exchange may break off, and what is true after it (PROTOCOL §7)."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.storage.database import Connection
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from gateway.wire.codec import decode_json
from gateway.wire.network import PermitsAnswer, ProvisionsAnswer
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.resilience.presenting import (
    first_port,
    present,
    present_raw,
    said,
    sealed_bytes,
    serving,
)
from tests.e2e.resilience.road import Fate, road
from tests.e2e.resilience.scene import ITEM, PERMITS, PROVISIONS, Scene, until
from tests.integration.record_log import until_sealed_as_signed
from tests.tools.ports import HOST

WAITING_WRITERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'sekisho-writer'"
    " AND wait_event_type = 'Lock'"
)


async def kill_waiting_writer(connection: Connection) -> None:
    """Break the connection of the writer that waits for a lock, as soon as one does."""
    async with asyncio.timeout(20):
        while not await connection.fetch(WAITING_WRITERS):
            await asyncio.sleep(0.005)


async def test_core_committed_and_its_answer_was_lost(scene: Scene) -> None:
    async with road(scene.network, scene.union.context, to=cast.CORE) as way:
        way.next(PERMITS, Fate.LOSE_ANSWER)
        view = await scene.answered(await scene.asked())

    answers = [decode_json(raw, PermitsAnswer).results[0].result for raw in way.answers[PERMITS]]
    assert view.row.state is InquiryState.PROVIDED
    assert [one and one.permit_id for one in answers] == [view.row.permit_id] * 2
    assert await scene.count(cast.CORE, view.row.permit_id, "permit") == [1]


async def test_provider_died_with_its_effects_before_commit(scene: Scene) -> None:
    order = await scene.order()
    async with (
        scene.another_worker(cast.NAGAOKA) as dying,
        serving(dying) as port,
        road(scene.network, scene.union.context, to=cast.NAGAOKA) as way,
    ):
        way.url, healthy = f"https://{HOST}:{port}", way.url
        async with scene.gate_held(cast.NAGAOKA, until_waiting=0) as holder:
            inquiry_id = await scene.asked(order=order)
            await kill_waiting_writer(holder)
            await dying.context.writer.wait_lost()
        way.url = healthy
        view = await scene.answered(inquiry_id)

    assert view.row.state is InquiryState.PROVIDED
    assert way.requests[PROVISIONS] > 1
    assert await scene.count(cast.NAGAOKA, view.row.permit_id, "provision") == [1]


@asynccontextmanager
async def commits_wait_for_a_standby(postgres: EmbeddedPostgres) -> AsyncIterator[Connection]:
    """Let every commit of the cluster be durable here and wait for a standby there is not."""
    connection = await asyncpg.connect(postgres.dsn(SUPERUSER, "postgres"))

    async def set_standbys(names: str) -> None:
        await connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        await connection.execute("SELECT pg_reload_conf()")
        while await connection.fetchval("SHOW synchronous_standby_names") != names:
            await asyncio.sleep(0.005)

    await set_standbys("nobody")
    try:
        yield connection
    finally:
        await set_standbys("")
        await connection.close()


async def test_provider_does_not_know_whether_it_committed(
    scene: Scene, rogue: Rogue, postgres: EmbeddedPostgres
) -> None:
    permitted = await rogue.permitted()
    request = await rogue.provisions_request(permitted)
    async with scene.another_worker(cast.NAGAOKA) as dying, serving(dying) as port:
        slot = dying.context.writer.slot
        assert slot is not None
        # Else what is caught waiting may be the word that the last batch was signed.
        await until_sealed_as_signed(dying.context.database, slot)
        async with commits_wait_for_a_standby(postgres) as superuser:
            presented = asyncio.create_task(present_raw(rogue, request, port))
            async with asyncio.timeout(20):
                while not await superuser.fetchval(
                    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
                    " WHERE wait_event = 'SyncRep'"
                ):
                    await asyncio.sleep(0.005)
            status, problem = await presented
        again = await present(rogue, request, first_port(scene))

    assert (status, b"slot-stopped" in problem) == (503, True)
    assert said(rogue, again)[1].slot == slot  # all was there, and is answered once
    assert await scene.count(cast.NAGAOKA, permitted.permit_id, "provision") == [1]


async def test_provider_committed_and_did_not_sign(scene: Scene, rogue: Rogue) -> None:
    permitted = await rogue.permitted()
    request, pen = await rogue.provisions_request(permitted), threading.Event()
    async with scene.another_worker(cast.NAGAOKA) as slow, serving(slow) as port:
        slow.context.writer._notary.thread.submit(pen.wait)
        presented = asyncio.create_task(present(rogue, request, port))

        async def is_committed() -> bool:
            return await scene.count(cast.NAGAOKA, permitted.permit_id, "provision") == [1]

        try:
            await until(is_committed)
            is_silent = not presented.done()
            again = await present(rogue, request, first_port(scene))
        finally:
            pen.set()
        first = await presented

    assert is_silent
    assert said(rogue, again)[0] == said(rogue, first)[0]
    assert sealed_bytes(again) == sealed_bytes(first)
    assert await scene.count(cast.NAGAOKA, permitted.permit_id, "provision") == [1]


async def test_provider_committed_and_died_before_it_signed(scene: Scene, rogue: Rogue) -> None:
    permitted = await rogue.permitted()
    request, pen = await rogue.provisions_request(permitted), threading.Event()
    async with scene.another_worker(cast.NAGAOKA) as dying, serving(dying) as port:
        writer = dying.context.writer
        slot, run = writer.slot, writer._run
        assert run is not None
        writer._notary.thread.submit(pen.wait)
        presented = asyncio.create_task(present_raw(rogue, request, port))

        async def is_committed() -> bool:
            return await scene.count(cast.NAGAOKA, permitted.permit_id, "provision") == [1]

        try:
            await until(is_committed)
            is_silent = not presented.done()
            run._tenancy.connection.terminate()
            async with scene.another_worker(cast.NAGAOKA) as heir, serving(heir) as its_port:
                heirs_slot = heir.context.writer.slot
                again = await present(rogue, request, its_port)
        finally:
            pen.set()
        await asyncio.wait([presented])

    assert is_silent
    assert heirs_slot == slot
    _, public = said(rogue, again)
    assert (public.slot, public.permit_id) == (slot, permitted.permit_id)
    assert await scene.count(cast.NAGAOKA, permitted.permit_id, "provision") == [1]


async def test_provider_answered_and_its_answer_was_lost(scene: Scene) -> None:
    async with road(scene.network, scene.union.context, to=cast.NAGAOKA) as way:
        way.next(PROVISIONS, Fate.LOSE_ANSWER)
        view = await scene.answered(await scene.asked())

    assert view.row.state is InquiryState.PROVIDED
    lost, taken = (decode_json(raw, ProvisionsAnswer) for raw in way.answers[PROVISIONS])
    assert sealed_bytes(lost) == sealed_bytes(taken)
    assert await scene.count(cast.NAGAOKA, view.row.permit_id, "provision") == [1]


async def test_inquirer_opened_the_answer_and_died_before_its_receipt(scene: Scene) -> None:
    async with (
        scene.another_worker(cast.GUNMA_UNION) as dying,
        road(scene.network, dying.context, to=cast.NAGAOKA) as way,
    ):
        way.next(PROVISIONS, Fate.DELAY_ANSWER)
        inquiry_id = await scene.asked(by=dying)
        await way.somebody_is_stopped()
        async with scene.union.context.database.transaction() as holder:
            await holder.execute(
                "SELECT FROM inquiries WHERE inquiry_id = $1 FOR UPDATE", inquiry_id
            )
            way.open()
            await kill_waiting_writer(holder)
        await dying.context.writer.wait_lost()
    between = await scene.view(inquiry_id)

    async with road(scene.network, scene.union.context, to=cast.NAGAOKA) as again:
        view = await scene.taken_up(inquiry_id)

    assert between.row.state is InquiryState.OPEN
    assert view.result is not None
    assert view.result["records"][0]["items"] == {ITEM: 3500}  # type: ignore[index]
    opened, taken = (
        decode_json(one.answers[PROVISIONS][0], ProvisionsAnswer) for one in (way, again)
    )
    assert sealed_bytes(opened) == sealed_bytes(taken)
    assert await scene.count(cast.NAGAOKA, view.row.permit_id, "provision") == [1]
    assert await scene.count(cast.GUNMA_UNION, view.row.permit_id, "receipt") == [1]
