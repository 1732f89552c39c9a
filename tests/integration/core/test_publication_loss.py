"""A core whose slot 0 was lost goes on renewing and publishing, from the next slot."""

import asyncio
from datetime import timedelta

import pytest

from certs.errors import DirectoryError
from certs.publish import DirectoryChanges, publish_directory
from gateway.app.floor import DirectoryPoll
from gateway.demo import cast
from gateway.flows.record_read import RecordReader, Search
from gateway.records.kinds import DirectoryChanged
from gateway.records.tree import EMPTY_ROOT
from gateway.storage import core_directories
from gateway.storage.slots import Loss, freeze_slot
from tests.integration.core.conftest import Core
from tests.integration.core.world import UNION, Member, World

LOSS = Loss(
    slot=0,
    size=0,
    root=EMPTY_ROOT,
    known_size=9,
    known_root=bytes(32),
    known_from="restore",
    is_prefix=True,
)


async def published(core: Core, version: int) -> None:
    """Wait until the core has published a version."""
    async with asyncio.timeout(20), core.database.read() as connection:
        while await core_directories.published_version(connection) < version:
            await asyncio.sleep(0.05)


async def test_a_core_whose_slot_0_is_frozen_renews_and_publishes_and_a_gateway_adopts(
    world: World, core: Core, union: Member
) -> None:
    trust = union.context.trust
    poll = DirectoryPoll(world.worker(UNION), union.context)
    before = trust.directory
    async with core.database.read() as connection:
        await freeze_slot(connection, LOSS)

    world.clock.ahead += timedelta(hours=13)
    await published(core, before.version + 1)
    is_renewed = await poll.look()
    change = publish_directory(
        world.keys(cast.CORE),
        changes=DirectoryChanges(withdrawn=(cast.IMMIGRATION,)),
        now=world.clock.now(),
    )
    await published(core, change.version)
    is_changed = await poll.look()
    world.clock.ahead += timedelta(hours=12)

    assert (is_renewed, is_changed) == (True, True)
    assert trust.directory.version == change.version
    with pytest.raises(DirectoryError, match="expired"):
        before.require_fresh(world.clock.now())
    trust.directory.require_fresh(world.clock.now())
    reader = RecordReader(
        database=core.database, organisation=cast.CORE, keys=world.core_key_store()
    )
    entries = await reader.search(Search(kinds=["directory-changed"]))
    slots = {
        entry.public.version: entry.stored.slot
        for entry in entries
        if isinstance(entry.public, DirectoryChanged)
    }
    assert slots == {before.version: 0, before.version + 1: 1, change.version: 1}
