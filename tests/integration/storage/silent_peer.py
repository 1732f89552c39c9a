"""A writer whose peer falls silent, in a network of its own: `silent_peer.py DSN idle|busy`.

Whoever merely stops reading still acknowledges: the kernel does that for him. So the only
interface of this process's network is taken down, and everything sent since is lost. Prints after
how many seconds the writer knew.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import time
from contextlib import suppress

import asyncpg

from gateway.storage.database import Database, KeepAlive
from tests.integration.storage.pooler import pooled

DSN, HOW = sys.argv[1], sys.argv[2]
PATIENCE = KeepAlive(idle_s=1, interval_s=1, probes=2, user_timeout_ms=2_000)
_SET_FLAGS = 0x8914
_IS_UP = 0x1


def set_up(*, is_up: bool) -> None:
    """Bring the loopback interface up, or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = _IS_UP if is_up else 0
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags))


async def main() -> None:
    set_up(is_up=True)
    async with pooled(DSN) as dsn:
        database = await Database.open(DSN, connections_max=1)
        writer = await Database(
            dsn, database.pool, checker_dsn=dsn, demands=database.demands
        ).connect_writer(lambda _: None, keep_alive=PATIENCE)
        is_gone = asyncio.Event()
        writer.add_termination_listener(lambda _: is_gone.set())
        set_up(is_up=False)
        since = time.monotonic()
        if HOW == "busy":
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await writer.fetchval("SELECT 1")
        else:
            await is_gone.wait()
        print(time.monotonic() - since, flush=True)  # noqa: T201 - the test reads it
        writer.terminate()
        await database.close()


asyncio.run(main())
