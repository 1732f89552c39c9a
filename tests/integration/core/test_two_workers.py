"""Two workers of one core decide at the same time: what must be once is once."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import asyncpg
import pytest

from certs.publish import DirectoryChanges, publish_directory
from gateway.app.core_role import _LateGate
from gateway.app.floor import laid_floor
from gateway.core.permits import PermitDesk, PermitRules
from gateway.core.publication import Publication
from gateway.core.upkeep import prepare_days
from gateway.demo import cast
from gateway.storage.database import Database
from gateway.wire.network import PermitsAnswer
from tests.integration.core.answers import reason_of
from tests.integration.core.conftest import Core
from tests.integration.core.world import IMMIGRATION, NAGAOKA, UNION, AskedInquiry, Member, World

BUCKETS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One worker as far as permits go; nobody runs its tasks."""

    permits: PermitDesk
    publication: Publication


@pytest.fixture(scope="module")
async def desks(world: World) -> AsyncIterator[tuple[Desk, Desk]]:
    """Two workers over one database, each with a slot of its own; the first writes slot 0."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            worker, gate = world.worker(cast.CORE, "core"), _LateGate()
            context = await stack.enter_async_context(laid_floor(worker, load_gate=gate.load))
            gate.publication = Publication.open(
                context, keys=world.keys(cast.CORE), environment="test"
            )
            await gate.publication.turn()
            await prepare_days(context)
            rules = PermitRules(request_life=timedelta(days=1), providers_per_person_day_max=1)
            permits = PermitDesk(context, world.code_book(), rules)
            made.append(Desk(permits=permits, publication=gate.publication))
        yield made[0], made[1]


@pytest.fixture(scope="module")
async def looking(world: World, desks: tuple[Desk, Desk]) -> AsyncIterator[Core]:
    assert desks
    database = await Database.open(world.dsns[cast.CORE], connections_max=1)
    yield Core(database=database, codes=world.code_book())
    await database.close()


@pytest.fixture(scope="module")
async def asking(world: World) -> AsyncIterator[Member]:
    async with world.member(UNION) as member:
        yield member


@asynccontextmanager
async def held_until_both_wait(dsn: str) -> AsyncIterator[asyncio.Event]:
    """Hold the lock of every person's bucket; let go when two commits wait for one."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        "SELECT pg_advisory_xact_lock(5, bucket) FROM generate_series(0, $1 - 1) AS bucket",
        BUCKETS,
    )
    begun = asyncio.Event()
    watching = asyncio.create_task(_let_go(connection, transaction, begun))
    yield begun
    await watching
    await connection.close()


async def _let_go(
    connection: "asyncpg.Connection[asyncpg.Record]",
    transaction: asyncpg.transaction.Transaction,
    begun: asyncio.Event,
) -> None:
    await begun.wait()
    async with asyncio.timeout(10):
        while True:
            waiting = await connection.fetchval(
                "SELECT count(*) FROM pg_locks"
                " WHERE locktype = 'advisory' AND classid = 5 AND NOT granted"
            )
            if waiting == 2:
                break
            await asyncio.sleep(0.02)
    await transaction.rollback()


async def both(
    world: World,
    desks: tuple[Desk, Desk],
    member: Member,
    *asked: AskedInquiry,
) -> list[PermitsAnswer]:
    """Ask each desk for its inquiry, so that both decide before either commits."""
    requests = [await member.permits_request(one) for one in asked]
    async with held_until_both_wait(world.dsns[cast.CORE]) as begun, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(desk.permits.answer(UNION, request))
            for desk, request in zip(desks, requests, strict=True)
        ]
        begun.set()
    return [task.result() for task in tasks]


async def test_one_statement_at_two_workers_gets_one_permit(
    world: World, looking: Core, asking: Member, desks: tuple[Desk, Desk]
) -> None:
    person = await looking.enrol(UNION, NAGAOKA)
    asked = await asking.ask(looking.code(person, UNION))

    async with looking.adds(permit=1, refusal=0):
        answers = await both(world, desks, asking, asked, asked)

    ids = {answer.results[0].result and answer.results[0].result.permit_id for answer in answers}
    assert len(ids) == 1
    assert None not in ids


async def test_two_providers_at_two_workers_do_not_both_pass_a_limit_of_one(
    world: World, looking: Core, asking: Member, desks: tuple[Desk, Desk]
) -> None:
    person = await looking.enrol(UNION, NAGAOKA, IMMIGRATION)
    code, salt = looking.code(person, UNION), secrets.token_bytes(32)
    elsewhere = asking.inquiry(
        code,
        salt,
        provider_body=cast.IMMIGRATION_HEAD,
        procedure="XP11701070240527",
        information="出入国関係情報",
    )
    other = AskedInquiry(
        recorded=await asking.record("inquiry", elsewhere), code=code.raw, salt=salt
    )

    async with looking.adds(permit=1, refusal=1):
        answers = await both(world, desks, asking, await asking.ask(code), other)

    kinds = [answer.results[0].result and answer.results[0].result.kind for answer in answers]
    assert sorted(map(str, kinds)) == ["permit", "refusal"]
    assert reason_of(answers[kinds.index("refusal")]) == "too-many-providers"


async def test_a_worker_that_has_not_heard_of_a_new_directory_decides_again_on_it(
    world: World, looking: Core, asking: Member, desks: tuple[Desk, Desk]
) -> None:
    person = await looking.enrol(UNION, NAGAOKA)
    code = looking.code(person, UNION)
    publisher, unaware = desks
    request = await asking.permits_request(await asking.ask(code))
    await unaware.permits.answer(UNION, await asking.permits_request(await asking.ask(code)))
    publish_directory(
        world.keys(cast.CORE),
        changes=DirectoryChanges(law_day=date(2026, 6, 13)),
        now=world.clock.now(),
    )
    await publisher.publication.turn()

    async with looking.adds(permit=0, refusal=1):
        answer = await unaware.permits.answer(UNION, request)

    assert reason_of(answer) == "law-changed"
    publish_directory(
        world.keys(cast.CORE),
        changes=DirectoryChanges(law_day=cast.LAW_DAY),
        now=world.clock.now(),
    )
    await publisher.publication.turn()
