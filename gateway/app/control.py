"""The control socket's shapes and its caller: one JSON line asks, one JSON line answers.

Nothing here may import `gateway.metrics`: the command line loads this before it has said where
the processes of a run share their values.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from gateway.errors import UnavailableError

LINE_BYTES_MAX: Final = 64 * 1024
REPLY_BYTES_MAX: Final = 1024 * 1024
"""As long as what a worker may say to its parent."""
CALL_S: Final = 90.0
_PATH_BYTES_MAX: Final = 107  # sun_path of Linux


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command with its arguments; these may be secrets and are never logged."""

    command: str
    arguments: dict[str, object] = {}

    def __repr__(self) -> str:
        return f"ControlRequest({self.command}, masked)"


class ControlReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of it; exactly one of the two."""

    result: dict[str, object] | None = None
    problem: dict[str, object] | None = None


def call_control(
    path: Path, command: str, arguments: Mapping[str, object] | None = None
) -> ControlReply:
    """Return the running parent's answer to a command; for the command line.

    Raises:
        UnavailableError: nobody is there, or it does not answer.
    """
    request = ControlRequest(command, dict(arguments or {}))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller, short_path(path) as short:
            caller.settimeout(CALL_S)
            caller.connect(short)
            caller.sendall(msgspec.json.encode(request) + b"\n")
            line = caller.makefile("rb").readline(REPLY_BYTES_MAX)
    except OSError as error:
        raise UnavailableError(f"{path}: no answer ({type(error).__name__})") from None
    try:
        return msgspec.json.decode(line, type=ControlReply)
    except msgspec.DecodeError:
        raise UnavailableError(f"{path}: the answer broke off") from None


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Give a path that fits into a socket address: through a descriptor where it is too long."""
    if len(os.fsencode(path)) <= _PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
