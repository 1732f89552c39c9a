"""A peer whose keys do not continue those seen before: held alone, until somebody has compared."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from certs.directory import Directory
from certs.documents import read_document
from certs.publish import DirectoryChanges, publish_directory
from certs.rotation import renew_key_set
from codes.canonical import canonical_json
from gateway.app.floor import laid_floor
from gateway.app.peer_commands import peer_commands
from gateway.demo import cast
from gateway.errors import ConflictError, InvalidRequestError, NotFoundError
from gateway.flows.context import Context
from gateway.flows.trust import Trust
from gateway.flows.trust_memory import HELD_PEERS, TrustMemory
from gateway.flows.unconfirmed_peers import OtherKeySetError, UnconfirmedPeers
from tests.conftest import Dsns
from tests.integration.core.world import World, WorldClock
from tests.integration.flows.trusts import PORTS, SECOND, UNION, enrolled_anew

PEER = cast.NAGAOKA
DELAY = timedelta(hours=24)


@dataclass(kw_only=True)
class Worker:
    """One worker's trust, as it adopts what the test publishes."""

    context: Context
    memory: TrustMemory
    peers: UnconfirmedPeers

    @property
    def trust(self) -> Trust:
        return self.context.trust

    async def adopt(self, directory: Directory) -> None:
        assert self.trust.adopt(directory.raw, None)
        await self.memory.keep(directory.raw, None)

    def certificates(self) -> list[str]:
        return [one.sha256 for one in self.trust.directory.certificates(PEER)]

    async def entries(self, *kinds: str) -> list[int]:
        async with self.context.database.read() as connection:
            rows = await connection.fetch("SELECT kind, count(*) FROM log_entries GROUP BY kind")
        found = dict(map(tuple, rows))
        return [found.get(kind, 0) for kind in kinds]


Start = Callable[[], Awaitable[Worker]]


@pytest.fixture
def world(network: Path, clock: WorldClock, dsns: Dsns) -> World:
    return World(folder=network.parent, ports=PORTS, dsns={UNION: dsns.app}, clock=clock)


@asynccontextmanager
async def running(world: World, number: int = 0) -> AsyncIterator[Worker]:
    """Hold a worker of the union that nobody can call."""
    worker = replace(world.worker(UNION), worker=number)
    async with laid_floor(worker) as context:
        memory = TrustMemory(
            database=context.database,
            trust=context.trust,
            keys_dir=world.keys(UNION),
            clock=world.clock,
        )
        peers = UnconfirmedPeers(context, memory, delay=DELAY)
        yield Worker(context=context, memory=memory, peers=peers)


@pytest.fixture
async def start(world: World) -> AsyncIterator[Start]:
    """Start one more worker; all end with the test."""
    async with AsyncExitStack() as stack:
        numbers = iter(range(8))

        async def started() -> Worker:
            return await stack.enter_async_context(running(world, next(numbers)))

        yield started


def publish(world: World, **changes: object) -> Directory:
    return publish_directory(
        world.folder / "network",
        changes=DirectoryChanges(**changes),  # type: ignore[arg-type]  # the test's own words
        now=world.clock.now(),
    )


def anew(world: World, *, number: int = 1) -> tuple[Directory, str]:
    """Publish the peer under keys that continue nothing; return also their digest."""
    key_set = enrolled_anew(world.folder / "network", PEER, world.clock, number=number)
    digest = read_document(key_set, type_="key-set").digest
    elsewhere = {cast.IMMIGRATION: {"network": f"https://127.0.0.1:{51_000 + number}"}}
    return publish(world, re_enrolled=(key_set,), endpoints=elsewhere), digest


async def test_one_peers_re_enrolment_stops_nobody_else(world: World, start: Start) -> None:
    worker = await start()
    before = worker.certificates()
    directory, digest = anew(world)

    await worker.adopt(directory)

    assert worker.trust.directory.version == directory.version
    assert worker.trust.directory.organisation(cast.IMMIGRATION).url.endswith(":51001")
    assert worker.certificates() == before
    (held,) = await worker.peers.all()
    assert (held.peer.organisation, held.peer.claimed) == (PEER, digest)
    assert held.taken_over_at == held.first_seen + DELAY
    worker.trust.require_fresh(world.clock.now())


async def test_what_nobody_confirms_is_taken_over_after_the_delay_and_not_before(
    world: World, start: Start
) -> None:
    """The first worker sees it and ends; two others were not there."""
    directory, digest = anew(world)
    async with running(world) as first:
        await first.adopt(directory)
        before = first.certificates()
        (held,) = await first.peers.all()
    world.clock.ahead += DELAY / 2
    one, other = await start(), await start()
    await one.peers.turn()
    assert one.certificates() == other.certificates() == before
    assert (await one.peers.all())[0].first_seen == held.first_seen

    world.clock.ahead += DELAY / 2 + SECOND
    for worker in (one, other, one):
        await worker.peers.turn()

    assert one.certificates() == other.certificates() != before
    assert one.trust.directory.key_set_at(PEER, world.clock.now()).digest == digest
    assert await one.entries("peer-taken-over", "peer-confirmed") == [1, 0]
    async with running(world, 7) as restarted:
        assert restarted.certificates() == one.certificates()


