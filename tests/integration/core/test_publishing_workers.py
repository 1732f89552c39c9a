"""Of a core's workers one publishes at a time: who holds the lowest slot that anybody holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from certs.directory import Directory
from certs.publish import DirectoryChanges, publish_directory
from gateway.app.core_role import _LateGate
from gateway.app.floor import laid_floor
from gateway.core.publication import Publication
from gateway.demo import cast
from gateway.flows.context import Context
from gateway.storage import core_directories, held_slots
from gateway.storage.database import Database
from tests.integration.core.world import World


@pytest.fixture
async def looking(world: World) -> AsyncIterator[Database]:
    """The core's database, once nobody holds a slot of it any more."""
    database = await Database.open(world.dsns[cast.CORE], connections_max=1)
    await lowest_becomes(database, None)
    yield database
    await database.close()


async def lowest_becomes(database: Database, slot: int | None) -> None:
    """Wait until this slot is the lowest that is held: a session's end takes its time."""
    async with asyncio.timeout(10), database.read() as connection:
        while await held_slots.lowest_held(connection) != slot:
            await asyncio.sleep(0.02)


async def version_in(database: Database) -> int:
    async with database.read() as connection:
        return await core_directories.published_version(connection)


def publish(world: World) -> Directory:
    """Do what `sekisho certs publish` does."""
    return publish_directory(
        world.keys(cast.CORE), changes=DirectoryChanges(), now=world.clock.now()
    )


@asynccontextmanager
async def a_worker(world: World) -> AsyncIterator[tuple[Publication, Context]]:
    """Hold a worker of the core as far as publishing goes; nobody runs its tasks."""
    gate = _LateGate()
    async with laid_floor(world.worker(cast.CORE, "core"), load_gate=gate.load) as context:
        gate.publication = Publication.open(context, keys=world.keys(cast.CORE), environment="test")
        yield gate.publication, context


async def test_the_next_worker_publishes_when_the_one_with_the_lowest_slot_is_gone(
    world: World, looking: Database
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        lower, _ = await first.enter_async_context(a_worker(world))
        higher, context = await stack.enter_async_context(a_worker(world))
        made = publish(world)

        await higher.turn()
        by_the_higher = await version_in(looking)
        await lower.turn()
        by_the_lower = await version_in(looking)
        await first.aclose()
        await lowest_becomes(looking, context.writer.slot)
        later = publish(world)
        await higher.turn()

        assert by_the_higher < made.version
        assert by_the_lower == made.version
        assert await version_in(looking) == later.version


async def test_a_slot_that_nobody_holds_any_more_keeps_nobody_from_publishing(
    world: World, looking: Database
) -> None:
    async with a_worker(world):
        pass  # the streams are there
    await lowest_becomes(looking, None)
    dead = await asyncpg.connect(world.dsns[cast.CORE])
    await dead.fetchval("SELECT pg_advisory_lock(2, 0)")
    async with a_worker(world) as (worker, context):
        made = publish(world)

        await worker.turn()
        while_held = await version_in(looking)
        await dead.close()
        await lowest_becomes(looking, context.writer.slot)
        await worker.turn()

        assert context.writer.slot == 1
        assert while_held < made.version
        assert await version_in(looking) == made.version
