"""The load of the exchange bench, a process of its own: back-office systems that ask and wait.

Reads one job as JSON from standard input; writes a line when it has warmed up and a line with
what it saw when its time is over.
"""

import asyncio
import secrets
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from certs.client_keys import AssertionKey
from gateway.bench.words import BEGUN, ENDED, tell
from gateway.client import BackofficeClient, ClientError, Credentials
from gateway.client.credentials import read_credentials
from gateway.client.transport import CONNECTIONS_MAX
from gateway.wire.backoffice import NewInquiry

WAIT_S: Final = 20
ERRORS_KEPT: Final = 10


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask, how much at once, for how long."""

    credentials: str
    concurrency: int
    warm_up_s: float
    seconds: float
    expected: str
    inquiries: list[NewInquiry]


class Seen(msgspec.Struct, kw_only=True):
    """What came of it: requests that ended in the time measured."""

    waits_ms: list[float] = msgspec.field(default_factory=list)
    errors: int = 0
    problems: list[str] = msgspec.field(default_factory=list)
    acknowledged: list[str] = msgspec.field(default_factory=list)
    """Permit ids of every exchange that was answered, warm-up included."""
    seconds: float = 0.0
    load_cpu_s: float = 0.0


class Load:
    """Asks with so many requests in flight, always."""

    def __init__(self, job: Job, clients: list[BackofficeClient]) -> None:
        self._job = job
        self._clients = clients
        self._seen = Seen()
        self._measured = False
        self._stopping = False

    async def run(self) -> None:
        """Warm up, tell, measure, tell."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._job.concurrency):
                group.create_task(self._ask_on(self._clients[number % len(self._clients)]))
            await asyncio.sleep(self._job.warm_up_s)
            tell(BEGUN)
            began, cpu = time.perf_counter(), time.process_time()
            self._measured = True
            await asyncio.sleep(self._job.seconds)
            self._measured = False
            self._seen.seconds = time.perf_counter() - began
            self._seen.load_cpu_s = time.process_time() - cpu
            tell(ENDED)
            self._stopping = True
        tell(msgspec.json.encode(self._seen))

    async def _ask_on(self, client: BackofficeClient) -> None:
        while not self._stopping:
            inquiry = secrets.choice(self._job.inquiries)
            began = time.perf_counter()
            problem = await self._ask(client, inquiry)
            if not self._measured:
                continue
            if problem is None:
                self._seen.waits_ms.append((time.perf_counter() - began) * 1000)
            else:
                self._seen.errors += 1
                if len(self._seen.problems) < ERRORS_KEPT:
                    self._seen.problems.append(problem)

    async def _ask(self, client: BackofficeClient, inquiry: NewInquiry) -> str | None:
        """Ask once; returns what was wrong with the answer."""
        try:
            answered = await client.ask(inquiry, wait_s=WAIT_S)
        except ClientError as error:
            return str(error) or type(error).__name__
        if answered.permit_id is not None:
            self._seen.acknowledged.append(answered.permit_id)
        return None if answered.state == self._job.expected else answered.state


async def main() -> None:
    """Do the job that stands on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    path = Path(job.credentials)
    key = read_credentials(path).assertion_key
    sign = None if key is None else AssertionKey.load(key).sign
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(BackofficeClient(Credentials.load(path, sign=sign)))
            for _ in range(-(-job.concurrency // CONNECTIONS_MAX))
        ]
        await Load(job, clients).run()


if __name__ == "__main__":
    asyncio.run(main())