async def test_only_the_digest_that_was_compared_is_confirmed_and_binds_every_worker(
    world: World, start: Start
) -> None:
    one, other = await start(), await start()
    before = one.certificates()
    directory, digest = anew(world)
    for worker in (one, other):
        await worker.adopt(directory)

    with pytest.raises(OtherKeySetError):
        await one.peers.confirm(PEER, "0" * 64)
    with pytest.raises(NotFoundError):
        await one.peers.confirm(cast.IMMIGRATION, digest)
    assert one.certificates() == before
    await one.peers.confirm(PEER, digest)
    await other.peers.turn()

    assert one.certificates() == other.certificates() != before
    assert await one.entries("peer-confirmed", "peer-taken-over") == [1, 0]
    assert await one.peers.all() == []


async def test_a_claim_that_comes_again_or_changes_waits_anew(world: World, start: Start) -> None:
    worker = await start()
    before = worker.certificates()
    old = worker.trust.directory.organisation(PEER).key_set_documents
    claimed, _ = anew(world)
    await worker.adopt(claimed)
    world.clock.ahead += DELAY - SECOND
    another, digest = anew(world, number=2)

    await worker.adopt(another)
    world.clock.ahead += 2 * SECOND
    await worker.peers.turn()

    assert worker.certificates() == before
    assert [peer.peer.claimed for peer in await worker.peers.all()] == [digest]
    world.clock.ahead += DELAY
    await worker.peers.turn()
    assert worker.certificates() != before
    assert old != worker.trust.directory.organisation(PEER).key_set_documents


async def test_a_database_that_forgot_begins_the_delay_anew(world: World, start: Start) -> None:
    directory, _ = anew(world)
    async with running(world) as first:
        await first.adopt(directory)
        before = first.certificates()
        async with first.context.database.read() as connection:
            await connection.execute("DELETE FROM peers_unconfirmed")
    world.clock.ahead += DELAY + SECOND

    worker = await start()
    await worker.peers.turn()

    assert worker.certificates() == before
    assert len(await worker.peers.all()) == 1


async def test_rows_alone_give_a_peer_no_other_keys(world: World, start: Start) -> None:
    """Whoever may write every row can say that it was accepted, and cannot make the keys."""
    worker = await start()
    before = worker.certificates()
    row = "INSERT INTO peers_unconfirmed VALUES ($1, $2, now(), now(), 'operator')"
    async with worker.context.database.read() as connection:
        await connection.execute(row, PEER, "0" * 64)
        await worker.peers.turn()
        assert not (world.keys(UNION) / HELD_PEERS).exists()
        await worker.adopt(anew(world)[0])
        await connection.execute("DELETE FROM peers_unconfirmed")
        await connection.execute(row, PEER, "0" * 64)

    await worker.peers.turn()

    assert worker.certificates() == before


async def test_key_sets_left_out_are_held_and_nobody_can_confirm_it(
    world: World, start: Start
) -> None:
    """The core serves the chain without its newest set: a revocation it does not want seen."""
    worker = await start()
    folder = world.folder / "network"
    first = worker.trust.directory.organisation(PEER).key_set_documents
    second = renew_key_set(folder / "organisations" / PEER, now=world.clock.now())
    await worker.adopt(publish(world, key_sets=(second,)))
    with_both = worker.certificates()
    left_out = publish(world, re_enrolled=(canonical_json(first[0]),))

    await worker.adopt(left_out)
    world.clock.ahead += DELAY + SECOND
    await worker.peers.turn()

    assert worker.certificates() == with_both
    (held,) = await worker.peers.all()
    assert held.taken_over_at is None
    with pytest.raises(ConflictError):
        await worker.peers.confirm(PEER, held.peer.key_sets[0].digest)


async def test_who_withdrew_stays_away_until_somebody_confirms_the_return(
    world: World, start: Start
) -> None:
    worker = await start()
    await worker.adopt(publish(world, withdrawn=(PEER,)))
    directory, digest = anew(world)

    await worker.adopt(directory)

    assert worker.certificates() == []
    await worker.peers.confirm(PEER, digest)
    assert worker.certificates() != []


async def test_the_operator_sees_and_confirms_over_the_control_socket(
    world: World, start: Start
) -> None:
    worker = await start()
    commands = peer_commands(worker.peers, worker.trust)
    assert await commands["peers-list"]({}) == {"peers": []}
    known = worker.trust.directory.key_set_at(PEER, world.clock.now()).digest
    directory, digest = anew(world)
    await worker.adopt(directory)

    shown = await commands["peers-show"]({"organisation": PEER})

    assert (shown["organisation"], shown["key_set"]) == (PEER, digest)
    assert shown["known"] == {"status": "enrolled", "key_sets": [known]}
    for arguments in ({}, {"organisation": PEER}, {"organisation": PEER, "digest": digest[:16]}):
        with pytest.raises(InvalidRequestError):
            await commands["peers-confirm"](arguments)
    await commands["peers-confirm"]({"organisation": PEER, "digest": digest})
    with pytest.raises(NotFoundError):
        await commands["peers-show"]({"organisation": PEER})
