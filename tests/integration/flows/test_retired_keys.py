"""A private half that was replaced is gone when nothing can come any more that needs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from certs.errors import CertsError
from certs.own_keys import PrivateKeySet, log_key_place
from certs.publish import DirectoryChanges
from certs.retired_keys import KEPT_MIN, SEALING_KEPT_MAX
from certs.rotation import KeyKind, renew_key_set
from gateway.app.floor import laid_floor
from gateway.flows.context import Context
from gateway.jobs.retired_keys import RetiredKeysJob
from tests.conftest import Dsns
from tests.integration.core.world import World, WorldClock
from tests.integration.flows.trusts import PORTS, SECOND, UNION, publish

MINUTE = timedelta(minutes=1)


@dataclass(kw_only=True)
class Site:
    """The union, whose keys of every kind are replaced in a quarter of an hour."""

    world: World
    context: Context
    before: PrivateKeySet
    begins: datetime

    @property
    def folder(self) -> Path:
        return self.world.keys(UNION)

    @property
    def old_sealing_key(self) -> str:
        return self.before.key_set.newest_sealing.key_id

    async def turn_at(self, moment: datetime) -> None:
        """Run the job as it would be run then."""
        self.world.clock.ahead += moment - self.world.clock.now()
        await RetiredKeysJob(self.context).turn()

    async def ask(self, *, accepted_at: datetime, request_expires: datetime | None) -> None:
        async with self.context.database.read() as connection:
            await connection.execute(
                "INSERT INTO inquiries (inquiry_id, client_id, accepted_at, state, provider,"
                " summary, entry_id, key_year, details_box, lease_until, request_expires)"
                " VALUES (repeat('a', 32), 'c', $1, 'open', 'p', '{}', 'e', 2026, '', now(), $2)",
                accepted_at,
                request_expires,
            )

    async def answered(self) -> None:
        async with self.context.database.read() as connection:
            await connection.execute("UPDATE inquiries SET state = 'provided'")

    def has_sealing_key(self) -> bool:
        """Whether the old key still opens, and lies in its folder: never one without the other."""
        is_there = (self.folder / "sealing" / f"{self.old_sealing_key}.key").exists()
        try:
            self.context.trust.sealing_private(self.old_sealing_key)
        except CertsError:
            assert not is_there
            return False
        assert is_there
        return True


@pytest.fixture
def world(network: Path, clock: WorldClock, dsns: Dsns) -> World:
    return World(folder=network.parent, ports=PORTS, dsns={UNION: dsns.app}, clock=clock)


@asynccontextmanager
async def replaced(world: World) -> AsyncIterator[Site]:
    before, now = PrivateKeySet.load(world.keys(UNION)), world.clock.now()
    network = world.folder / "network"
    begins = (now + 15 * MINUTE).replace(microsecond=0)
    document = renew_key_set(
        network / "organisations" / UNION, now=now, begins=begins, kinds=frozenset(KeyKind)
    )
    directory = publish(network, world.clock, DirectoryChanges(key_sets=(document,)))
    async with laid_floor(world.worker(UNION)) as context:
        assert context.trust.adopt(directory.raw, None)
        yield Site(world=world, context=context, before=before, begins=begins)


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with replaced(world) as made:
        yield made


async def test_a_replaced_sealing_key_waits_for_every_request_that_may_name_it(site: Site) -> None:
    expires = site.begins + timedelta(days=7)
    await site.ask(accepted_at=site.begins - MINUTE, request_expires=expires)

    await site.turn_at(site.begins + KEPT_MIN + SECOND)
    assert site.has_sealing_key()
    await site.answered()
    await site.turn_at(site.begins + KEPT_MIN + 2 * SECOND)

    assert not site.has_sealing_key()
    assert PrivateKeySet.load(site.folder).key_set == site.context.trust.keys.key_set
    assert not [path for path in site.folder.rglob(".*") if path.is_file()]


async def test_a_request_that_has_expired_or_came_later_keeps_no_key(site: Site) -> None:
    expires = site.begins + timedelta(days=2)
    await site.ask(accepted_at=site.begins - MINUTE, request_expires=expires)

    await site.turn_at(expires - SECOND)
    assert site.has_sealing_key()
    await site.turn_at(expires + SECOND)

    assert not site.has_sealing_key()


async def test_no_sealing_key_outlives_its_retirement_by_thirty_days(site: Site) -> None:
    end = site.begins + SEALING_KEPT_MAX
    await site.ask(accepted_at=site.begins - MINUTE, request_expires=end + timedelta(days=1))

    await site.turn_at(end - SECOND)
    assert site.has_sealing_key()
    await site.turn_at(end + SECOND)

    assert not site.has_sealing_key()


async def test_replaced_keys_of_every_kind_go_when_nobody_follows_an_older_directory(
    site: Site,
) -> None:
    """And not a moment before; what is in force stays, and two workers do not trip."""
    old = site.before
    log, witness = next(iter(old.logs)), next(iter(old.witnesses))
    (certificate,) = old.certificates

    await site.turn_at(site.begins + KEPT_MIN - SECOND)
    assert log in site.context.trust.keys.logs
    site.world.clock.ahead += 2 * SECOND
    await asyncio.gather(*(RetiredKeysJob(site.context).turn() for _ in range(2)))

    keys = site.context.trust.keys
    assert (log in keys.logs, witness in keys.witnesses, certificate in keys.certificates) == (
        False,
        False,
        False,
    )
    assert not old.network_certificate.key.exists()
    assert keys.log.public == keys.key_set.log
    keys.network_certificate.load()


async def test_what_is_announced_or_not_published_yet_is_no_retired_key(site: Site) -> None:
    own = site.world.folder / "network" / "organisations" / UNION
    now = site.world.clock.now()
    renew_key_set(own, now=now, begins=site.begins + MINUTE)
    files = set(site.folder.rglob("*.key*"))

    await site.turn_at(site.begins - SECOND)

    assert set(site.folder.rglob("*.key*")) == files


async def test_a_key_half_destroyed_by_a_break_is_no_key_and_is_finished(site: Site) -> None:
    left = site.folder / "sealing" / f".{site.old_sealing_key}.key.gone"
    (site.folder / "sealing" / f"{site.old_sealing_key}.key").rename(left)
    place = log_key_place(site.folder, site.before.key_set.log)
    also = place.rename(place.with_name(f".{place.name}.gone"))
    assert site.before.key_set.log not in PrivateKeySet.load(site.folder).logs

    await site.turn_at(site.begins)

    assert not left.exists()
    assert not also.exists()
    assert PrivateKeySet.load(site.folder).key_set == site.context.trust.keys.key_set
