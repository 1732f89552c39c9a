"""How fast replicas are taken in: rows a second through the real listener, and CPU a row.

Run: python -m tests.tools.bench_replicas [--rows 200000] [--durable]. Not a test: numbers swing
with the machine. The caller shares the process with the gateway, so its own work is counted too.
"""

import argparse
import asyncio
import io
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from gateway import logs
from gateway.client import BackofficeClient
from gateway.demo import cast
from gateway.storage.embedded import EmbeddedPostgres
from gateway.wire.replicas import BatchHeader
from tests.conftest import make_template, memory_folder, new_databases
from tests.e2e.clients import a_client
from tests.e2e.parties import whole_network

TERM: Final = "TM00000000000002"
ITEMS: Final = tuple(f"XTK00000100000{number:02d}" for number in range(2, 8))
CHUNK_BYTES: Final = 256 * 1024
ROUNDS: Final = 3


def a_batch(rows: int) -> bytes:
    """Return a batch of so many people, six items each."""
    header = BatchHeader(kind="initial", term=TERM, layout="1", rows=rows)
    lines = [msgspec.json.encode(header)]
    lines += [
        msgspec.json.encode(
            {
                "unified_number": f"{number:015d}",
                "record_key": "2026",
                "published_from": "2026-06-01",
                "from": "2025-04-01",
                "to": "2026-03-31",
                "items": dict.fromkeys(ITEMS, 1000 + number),
            }
        )
        for number in range(rows)
    ]
    return b"\n".join(lines)


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    """Yield the body as a file would be read."""
    for start in range(0, len(body), CHUNK_BYTES):
        yield body[start : start + CHUNK_BYTES]


async def bench(server: EmbeddedPostgres, rows: int) -> None:
    """Load the same people several times and print what each time took."""
    body = a_batch(rows)
    template = await make_template(server)
    async with (
        new_databases(server, template) as new_database,
        whole_network(new_database) as network,
    ):
        credentials = await a_client(network, cast.NAGAOKA, "bench")
        async with BackofficeClient(credentials) as client:
            for _ in range(ROUNDS):
                began, cpu = time.perf_counter(), time.process_time()
                batch = await client.load_lines(chunks(body))
                seconds, busy = time.perf_counter() - began, time.process_time() - cpu
                sys.stdout.write(
                    f"{batch.rows_put} rows {batch.state}: {rows / seconds:,.0f} rows/s, "
                    f"{busy / rows * 1e6:.1f} µs of Python a row\n"
                )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--durable", action="store_true", help="sync to disk as in production")
    given = parser.parse_args()
    logs.configure(stream=io.StringIO())
    folder = None if given.durable else memory_folder()
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        EmbeddedPostgres(Path(place) / "postgres", is_durable=given.durable) as server,
    ):
        asyncio.run(bench(server, given.rows))


if __name__ == "__main__":
    main()
