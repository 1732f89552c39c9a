"""The way to one party, as bytes: connections over it are refused, broken, held up, or answerless.

It opens nothing: TLS goes through, so that neither side can tell it from a bad line.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from gateway.demo.instances import HOST

CHUNK_BYTES: Final = 64 * 1024


@dataclass(eq=False, slots=True)
class _Connection:
    """One connection and its other half, to the party."""

    outer: asyncio.StreamWriter
    inner: asyncio.StreamWriter
    is_answerless: bool = False

    def abort(self) -> None:
        for writer in (self.outer, self.inner):
            writer.transport.abort()


@dataclass(slots=True, kw_only=True)
class Road:
    """Everybody's way to a party's network listener, from `port` to `target`."""

    port: int
    target: int
    is_cut: bool = False
    delay_s: float = 0.0
    carried: int = 0
    """Connections so far."""
    _open: set[_Connection] = field(default_factory=set)
    _carrying: set[asyncio.Task[None]] = field(default_factory=set)

    def cut(self) -> None:
        """Break what is open and let nobody through until `heal`."""
        self.is_cut = True
        for connection in tuple(self._open):
            connection.abort()

    def lose_answers(self) -> None:
        """Break each connection that is open as soon as the party says the next thing on it."""
        for connection in self._open:
            connection.is_answerless = True

    def delay(self, seconds: float) -> None:
        """Hold up everything in both directions until `heal`."""
        self.delay_s = seconds

    def heal(self) -> None:
        """Let everything through at once."""
        self.is_cut, self.delay_s = False, 0.0

    def take(self, reader: asyncio.StreamReader, outer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        task = asyncio.get_running_loop().create_task(self._carry(reader, outer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def close(self) -> None:
        """End whatever is on its way."""
        self.cut()
        if self._carrying:
            await asyncio.wait(self._carrying)

    async def _carry(self, reader: asyncio.StreamReader, outer: asyncio.StreamWriter) -> None:
        self.carried += 1
        try:
            if self.is_cut:
                raise ConnectionError
            answers, inner = await asyncio.open_connection(HOST, self.target)
        except OSError:
            outer.transport.abort()
            return
        connection = _Connection(outer, inner)
        self._open.add(connection)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(connection, reader, inner, is_answer=False))
                group.create_task(self._pass_on(connection, answers, outer, is_answer=True))
        finally:
            self._open.discard(connection)
            connection.abort()

    async def _pass_on(
        self,
        connection: _Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_answer: bool,
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if is_answer and connection.is_answerless:
                    break
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(chunk)
                await writer.drain()
        connection.abort()


@asynccontextmanager
async def opened(*roads: Road) -> AsyncIterator[None]:
    """Hold these roads open."""
    async with AsyncExitStack() as stack:
        for road in roads:
            server = await asyncio.start_server(road.take, HOST, road.port)
            stack.push_async_callback(road.close)
            stack.callback(server.close)
        yield
