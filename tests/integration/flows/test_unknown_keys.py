"""A statement under keys that our directory does not list yet: fetched for once, then judged."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from certs.directory import Directory
from certs.log_keys import LogSigner
from certs.publish import DirectoryChanges
from certs.rotation import KeyKind, renew_key_set
from gateway.app.floor import laid_floor
from gateway.demo import cast
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, Recorded
from gateway.flows.statements import StatementInvalidError, received_or_fetched, to_wire
from gateway.records.note import parse_note, sign_checkpoint
from gateway.storage.embedded import EmbeddedPostgres
from gateway.wire.network import Group
from tests.conftest import NewDatabase, new_databases
from tests.integration.core.world import World, WorldClock
from tests.integration.flows.trusts import PORTS, UNION, publish

PEER = cast.NAGAOKA


@dataclass(kw_only=True)
class Pair:
    """The union, which signs, and a peer that has an older directory."""

    world: World
    union: Context
    peer: Context
    newest: Directory | None = None
    fetched: list[int] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    async def fetch(self) -> None:
        """Do what the peer's poll does."""
        assert self.newest is not None
        self.fetched.append(self.newest.version)
        self.peer.trust.adopt(self.newest.raw, None)

    async def renewed(self) -> None:
        """Let the union sign with a new log key that its own directory lists."""
        network = self.world.folder / "network"
        document = renew_key_set(
            network / "organisations" / UNION, now=self.world.clock.now(), kinds={KeyKind.LOG}
        )
        self.newest = publish(network, self.world.clock, DirectoryChanges(key_sets=(document,)))
        assert self.union.trust.adopt(self.newest.raw, None)

    async def statement(self) -> tuple[Recorded, list[Group]]:
        draft = Draft(kind="records-read", members={}, private={})
        (outcome,) = await self.union.writer.append([draft], source="test")
        assert isinstance(outcome, Recorded)
        return outcome, await self.shown(outcome)

    async def shown(self, recorded: Recorded) -> list[Group]:
        return to_wire(group for _, group in await self.union.writer.statement_groups([recorded]))


@pytest.fixture
async def pair(
    network: Path, clock: WorldClock, postgres: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        new: NewDatabase = await stack.enter_async_context(
            new_databases(postgres, migrated_template)
        )
        dsns = {name: (await new()).app for name in (UNION, PEER)}
        world = World(folder=network.parent, ports=PORTS, dsns=dsns, clock=clock)
        union, peer = [
            await stack.enter_async_context(laid_floor(world.worker(name)))
            for name in (UNION, PEER)
        ]
        made = Pair(world=world, union=union, peer=peer)
        peer.trust.fetch_with(made.fetch)
        yield made


async def test_a_statement_under_an_unknown_key_makes_the_receiver_look_once(pair: Pair) -> None:
    await pair.renewed()
    recorded, groups = await pair.statement()

    await received_or_fetched(pair.peer.trust, groups, sender=UNION)
    statements = await received_or_fetched(pair.peer.trust, groups, sender=UNION)

    assert statements.has(0, recorded.index)
    assert pair.newest is not None
    assert pair.fetched == [pair.newest.version]


async def test_what_no_directory_explains_is_refused_after_one_look(pair: Pair) -> None:
    """How often the core is asked because of nonsense is bounded by the poll itself."""
    await pair.renewed()
    await pair.fetch()
    _, (group,) = await pair.statement()
    # Signed by a stranger in the union's name: no directory lists that key.
    parsed = parse_note(group.checkpoint).checkpoint
    strange = sign_checkpoint(parsed, LogSigner.generate(), time=int(pair.now.timestamp()))
    forged = msgspec.structs.replace(group, checkpoint=strange)

    with pytest.raises(StatementInvalidError) as refused:
        await received_or_fetched(pair.peer.trust, [forged], sender=UNION)

    assert refused.value.reason == "log-line-missing"
    assert len(pair.fetched) == 2


async def test_a_sender_signs_anew_what_it_signed_by_a_key_that_was_replaced(pair: Pair) -> None:
    """The entry is at hand with its old note; the receiver would not believe that any more."""
    recorded, (before,) = await pair.statement()
    await pair.renewed()
    await pair.fetch()

    (after,) = await pair.shown(recorded)

    assert after.checkpoint != before.checkpoint
    assert after.checkpoint.partition("\n\n")[0] == before.checkpoint.partition("\n\n")[0]
    statements = await received_or_fetched(pair.peer.trust, [after], sender=UNION)
    assert statements.has(0, recorded.index)
