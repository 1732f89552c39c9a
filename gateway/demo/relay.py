"""A way to a provider on which everything can be seen: it copies, holds back and loses messages.

It speaks with the certificates of the organisations on either side, so neither notices; only
somebody who holds everybody's keys, as this demonstration does, can stand there. What it sees is
what the network interface carries: statements, tokens and sealed answers.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import web

from certs.directory import Directory
from certs.own_keys import CertificateFiles
from certs.tls import network_client_context, network_server_context, peer_certificate_sha256
from gateway.demo.instances import HOST
from gateway.wire.fields import BODY_BYTES_MAX

PROVISIONS: Final = "/v1/provisions"
_JSON: Final = "application/json"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a member of the network answered: the status and the bytes, nothing read yet."""

    status: int
    body: bytes = field(repr=False)


Post = Callable[[str, str, bytes], Awaitable[Answer]]
"""Posts bytes as a member: organisation, path, body."""
Watch = Callable[[str, bytes, Post], Awaitable[Answer | None]]
"""Sees one message (sender, body) and says what its sender gets; None loses the answer."""


class Relay:
    """One provider as seen from the road to it."""

    def __init__(
        self,
        provider: str,
        url: str,
        *,
        certificates: Mapping[str, CertificateFiles],
        directory: Directory,
    ) -> None:
        self._provider = provider
        self._url = url
        self._certificates = certificates
        self._directory = directory
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._watch: Watch | None = None
        self._watching = asyncio.Lock()

    def watch(self, watch: Watch | None) -> None:
        """Let `watch` decide about every provision asked for from now on."""
        self._watch = watch

    async def post(self, sender: str, path: str, body: bytes) -> Answer:
        """Return the provider's answer to a message that `sender` brings itself."""
        session = self._session(sender)
        async with session.post(self._url + path, data=body) as response:
            return Answer(status=response.status, body=await response.read())

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS under which the relay passes for the provider."""
        return network_server_context(
            self._certificates[self._provider], self._directory.all_certificates()
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass one message on, or do with it what the watcher says."""
        sender = self._sender(request)
        body = await request.read()
        answer: Answer | None
        if request.path == PROVISIONS and self._watch is not None:
            async with self._watching:
                answer = await self._watch(sender, body, self.post)
        else:
            answer = await self.post(sender, request.path, body)
        if answer is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=499)
        return web.Response(status=answer.status, body=answer.body, content_type=_JSON)

    async def close(self) -> None:
        """Close every way to the provider."""
        for session in self._sessions.values():
            await session.close()

    def _sender(self, request: web.Request) -> str:
        digest = peer_certificate_sha256(request.get_extra_info("ssl_object"))
        return self._directory.organisation_by_certificate(digest).name

    def _session(self, sender: str) -> aiohttp.ClientSession:
        session = self._sessions.get(sender)
        if session is None:
            context = network_client_context(
                self._certificates[sender], self._directory.certificates(self._provider)
            )
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                timeout=_TIMEOUT,
                headers={"Content-Type": _JSON, "Accept": _JSON},
                auto_decompress=False,
            )
            self._sessions[sender] = session
        return session


@asynccontextmanager
async def relayed(relay: Relay, port: int) -> AsyncIterator[None]:
    """Hold the relay listening on a port of this machine."""
    application = web.Application(client_max_size=BODY_BYTES_MAX)
    application.router.add_post("/{path:.*}", relay.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port, ssl_context=relay.server_context())
        await site.start()
        yield
    finally:
        await runner.cleanup()
        await relay.close()
