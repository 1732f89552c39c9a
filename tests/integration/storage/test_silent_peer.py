"""A database that falls silent without a word is noticed in bounded time, by the kernel alone."""

import asyncio
import os
import sys

import pytest

from tests.conftest import Dsns

NOTICED_S_MAX = 15
"""A little over 2 s with the patience of the test; nothing but the keep-alives ends the wait."""
GIVES_UP_S = 40


def _alone() -> list[str]:
    """Return the words before a command that has a network of its own."""
    # Root keeps its own user: another one could not enter the folder of the server's socket.
    return ["unshare", "--net", *(() if os.geteuid() == 0 else ("--user", "--map-root-user"))]


@pytest.mark.parametrize("how", ["idle", "busy"])
async def test_a_silent_database_is_noticed(dsns: Dsns, how: str) -> None:
    script = ("-m", "tests.integration.storage.silent_peer", dsns.app, how)
    process = await asyncio.create_subprocess_exec(
        *_alone(), sys.executable, *script, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(GIVES_UP_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert 1 < float(said) < NOTICED_S_MAX
