"""One listener of one process: its socket, its TLS, its limits, its orderly end."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from aiohttp import web

from gateway.app.roles import ListenerSpec
from gateway.errors import ConfigurationError
from gateway.http.connections import Gate, LimitedHandler

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
        tls = self._spec.tls
        if tls is not None:
            tls.watch(self._gate.retire_unless)
        self._server = await asyncio.get_running_loop().create_server(
            self._factory(self._runner.server),
            sock=self._socket,
            ssl=None if tls is None else tls.front,
            backlog=BACKLOG,
            ssl_handshake_timeout=None if tls is None else self._spec.limits.handshake_s,
            ssl_shutdown_timeout=None if tls is None else _TLS_SHUTDOWN_S,
        )

    async def stop(self) -> None:
        """Take no more callers, finish the requests at hand within the drain time, close."""
        if self._server is not None:
            self._server.close()
        self._gate.retire_all()
        await self._runner.cleanup()

    def _factory(self, server: web.Server | None) -> Callable[[], LimitedHandler]:
        if server is None:
            raise RuntimeError("listener: set up first")
        loop, gate = asyncio.get_running_loop(), self._gate
        options = server._kwargs  # noqa: SLF001  # aiohttp makes handlers of its own class only

        def make() -> LimitedHandler:
            return LimitedHandler(server, gate, loop, **options)

        return make


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket that other processes of the same user may bind beside.

    Raises:
        ConfigurationError: the address is not ours or is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigurationError(f"{host}: {error.strerror}") from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.settimeout(0)
        bound.bind(address)
    except OSError as error:
        bound.close()
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
