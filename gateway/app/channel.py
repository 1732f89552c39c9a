"""What parent and worker say to each other: one JSON object a line, over a socket pair."""

import asyncio
import socket
from typing import Final

import msgspec

LINE_BYTES_MAX: Final = 1024 * 1024


class WorkerStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker is told through its pipe before anything else; holds secrets.

    The settings travel as the parent read them: a file edited since changes nothing until
    the parent starts anew.
    """

    settings: str
    base: str
    worker: int
    version: str
    addresses: dict[str, tuple[str, int]]
    dsn: str
    master_key: bytes

    def __repr__(self) -> str:
        return f"WorkerStart({self.worker}, masked)"


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask", tag_field="type"):
    """Parent to worker: do this command."""

    id: int
    command: str
    arguments: dict[str, object]


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag="answer", tag_field="type"):
    """Worker to parent: what came of it; exactly one of the two."""

    id: int
    result: dict[str, object] | None = None
    problem: dict[str, object] | None = None


class Readiness(msgspec.Struct, frozen=True, kw_only=True, tag="readiness", tag_field="type"):
    """Worker to parent, at every change and as a sign of life: what is missing, if anything."""

    missing: tuple[str, ...]


class Misconfigured(
    msgspec.Struct, frozen=True, kw_only=True, tag="misconfigured", tag_field="type"
):
    """Worker to parent: starting again would not help."""

    message: str


FromWorker = Answer | Readiness | Misconfigured
_FROM_WORKER: Final = msgspec.json.Decoder(FromWorker)
_FROM_PARENT: Final = msgspec.json.Decoder(Ask)


class Channel:
    """One end of a socket pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> "Channel":
        """Return a channel over a connected socket, which it then owns."""
        reader, writer = await asyncio.open_unix_connection(sock=end, limit=LINE_BYTES_MAX)
        return cls(reader, writer)

    async def send(self, message: Ask | FromWorker) -> None:
        """Send one message; a peer that is gone is noticed by the reader."""
        try:
            self._writer.write(msgspec.json.encode(message) + b"\n")
            await self._writer.drain()
        except ConnectionError:
            return

    async def from_worker(self) -> FromWorker | None:
        """Return what the worker says next, None when it is gone."""
        line = await self._line()
        return None if line is None else _FROM_WORKER.decode(line)

    async def from_parent(self) -> Ask | None:
        """Return what the parent asks next, None when it is gone."""
        line = await self._line()
        return None if line is None else _FROM_PARENT.decode(line)

    def close(self) -> None:
        """Let the other side see the end."""
        self._writer.close()

    async def _line(self) -> bytes | None:
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        return line or None
