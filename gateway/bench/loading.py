"""A load in a process of its own, and what the servers used while it was measured."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from gateway.bench.field import Field
from gateway.bench.machine import CpuTime
from gateway.bench.report import Counts, counts, together
from gateway.bench.words import BEGUN, ENDED
from gateway.errors import UnavailableError

T = TypeVar("T")

IDLE_S: Final = 1.0
_LINE_BYTES_MAX: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was seen of the servers: CPU while measured, what travelled together, all counts."""

    cpu: Mapping[str, CpuTime]
    items: Mapping[str, float]
    first: Counts
    last: Counts


async def run_load(field: Field, module: str, job: bytes, type_: type[T]) -> tuple[T, Watched]:
    """Run a load with this job; return what it says and what the servers did meanwhile.

    Raises:
        UnavailableError: the load ended before its time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES_MAX,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("load: no pipes")
    try:
        process.stdin.write(job)
        process.stdin.close()
        watch = _Watch(field)
        async for line in process.stdout:
            if line.rstrip() not in (BEGUN, ENDED):
                await process.wait()
                return msgspec.json.decode(line, type=type_), watch.watched()
            await watch.turn()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    raise UnavailableError("load: ended before its time")


class _Watch:
    """Adds up what the servers do in the times measured; turned at each one's begin and end."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._cpu: dict[str, CpuTime] = {}
        self._used: dict[str, CpuTime] = {}
        self._first: Mapping[str, float] = {}
        self._last: Mapping[str, float] = {}

    async def turn(self) -> None:
        """Take the present values: alternately as a begin and as an end."""
        now = self._field.cpu()
        if not self._cpu:
            self._cpu = now
            self._first = self._first or await counts(self._field)
            return
        for name, end in now.items():
            used = end.since(self._cpu[name])
            self._used[name] = used.plus(self._used[name]) if name in self._used else used
        self._cpu = {}
        self._last = await counts(self._field)

    def watched(self) -> Watched:
        """Return the sums."""
        return Watched(
            cpu=self._used,
            items=together(self._first, self._last),
            first=self._first,
            last=self._last,
        )


async def idle_cpu_s(field: Field) -> float:
    """Return the CPU seconds that all servers use in a second in which nobody asks."""
    before = field.cpu()
    await asyncio.sleep(IDLE_S)
    return sum(now.since(before[name]).total_s for name, now in field.cpu().items()) / IDLE_S
