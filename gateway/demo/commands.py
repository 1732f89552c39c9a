"""The command line as people use it: each command a process of its own."""

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.demo.processes import PROGRAM
from gateway.errors import SekishoError

_JSON: Final = "--json"
_LAST_WORDS: Final = 300


class CommandFailedError(SekishoError):
    """A command of this program ended otherwise than it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended and what it printed."""

    code: int
    out: bytes = field(repr=False)
    error: str = field(repr=False)

    def document(self) -> dict[str, object]:
        """Return the one JSON document that was printed, or raise `CommandFailedError`."""
        try:
            found = json.loads(self.out)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise CommandFailedError(f"a command printed no JSON: {self.error[-_LAST_WORDS:]}")
        return found


async def run(*arguments: str | Path, feed: bytes | None = None) -> Ended:
    """Run one command to its end, whatever that is; `feed` is what it reads from descriptor 0."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL if feed is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
    try:
        out, error = await process.communicate(feed)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(code=process.returncode or 0, out=out, error=error.decode(errors="replace"))


async def done(*arguments: str | Path, feed: bytes | None = None) -> Ended:
    """Run one command that must end well.

    Raises:
        CommandFailedError: it did not; the message holds the command's own last words.
    """
    ended = await run(*arguments, feed=feed)
    if ended.code:
        name = " ".join(map(str, arguments[:2]))
        raise CommandFailedError(f"{name}: {ended.error.strip()[-_LAST_WORDS:]}")
    return ended


async def told(*arguments: str | Path, feed: bytes | None = None) -> dict[str, object]:
    """Return the document that a command prints with --json; it must end well.

    Raises:
        CommandFailedError: as `done`.
    """
    return (await done(*arguments, _JSON, feed=feed)).document()
