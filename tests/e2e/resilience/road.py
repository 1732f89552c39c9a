"""The way from one party to another, on which a test loses and holds back what it names."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum, auto

import aiohttp
from aiohttp import web

from certs.tls import network_client_context, network_server_context
from gateway.flows.context import Context
from tests.e2e.adversary.routes import certificate_of
from tests.e2e.parties import Network
from tests.tools.ports import HOST, free_port

BODY_BYTES_MAX = 16 * 1024 * 1024
REFUSAL = b'{"type":"not-found","title":"x","status":404}'


class Fate(Enum):
    """What becomes of one message; a held one is lost in the end, a delayed answer is not."""

    PASS = auto()
    LOSE_MESSAGE = auto()
    LOSE_ANSWER = auto()
    HOLD_MESSAGE = auto()
    HOLD_ANSWER = auto()
    DELAY_ANSWER = auto()
    REFUSE = auto()


UNDELIVERED = {Fate.LOSE_MESSAGE, Fate.HOLD_MESSAGE, Fate.REFUSE}
STOPPED = {Fate.HOLD_MESSAGE, Fate.HOLD_ANSWER, Fate.DELAY_ANSWER}


@dataclass(slots=True)
class Road:
    """What went over it, and what is to become of what comes next, by path."""

    fates: dict[str, deque[Fate]] = field(default_factory=lambda: defaultdict(deque))
    answers: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    """Where it leads to."""

    def next(self, path: str, *fates: Fate) -> None:
        """Say what becomes of the next messages on this path; whatever follows passes."""
        self.fates[path].extend(fates)

    async def somebody_is_stopped(self) -> None:
        """Return when a message, or its answer, is held back."""
        async with asyncio.timeout(20):
            await self.stopped.wait()

    def open(self) -> None:
        """Let go of what is held back."""
        self.gate.set()


@asynccontextmanager
async def road(network: Network, sender: Context, *, to: str) -> AsyncIterator[Road]:
    """Let everything that `sender` sends to a party go this way until the context ends."""
    way, port, directory = Road(), free_port(), sender.trust.directory
    way.url = directory.organisation(to).url
    tls = network_client_context(sender.trust.keys.network_certificate, directory.certificates(to))
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls), auto_decompress=False
    ) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            way.requests[request.path] += 1
            fates = way.fates[request.path]
            fate = fates.popleft() if fates else Fate.PASS
            body, answer = await request.read(), None
            if fate not in UNDELIVERED:
                answer = await _forwarded(session, request, way.url, body)
                way.answers[request.path].append(answer.body or b"")  # type: ignore[arg-type]  # ours
            if fate in STOPPED:
                way.stopped.set()
                await way.gate.wait()
            if fate is Fate.REFUSE:
                return web.Response(
                    status=404, body=REFUSAL, content_type="application/problem+json"
                )
            if answer is not None and fate in {Fate.PASS, Fate.DELAY_ANSWER}:
                return answer
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=499)

        runner = await _listening(network, handle, to=to, port=port, sender=sender)
        peers = sender.peers
        route_of = peers._route_of
        peers._route_of = lambda name: (
            replace(route_of(name), url=f"https://{HOST}:{port}", version=port)
            if name == to
            else route_of(name)
        )
        try:
            yield way
        finally:
            way.open()
            peers._route_of = route_of
            await runner.cleanup()


async def _forwarded(
    session: aiohttp.ClientSession, request: web.Request, url: str, body: bytes
) -> web.Response:
    headers = {"Content-Type": "application/json"} if body else {}
    async with session.request(
        request.method, url + request.path_qs, data=body or None, headers=headers
    ) as answer:
        return web.Response(
            status=answer.status, body=await answer.read(), content_type=answer.content_type
        )


async def _listening(
    network: Network,
    handle: "web.Handler",  # type: ignore[name-defined]  # aiohttp's own alias
    *,
    to: str,
    port: int,
    sender: Context,
) -> web.AppRunner:
    application = web.Application(client_max_size=BODY_BYTES_MAX)
    application.router.add_route("*", "/{path:.*}", handle)
    directory = sender.trust.directory
    tls = network_server_context(certificate_of(network, to), directory.all_certificates())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
    return runner
