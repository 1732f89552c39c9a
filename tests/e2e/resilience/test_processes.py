"""Real processes under load, and one of them killed: nothing acknowledged is lost or doubled."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from gateway.bench.audit import _dsn
from gateway.bench.field import ASKING, Field, laid_field
from gateway.client import BackofficeClient, ClientError
from gateway.client.errors import GatewayBusyError, GatewayUnreachableError, ProblemError
from gateway.demo import cast
from gateway.demo.asking import PROVIDED, UNION_ASKS_CITY_TAX
from gateway.demo.offices import credentials
from gateway.demo.processes import Running
from gateway.storage.database import Database
from tests.e2e.resilience.scene import until

ASKERS = 6
BEFORE = 8
AFTER = 8
NOT_NOW = (GatewayBusyError, GatewayUnreachableError)


@pytest.fixture(scope="module")
async def ground() -> AsyncIterator[Field]:
    """The core, an inquirer and a provider of two workers each, and people both know."""
    async with laid_field(providers=1, workers=2, inquirer=cast.GUNMA_UNION) as laid:
        yield laid


@dataclass
class Load:
    """Back-office systems that ask and ask, and never ask for one thing twice."""

    client: BackofficeClient
    ground: Field
    acknowledged: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    is_over: bool = False

    async def ask_on(self) -> None:
        while not self.is_over:
            person = secrets.choice(self.ground.people)
            inquiry = msgspec.structs.replace(
                UNION_ASKS_CITY_TAX.of(person), provider_body=cast.city_mayor(cast.NAGAOKA)
            )
            key = secrets.token_hex(16)
            while (inquiry_id := await self.asked(inquiry, key)) is None and not self.is_over:
                await asyncio.sleep(0.1)
            if inquiry_id is not None:
                self.acknowledged.append(inquiry_id)

    async def asked(self, inquiry: object, key: str) -> str | None:
        try:
            begun = await self.client.ask(inquiry, wait_s=2, idempotency_key=key)  # type: ignore[arg-type]
        except NOT_NOW:
            return None
        except ClientError as error:
            self.unexpected.append(str(error))
            return None
        return begun.id

    async def more(self, count: int) -> None:
        """Return when so many more inquiries have been acknowledged."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(60):
            while len(self.acknowledged) < wanted:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def loaded(ground: Field) -> AsyncIterator[Load]:
    async with (
        BackofficeClient(credentials(ground.fleet[cast.GUNMA_UNION], ASKING)) as client,
        asyncio.TaskGroup() as group,
    ):
        load = Load(client=client, ground=ground)
        for _ in range(ASKERS):
            group.create_task(load.ask_on())
        yield load
        load.is_over = True


@asynccontextmanager
async def database_of(running: Running) -> AsyncIterator[Database]:
    database = await Database.open(_dsn(running), connections_max=1)
    yield database
    await database.close()


@asynccontextmanager
async def no_leases(ground: Field) -> AsyncIterator[None]:
    """Let no inquiry wait for its lease to end, or for a pause."""

    async def end_leases() -> None:
        async with database_of(ground.fleet[cast.GUNMA_UNION]) as database:
            while True:
                async with database.read() as connection:
                    await connection.execute(
                        "UPDATE inquiries SET lease_until = now() WHERE state = 'open'"
                    )
                await asyncio.sleep(0.5)

    ending = asyncio.create_task(end_leases())
    yield
    ending.cancel()
    await asyncio.wait([ending])


async def require_all_ended(ground: Field, load: Load) -> None:
    """Every inquiry that was acknowledged is there and has its answer."""
    async with (
        no_leases(ground),
        BackofficeClient(credentials(ground.fleet[cast.GUNMA_UNION], ASKING)) as client,
    ):

        async def state(inquiry_id: str) -> str:
            async with asyncio.timeout(60):
                while True:
                    with suppress(*NOT_NOW):
                        found = await client.wait(inquiry_id, timeout_s=1.0)
                        if found.state != "open":
                            return found.state
                    await asyncio.sleep(0.1)

        states = await asyncio.gather(*map(state, load.acknowledged))
    assert states == [PROVIDED] * len(load.acknowledged)


async def require_once(ground: Field) -> None:
    """No permit was answered, and no answer received, twice; every log leads to its roots."""
    for name, kind in ((cast.NAGAOKA, "provision"), (cast.GUNMA_UNION, "receipt")):
        async with database_of(ground.fleet[name]) as database, database.read() as connection:
            doubled = await connection.fetch(
                "SELECT permit_id FROM log_entries WHERE kind = $1"
                " GROUP BY permit_id HAVING count(*) > 1",
                kind,
            )
        assert doubled == []
    (ground.folder / "core.zip").unlink(missing_ok=True)  # of an audit before
    audited = await ground.audit()
    assert set(audited) == set(ground.fleet.running)
    provided = audited[cast.NAGAOKA].permits["provision"]
    assert audited[cast.GUNMA_UNION].permits["receipt"] == provided
    assert provided <= audited[cast.CORE].permits["permit"]


def postmaster(running: Running) -> int:
    """Return the pid of an instance's PostgreSQL, which may just be coming back."""
    path = running.instance.cluster / "postmaster.pid"
    for _ in range(400):
        if path.exists() and (words := path.read_text().split()):
            return int(words[0])
        time.sleep(0.05)
    raise AssertionError("PostgreSQL did not come back")


def workers(running: Running) -> set[int]:
    """Return the pids of an instance's workers."""
    found = set()
    for pid in running.processes():
        with suppress(OSError):
            if b"gateway.app.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


def kill_database(running: Running) -> None:
    os.kill(postmaster(running), signal.SIGKILL)


def kill_worker(running: Running) -> None:
    os.kill(min(workers(running)), signal.SIGKILL)


@pytest.mark.parametrize(
    ("name", "kill"),
    [
        (cast.GUNMA_UNION, kill_database),
        (cast.GUNMA_UNION, kill_worker),
        (cast.CORE, kill_database),
    ],
)
async def test_a_process_killed_under_load_costs_nothing_that_was_acknowledged(
    ground: Field, name: str, kill: Callable[[Running], None]
) -> None:
    running = ground.fleet[name]
    before = workers(running), postmaster(running)

    async with loaded(ground) as load:
        await load.more(BEFORE)
        kill(running)
        await load.more(AFTER)

    async def is_whole() -> bool:
        with suppress(OSError):
            return len(workers(running)) == 2 and (workers(running), postmaster(running)) != before
        return False

    await until(is_whole, seconds=60)
    await require_all_ended(ground, load)
    assert load.unexpected == []
    await require_once(ground)


async def test_a_gateway_without_its_database_says_not_now_and_comes_back(ground: Field) -> None:
    running = ground.fleet[cast.GUNMA_UNION]
    told: set[tuple[int, str]] = set()
    async with BackofficeClient(credentials(running, ASKING)) as client:

        async def answers() -> bool:
            try:
                await client.transport.call("GET", "/v1/inquiries?limit=1")
            except ProblemError as error:
                told.add((error.problem.status, error.problem.type))
                return False
            return True

        async def refuses() -> bool:
            # What the killed server had begun may still answer for a moment.
            return not await answers()

        await until(answers, seconds=60)
        before = workers(running)
        kill_database(running)
        await until(refuses, seconds=60)
        await until(answers, seconds=60)

    assert workers(running) == before  # they live through it
    assert told == {(503, "unavailable")}
