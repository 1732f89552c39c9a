"""What the tests of this folder do again and again: ask, kill, take up, count."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, LiteralString

from certs.publish import DirectoryChanges, publish_directory
from codes.numbers import UnifiedNumber
from gateway.app import gateway_role
from gateway.app.gateway_role import Gateway
from gateway.core import notices as core_notices
from gateway.core.services import CoreServices
from gateway.demo import cast
from gateway.domain.hold import HoldState
from gateway.flows.context import Context
from gateway.flows.delivery_drafts import KIND as DELIVERY
from gateway.flows.inquire import InquiryOrder, InquiryView
from gateway.flows.outcomes import KIND as OUTCOME
from gateway.flows.record_types import Draft, new_id
from gateway.flows.release import Decider
from gateway.jobs.inquiries import InquiryJob
from gateway.jobs.outbox import OutboxJob
from gateway.jobs.retention import End, RetentionJob
from gateway.outbound.lanes import Lane
from gateway.storage.database import Connection, Database
from gateway.storage.flags import FlagSet
from gateway.storage.holds import HoldRow
from tests.conftest import NewDatabase
from tests.e2e.adversary.rogue import core_services
from tests.e2e.parties import Network, whole_network
from tests.e2e.people import People
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order
from tests.integration.core.world import WorldClock

ITEM = "XTK0000010000003"
PERMITS = "/v1/permits"
PROVISIONS = "/v1/provisions"
OUTCOMES = "/v1/outcomes"
DELIVERIES = "/v1/deliveries"
ALICE = Decider(staff_id="alice", credential_id="alice-totp")
BOB = Decider(staff_id="bob", credential_id="bob-totp")


@asynccontextmanager
async def parties_at_rest(new_database: NewDatabase, clock: WorldClock) -> AsyncIterator[Network]:
    """The core, an inquirer and a provider; of what starts by the clock, only the directory."""
    async with whole_network(
        new_database,
        clock=clock,
        gateways=(cast.GUNMA_UNION, cast.NAGAOKA),
        runs=lambda party, task: (party, task) == (cast.CORE, "publication"),
    ) as running:
        yield running


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The parties at rest, and whom they know."""

    network: Network
    people: People
    clock: WorldClock

    @property
    def union(self) -> Gateway:
        """The inquirer."""
        return self.network.gateway(cast.GUNMA_UNION)

    @property
    def city(self) -> Gateway:
        """The provider."""
        return self.network.gateway(cast.NAGAOKA)

    @property
    def core(self) -> CoreServices:
        return core_services(self.network)

    @property
    def core_context(self) -> Context:
        return self.core.permits._context

    async def person(self) -> UnifiedNumber:
        """Return somebody whom both know, with a replica at the provider."""
        number = await self.people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))
        await self.people.put_replica(cast.NAGAOKA, number, TAX, {ITEM: 3500})
        return number

    async def order(self) -> InquiryOrder:
        return an_order(await self.person())

    async def view(self, inquiry_id: str) -> InquiryView:
        return await self.union.flows.inquire.find(inquiry_id, REGISTRATION)

    async def asked(self, *, by: Gateway | None = None, order: InquiryOrder | None = None) -> str:
        """Begin an inquiry about somebody new and return its id."""
        inquire = (by or self.union).flows.inquire
        return await inquire.begin(order or await self.order(), REGISTRATION)

    async def answered(self, inquiry_id: str) -> InquiryView:
        """Return the inquiry when its worker has done with it."""
        await self.union.flows.inquire.wait(inquiry_id, 20)
        return await self.view(inquiry_id)

    @asynccontextmanager
    async def another_worker(self, name: str) -> AsyncIterator[Gateway]:
        """Hold a second worker of an organisation, over the same database."""
        worker = replace(self.network.parties[name].worker, worker=1)
        gateway = await gateway_role.compose(worker)
        try:
            yield gateway
        finally:
            await die(gateway)
            await gateway.role.close()

    async def taken_up(self, inquiry_id: str) -> InquiryView:
        """Let the lease of whoever carried the inquiry end, and the first worker take it up."""
        async with self.union.context.database.read() as connection:
            await connection.execute(
                "UPDATE inquiries SET lease_until = now() - interval '1 s' WHERE inquiry_id = $1",
                inquiry_id,
            )
        await InquiryJob(self.union.context, self.union.flows.continuations).take_up()
        return await self.answered(inquiry_id)

    async def held(self, *, order: InquiryOrder | None = None) -> tuple[str, HoldRow]:
        """Return an inquiry whose answer waits for two people at the provider."""
        number = order.unified_number if order is not None else await self.person()
        await self.flag(number)
        inquiry_id = await self.asked(order=order or an_order(number))
        view = await self.answered(inquiry_id)
        rows = await self.city.flows.release.page(state=HoldState.WAITING, before=None, limit=50)
        return inquiry_id, next(row for row in rows if row.permit_id == view.row.permit_id)

    async def flag(self, number: UnifiedNumber, *, by: Gateway | None = None) -> None:
        """Keep answers about somebody back for people."""
        gateway = by or self.city
        await self.flag_subject(gateway.context.vault.subject(number), by=gateway)

    async def flag_subject(self, subject: bytes, *, by: Gateway | None = None) -> None:
        """The same, by the subject of a row."""
        effect = FlagSet(
            flag_id=new_id(),
            subject=subject,
            kind="automatic-answer-disabled",
            reason="protection",
            maker="carol",
            maker_kind="staff",
        )
        draft = Draft(kind="flag-set", members={}, private={}, effects=(effect,), changes_gate=True)
        await (by or self.city).context.writer.append([draft], source="test")

    async def publish(self, changes: DirectoryChanges, *names: str) -> None:
        """Publish the next directory; these gateways, by default both, take it up."""
        keys = self.network.parties[cast.CORE].settings.network.keys_dir
        directory = publish_directory(keys, changes=changes, now=self.clock.now())
        core = self.core.publication
        async with asyncio.timeout(20):
            while core.directory.version < directory.version or not core.is_published:
                await asyncio.sleep(0.01)
        for name in names or (cast.GUNMA_UNION, cast.NAGAOKA):
            gateway = self.network.gateway(name)
            await gateway.flows.continuations._look_for_directory()
            assert gateway.context.trust.directory.version == directory.version

    @asynccontextmanager
    async def gate_held(self, name: str, *, until_waiting: int) -> AsyncIterator[Connection]:
        """Hold an organisation's gate until so many commits wait for it after the context."""
        async with self.database(name).transaction() as holder:
            await holder.execute("SELECT gate_take_exclusive()")
            yield holder
            await self.waiting_for_gate(name, until_waiting)

    @asynccontextmanager
    async def rows_held(
        self, name: str, lock: LiteralString, *, until_waiting: int
    ) -> AsyncIterator[None]:
        """Hold rows of an organisation until so many of its writers wait after the context."""
        async with self.database(name).transaction() as holder:
            await holder.execute(lock)
            yield
            async with asyncio.timeout(20):
                while until_waiting > await holder.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'sekisho-writer' AND wait_event_type = 'Lock'"
                ):
                    await holder.execute("SELECT pg_stat_clear_snapshot()")
                    await asyncio.sleep(0.005)

    async def waiting_for_gate(self, name: str, wanted: int) -> None:
        """Return as soon as so many commits of an organisation wait for its gate."""
        async with self.database(name).read() as watcher, asyncio.timeout(20):
            while wanted > await watcher.fetchval(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
                " AND classid = 1 AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            ):
                await asyncio.sleep(0.005)

    async def released(self, row: HoldRow, *, by: Gateway | None = None) -> None:
        """Let two people approve a held answer; it is now on its way."""
        release = (by or self.city).flows.release
        for person in (ALICE, BOB):
            await release.approve(row.hold_id, person, row.digest)

    async def count(self, name: str, permit_id: str | None, *kinds: str) -> list[int]:
        """Return how many entries of each kind a party has about a permit."""
        async with self.database(name).read() as connection:
            rows = await connection.fetch(
                "SELECT kind, count(*) FROM log_entries WHERE permit_id = $1::uuid GROUP BY kind",
                permit_id,
            )
        found = dict(map(tuple, rows))
        return [found.get(kind, 0) for kind in kinds]

    async def total(self, name: str, kind: str) -> int:
        """Return how many entries of a kind a party has."""
        async with self.database(name).read() as connection:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM log_entries WHERE kind = $1", kind
            )
        return count

    def database(self, name: str) -> Database:
        if name == cast.CORE:
            return self.network.core_database
        return self.network.gateway(name).context.database

    async def all_told(self) -> None:
        """Return when no outcome of an earlier test is on its way from memory any more."""
        for gateway in (self.union, self.city):
            while tasks := list(gateway.flows.outcomes._tasks):
                await asyncio.wait(tasks)

    async def tell_notices(self) -> None:
        """Let the core tell every notice that is waiting."""
        codes = self.core.permits._codes
        notices = core_notices.Notices(self.core_context, codes)
        job = OutboxJob(self.core_context.database, {core_notices.KIND: notices.send_rows})
        await told(job, core_notices.KIND)


