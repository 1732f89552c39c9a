"""The control socket of a parent: for this user on this machine, mode 0600."""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from gateway.app.control import LINE_BYTES_MAX, ControlReply, ControlRequest, short_path
from gateway.errors import (
    ConfigurationError,
    InvalidRequestError,
    NotPermittedError,
    SekishoError,
)
from gateway.http.problems import problem_members
from gateway.logs import get_logger

READ_S: Final = 10.0
_CREDENTIALS: Final = struct.Struct("3i")  # SO_PEERCRED: pid, uid, gid
_PRIVATE_UMASK: Final = 0o177

log = get_logger()

Handle = Callable[[str, Mapping[str, object]], Awaitable[ControlReply]]


class ControlServer:
    """Answers the control socket of one parent."""

    def __init__(self, path: Path, handle: Handle) -> None:
        self._path = path
        self._handle = handle
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, mode 0600; the data folder's lock says that no other parent does."""
        self._path.unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(_PRIVATE_UMASK)
        try:
            with short_path(self._path) as short:
                bound.bind(short)
        except OSError as error:
            bound.close()
            raise ConfigurationError(f"{self._path}: {error.strerror}") from None
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(
            self._serve, sock=bound, limit=LINE_BYTES_MAX
        )

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            reply = await self._reply(reader, writer)
            writer.write(msgspec.json.encode(reply) + b"\n")
            with suppress(ConnectionError):
                await writer.drain()
        finally:
            writer.close()

    async def _reply(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> ControlReply:
        try:
            _check_peer(writer)
            request = await _read_request(reader)
            return await self._handle(request.command, request.arguments)
        except SekishoError as error:
            return ControlReply(problem=problem_members(error) | {"detail": str(error)})
        except Exception:
            log.exception("control_failed")
            return ControlReply(problem=problem_members(SekishoError()))


async def _read_request(reader: asyncio.StreamReader) -> ControlRequest:
    try:
        async with asyncio.timeout(READ_S):
            line = await reader.readline()
        return msgspec.json.decode(line, type=ControlRequest)
    except (TimeoutError, ValueError):
        raise InvalidRequestError("control: one JSON line of command and arguments") from None


def _check_peer(writer: asyncio.StreamWriter) -> None:
    """Refuse other users, also where the file's mode was changed behind our back."""
    end: socket.socket = writer.get_extra_info("socket")
    credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(credentials)
    if uid not in (0, os.geteuid()):
        raise NotPermittedError("control: another user")
