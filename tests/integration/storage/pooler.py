"""A pooler between a client and PostgreSQL, as far as a session can tell that there is one."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.tools.ports import HOST

_TLS_WANTED: Final = 80877103
_KEYS: Final = b"K"
_PREPARES: Final = b"P"
_FLUSH: Final = b"H"
_ENDS: Final = frozenset({b"S", b"Q", _FLUSH})
_READY: Final = frozenset({b"Z"})
_DESCRIBED: Final = frozenset({b"T", b"n", b"E"})
_BYE: Final = b"X"
_OTHERS_PID: Final = 4_000_000

Frame = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Server:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, until: frozenset[bytes] = _READY) -> list[Frame]:
        """Return everything up to where the server waits again."""
        frames = [await _frame(self.reader)]
        while frames[-1][0] not in until:
            frames.append(await _frame(self.reader))
        return frames


class _Pooler:
    """Lends two servers to each client, one statement the one, the next the other."""

    def __init__(self, dsn: str, *, own_keys: bool, servers: int) -> None:
        self._path = parse_qs(urlsplit(dsn).query)["host"][0] + "/.s.PGSQL.5432"
        self._own_keys = own_keys
        self._servers = servers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be a pooler to one client until it leaves."""
        servers = [
            _Server(*await asyncio.open_unix_connection(self._path)) for _ in range(self._servers)
        ]
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._greet(servers, reader, writer)
                await _lend(servers, reader, writer)
        finally:
            for one in (writer, *(server.writer for server in servers)):
                one.close()

    async def _greet(
        self,
        servers: list[_Server],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            hello = await reader.readexactly(length - 4)
            if struct.unpack("!i", hello[:4]) != (_TLS_WANTED,):
                break
            writer.write(b"N")
        for server in servers:
            server.writer.write(struct.pack("!i", length) + hello)
        first, *_ = [await server.answer() for server in servers]
        for kind, body in first:
            if kind == _KEYS and self._own_keys:
                body = struct.pack("!i", _OTHERS_PID) + body[4:]  # noqa: PLW2901
            _send(writer, (kind, body))


async def _lend(
    servers: list[_Server], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    turn = 0
    while True:
        frames = [await _frame(reader)]
        while frames[-1][0] not in _ENDS:
            if frames[-1][0] == _BYE:
                return
            frames.append(await _frame(reader))
        # As poolers of today do: what is prepared is there in whichever session runs it.
        is_prepared = any(kind == _PREPARES for kind, _ in frames)
        asked = servers if is_prepared else [servers[turn % len(servers)]]
        turn += not is_prepared
        for server in asked:
            for frame in frames:
                _send(server.writer, frame)
        until = _DESCRIBED if frames[-1][0] == _FLUSH else _READY
        answer, *_ = [await server.answer(until) for server in asked]
        for frame in answer:
            _send(writer, frame)


async def _frame(reader: asyncio.StreamReader) -> Frame:
    kind = await reader.readexactly(1)
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return kind, await reader.readexactly(length - 4)


def _send(writer: asyncio.StreamWriter, frame: Frame) -> None:
    kind, body = frame
    writer.write(kind + struct.pack("!i", len(body) + 4) + body)


@asynccontextmanager
async def pooled(dsn: str, *, own_keys: bool = False, servers: int = 1) -> AsyncIterator[str]:
    """Give the DSN that leads to the same database through a pooler."""
    pooler = _Pooler(dsn, own_keys=own_keys, servers=servers)
    listening = await asyncio.start_server(pooler.serve, HOST, 0)
    port = listening.sockets[0].getsockname()[1]
    parts = urlsplit(dsn)
    try:
        yield f"postgresql://{parse_qs(parts.query)['user'][0]}@{HOST}:{port}{parts.path}"
    finally:
        listening.close()
