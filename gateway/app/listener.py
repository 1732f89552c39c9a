"""One listener of one process: its socket, its TLS, its limits, its orderly end."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from aiohttp import web

from gateway.app.roles import ListenerSpec
from gateway.errors import ConfigurationError
from gateway.http.connections import Gate, LimitedHandler
from gateway.http.tls import Keeps, count_failures

BACKLOG: Final = 512
_LINGER_S: Final = 2.0
_TLS_SHUTDOWN_S: Final = 2.0


class Listener:
    """Serves one application; several processes may serve the same port."""

    def __init__(self, spec: ListenerSpec, *, port: int, drain_s: float) -> None:
        self._spec = spec
        self._port = port
        self._gate = Gate(
            listener=spec.name,
            connections_max=spec.limits.connections_max,
            connection_life_s=spec.limits.connection_life_s,
        )
        limits = spec.limits
        self._runner = web.AppRunner(
            spec.application,
            access_log=None,
            keepalive_timeout=limits.idle_s,
            max_line_size=limits.header_line_bytes_max,
            max_field_size=limits.header_line_bytes_max,
            max_headers=limits.headers_max,
            lingering_time=_LINGER_S,
            shutdown_timeout=drain_s,
        )
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._tls_changed = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Return where the listener is, once it is started."""
        if self._socket is None:
            return self._spec.host, self._port
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Answer from now on, or raise ConfigurationError where the address cannot be had."""
        await self._runner.setup()
        self._socket = bind(self._spec.host, self._port)
        if self._spec.tls is not None:
            self._spec.tls.watch(self._on_tls_change)
        await self._serve()

    async def follow_tls(self) -> None:
        """Put every new TLS context into use, until cancelled."""
        while True:
            await self._tls_changed.wait()
            self._tls_changed.clear()
            await self._serve()

    async def stop(self) -> None:
        """Take no more callers, finish the requests at hand within the drain time, close."""
        if self._server is not None:
            self._server.close()
        if self._socket is not None:
            self._socket.close()
        self._gate.retire_all()
        await self._runner.cleanup()

    async def _serve(self) -> None:
        """Serve on a copy of the listening socket, then drop the copy served before.

        A server's context cannot be exchanged; two servers on one queue lose no caller.
        """
        if self._socket is None or self._runner.server is None:
            raise RuntimeError("listener: not started")
        tls = None if self._spec.tls is None else self._spec.tls.context
        if tls is not None:
            count_failures(tls, self._spec.name)
        fresh = await asyncio.get_running_loop().create_server(
            self._factory(self._runner.server),
            sock=self._socket.dup(),
            ssl=tls,
            backlog=BACKLOG,
            ssl_handshake_timeout=self._spec.limits.handshake_s if tls else None,
            ssl_shutdown_timeout=_TLS_SHUTDOWN_S if tls else None,
        )
        if self._server is not None:
            self._server.close()
        self._server = fresh

    def _factory(self, server: web.Server) -> Callable[[], LimitedHandler]:
        loop, gate = asyncio.get_running_loop(), self._gate
        options = server._kwargs  # noqa: SLF001  # aiohttp makes handlers of its own class only

        def make() -> LimitedHandler:
            return LimitedHandler(server, gate, loop, **options)

        return make

    def _on_tls_change(self, keeps: Keeps) -> None:
        self._gate.retire_unless(keeps)
        self._tls_changed.set()


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket that other processes of the same user may bind beside.

    Raises:
        ConfigurationError: the address is not ours or is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.settimeout(0)
        bound.bind(address)
    except OSError as error:
        raise ConfigurationError(f"{host}:{port}: {error.strerror}") from None
    return bound


def refuse_taken(host: str, port: int) -> None:
    """Raise ConfigurationError where somebody serves a port already.

    SO_REUSEPORT would let a second instance of the same user in beside the first.
    """
    if port == 0:
        return
    try:
        with socket.create_server((host, port), reuse_port=False):
            return
    except OSError as error:
        raise ConfigurationError(f"{host}:{port}: {error.strerror}") from None
