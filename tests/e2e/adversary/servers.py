"""A server that stands where a provider should be, with whatever certificate and manners."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import web

from certs.tls import network_server_context
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.adversary.routes import certificate_of
from tests.e2e.parties import Network
from tests.tools.ports import HOST, free_port

Manners = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Server:
    """How often it was asked."""

    requests: int = 0


async def _silent(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


@asynccontextmanager
async def served(
    network: Network,
    towards: Rogue,
    *,
    in_place_of: str,
    manners: Manners = _silent,
    certificate: str | None = None,
) -> AsyncIterator[Server]:
    """Let `towards` meet our server wherever it calls `in_place_of`, until the context ends."""
    server, port = Server(), free_port()

    async def handle(request: web.Request) -> web.StreamResponse:
        server.requests += 1
        return await manners(request)

    application = web.Application(client_max_size=16 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", handle)
    directory = towards.context.trust.directory
    tls = network_server_context(
        certificate_of(network, certificate or in_place_of), directory.all_certificates()
    )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
    peers = towards.context.peers
    route_of = peers._route_of
    peers._route_of = lambda name: (
        replace(route_of(name), url=f"https://{HOST}:{port}", version=port)
        if name == in_place_of
        else route_of(name)
    )
    try:
        yield server
    finally:
        peers._route_of = route_of
        await runner.cleanup()
