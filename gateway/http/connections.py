"""Connections of a listener within limits: how many, how long, how slow, how they end.

Built on aiohttp's protocol class, of which some private members are used (`_waiter`,
`_request_handler`): the version is locked with hashes, and the tests of this module fail
when they change. Its keep-alive timer also ends a connection whose next request's headers
do not come complete in time, which is what keeps slow senders out.
"""

import asyncio
import hashlib
import ssl
from dataclasses import dataclass, field

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from gateway.errors import InvalidRequestError
from gateway.http.edge import SERVER_NAME
from gateway.http.problems import problem_response
from gateway.http.tls import Keeps
from gateway.metrics import HTTP_CONNECTIONS, HTTP_CONNECTIONS_REFUSED


class MalformedHttpError(InvalidRequestError):
    """What came is no HTTP that this listener takes."""

    problem = "malformed-http"


@dataclass(slots=True, kw_only=True)
class Gate:
    """The open connections of one listener in one process."""

    listener: str
    connections_max: int
    connection_life_s: float
    is_closing: bool = False
    connections: set["LimitedHandler"] = field(default_factory=set)

    def refusal(self) -> str | None:
        """Return why no more may come in now, or nothing."""
        if self.is_closing:
            return "draining"
        return "connections-max" if len(self.connections) >= self.connections_max else None

    def retire_all(self) -> None:
        """Let every connection end after the request it is in, and let no other in."""
        self.is_closing = True
        for connection in tuple(self.connections):
            connection.retire()

    def retire_unless(self, keeps: Keeps) -> None:
        """Let every connection end whose client certificate is not wanted any more."""
        for connection in tuple(self.connections):
            if connection.peer_sha256 is None or not keeps(connection.peer_sha256):
                connection.retire()


class LimitedHandler(RequestHandler):
    """One connection that knows its limits."""

    __slots__ = ("_gate", "_life", "is_retired", "peer_sha256")

    def __init__(
        self, manager: web.Server, gate: Gate, loop: asyncio.AbstractEventLoop, **limits: object
    ) -> None:
        super().__init__(manager, loop=loop, **limits)  # type: ignore[arg-type]  # aiohttp's names
        self._gate = gate
        self._life: asyncio.TimerHandle | None = None
        self.is_retired = False
        self.peer_sha256: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or break it off where a limit is reached."""
        refusal = self._gate.refusal()
        if refusal is not None:
            HTTP_CONNECTIONS_REFUSED.labels(listener=self._gate.listener, reason=refusal).inc()
            self._force_close = True
            if isinstance(transport, asyncio.Transport):
                transport.abort()
            return
        self._gate.connections.add(self)
        HTTP_CONNECTIONS.labels(listener=self._gate.listener).inc()
        self.peer_sha256 = _peer_sha256(transport)
        self._life = self._loop.call_later(self._gate.connection_life_s, self.retire)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place free."""
        if self in self._gate.connections:
            self._gate.connections.discard(self)
            HTTP_CONNECTIONS.labels(listener=self._gate.listener).dec()
        if self._life is not None:
            self._life.cancel()
        super().connection_lost(exc)

    def retire(self) -> None:
        """End the connection now if it is idle, else with the response it is working on.

        The edge says `Connection: close` in that response, so that the caller knows.
        """
        self.is_retired = True
        if self._waiter is not None and not self._waiter.done():
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what cannot be parsed with a problem document, and repeat nothing of it."""
        del status, exc, message
        if request.writer.output_size > 0:
            raise ConnectionError("a response has begun")
        response = problem_response(MalformedHttpError())
        response.headers[hdrs.SERVER] = SERVER_NAME
        response.force_close()
        return response


def _peer_sha256(transport: asyncio.BaseTransport) -> str | None:
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
    return None if der is None else hashlib.sha256(der).hexdigest()