def later(context: Context, **by: float) -> Context:
    """Return the same floor with a clock that shows a later time."""
    return replace(context, clock=WorldClock(timedelta(**by)))


async def come_round(context: Context, ends: Mapping[str, End]) -> None:
    """Let every term be seen to, as of the context's clock."""
    job = RetentionJob(context.database, context.clock, ends)
    assert await job.run() is not None


def outbox_job(gateway: Gateway) -> OutboxJob:
    """Return the job that tells what is in a gateway's outbox."""
    flows = gateway.flows
    return OutboxJob(
        gateway.context.database,
        {OUTCOME: flows.outcomes.send_rows, DELIVERY: flows.deliver.send_rows},
    )


async def told(job: OutboxJob, kind: str) -> None:
    """Tell all that is in the outbox, due or not, once."""
    async with job._database.read() as connection:
        await connection.execute("UPDATE outbox SET next_attempt_at = now() - interval '1 s'")
    await job.turn(kind)
    await job.settle()


async def waiting_rows(gateway: Gateway, kind: str, permit_id: str | None) -> int:
    """Return how many outbox rows of a kind stand for a permit."""
    async with gateway.context.database.read() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM outbox WHERE kind = $1 AND body ->> 'permit_id' = $2",
            kind,
            permit_id,
        )
    return count


async def die(gateway: Gateway) -> None:
    """End a worker's work where it stands; nothing is finished, told or given back."""
    flows = gateway.flows
    lanes: list[Lane[Any, Any]] = [
        flows.continuations._permits,
        *flows.continuations._provisions.values(),
        flows.outcomes._lane,
    ]
    tasks = [*flows.continuations._tasks.values(), *flows.outcomes._tasks]
    for lane in lanes:
        lane._is_closed = True
        tasks += lane._in_flight
        for handle in lane._resting:
            handle.cancel()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(is_so: Callable[[], object], *, seconds: float = 20) -> None:
    """Return as soon as an awaitable claim, made again and again, comes out true."""
    async with asyncio.timeout(seconds):
        while not await is_so():  # type: ignore[misc]  # an async callable
            await asyncio.sleep(0.01)
