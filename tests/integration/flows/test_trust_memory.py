"""Nobody is led back: not by an older file, not by an older database, not by the core."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from certs.directory import Directory
from certs.errors import CertsError
from certs.network import keys_directory
from certs.publish import DirectoryChanges
from gateway.errors import StaleDirectoryError
from gateway.flows.trust import Trust
from gateway.flows.trust_memory import TrustMemory
from gateway.storage.database import Database
from tests.integration.core.world import WorldClock
from tests.integration.flows.trusts import UNION, opened, publish


@dataclass(kw_only=True)
class Site:
    """One gateway's folder of keys and its database; each start opens both anew."""

    network: Path
    clock: WorldClock
    database: Database

    @property
    def file(self) -> Path:
        return keys_directory(self.network, UNION) / "directory.json"

    async def start(self) -> tuple[Trust, TrustMemory]:
        trust = opened(self.network, self.clock)
        memory = TrustMemory(
            database=self.database,
            trust=trust,
            keys_dir=keys_directory(self.network, UNION),
            clock=self.clock,
        )
        await memory.recall()
        return trust, memory

    async def adopt_next(self) -> tuple[bytes, Directory]:
        """Adopt and keep the next version; return the file before it, and the version."""
        before = self.file.read_bytes()
        trust, memory = await self.start()
        following = publish(self.network, self.clock)
        assert trust.adopt(following.raw, None)
        await memory.keep(following.raw, None)
        return before, following

    async def forget_in_database(self) -> None:
        async with self.database.read() as connection:
            await connection.execute("UPDATE directory_seen SET version = 1, digest = $1", "0" * 64)


@pytest.fixture
def site(network: Path, clock: WorldClock, database: Database) -> Site:
    return Site(network=network, clock=clock, database=database)


def reason_of(trust: Trust, raw: bytes) -> str:
    with pytest.raises(CertsError) as refused:
        trust.adopt(raw, None)
    return refused.value.reason


async def test_an_older_file_beside_the_keys_lets_nothing_through_until_the_newest_is_back(
    site: Site,
) -> None:
    older, newest = await site.adopt_next()
    site.file.write_bytes(older)

    trust, _ = await site.start()

    assert trust.troubles(site.clock.now()) == ("directory-rollback",)
    with pytest.raises(StaleDirectoryError):
        trust.require_fresh(site.clock.now())
    assert trust.adopt(newest.raw, None)
    trust.require_fresh(site.clock.now())
    assert trust.troubles(site.clock.now()) == ()


async def test_a_core_that_serves_less_than_the_database_knows_is_not_followed(
    site: Site,
) -> None:
    first, between = await site.adopt_next()
    await site.adopt_next()
    site.file.write_bytes(first)

    trust, _ = await site.start()

    assert reason_of(trust, between.raw) == "rollback"
    assert trust.is_rolled_back


async def test_an_older_database_learns_from_the_file_beside_the_keys(site: Site) -> None:
    await site.adopt_next()
    await site.forget_in_database()

    trust, memory = await site.start()

    assert trust.troubles(site.clock.now()) == ()
    await site.forget_in_database()
    await memory.recall()
    async with site.database.read() as connection:
        assert await connection.fetchval("SELECT version FROM directory_seen") == (
            trust.directory.version
        )


async def test_what_the_worker_beside_this_one_has_seen_binds_this_one(site: Site) -> None:
    trust, memory = await site.start()
    between = publish(site.network, site.clock)
    await site.adopt_next()

    await memory.hear()

    assert reason_of(trust, between.raw) == "rollback"
    assert not trust.is_rolled_back  # what it has is still good until it expires


async def test_two_directories_under_one_number_are_followed_neither_way(site: Site) -> None:
    _, newest = await site.adopt_next()
    async with site.database.read() as connection:
        await connection.execute("UPDATE directory_seen SET digest = $1", "0" * 64)

    trust, _ = await site.start()

    assert trust.troubles(site.clock.now()) == ("directory-rollback",)
    assert not trust.adopt(newest.raw, None)
    assert trust.is_rolled_back
    assert trust.adopt(publish(site.network, site.clock, DirectoryChanges()).raw, None)
    assert not trust.is_rolled_back
