"""What a bench tells: the same members for each, and what they were measured with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from gateway.bench.audit import OF_PERMIT, Audited, audited_entries, missing
from gateway.bench.field import Field
from gateway.bench.floor import PARTIES, Floor, measure_floor
from gateway.bench.machine import CpuTime, calibration_ms, fdatasync_ms, percentile

FLOOR_S: Final = 1.0
_LANE: Final = "sekisho_lane_message_items"
_BATCH: Final = "sekisho_record_batch_entries"
_EFFORT: Final = "sekisho_crypto_thread_seconds_total"
_COUNTED: Final = (
    _EFFORT,
    *(f"{name}_{what}" for name in (_LANE, _BATCH) for what in ("sum", "count")),
)
Counts = Mapping[str, float]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one bench; times are medians or percentiles of this run alone."""

    bench: str
    throughput_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_exchange: float
    crypto_floor_ms: float
    """Thread time of cryptography, counted inside the servers; alone, what the parts come to."""
    ratio: float
    errors: int
    lost: int
    exchanges: int
    seconds: float
    concurrency: int
    workers: int
    providers: int
    entries_verified: int
    cpu_ms: dict[str, dict[str, float]]
    """Party → `python` and `postgres`, milliseconds an exchange."""
    idle_cpu_ms_per_s: float
    items: dict[str, float]
    """What travelled or was committed together, on average."""
    floor_ms: dict[str, float]
    """Each operation of the floor inside the servers, milliseconds an exchange."""
    floor_alone_ms: float
    """What the parts of the floor come to when each is timed alone."""
    floor_us: dict[str, float]
    """Each of those parts, microseconds a time."""
    calibration_ms: float
    fdatasync_ms: float
    problems: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a load and the processes under it showed."""

    bench: str
    waits_ms: Sequence[float]
    exchanges: int
    errors: int
    problems: Sequence[str]
    seconds: float
    concurrency: int
    workers: int
    cpu: Mapping[str, CpuTime]
    idle_cpu_s: float
    items: Mapping[str, float]
    batch: float
    """Items of one message between inquirer and provider."""
    effort: Mapping[str, float]
    """Seconds of cryptography inside the servers, by operation."""
    acknowledged: Sequence[str]
    kinds: Sequence[str] = OF_PERMIT
    """The entries that each acknowledged exchange must have left."""
    parties: Sequence[str] = PARTIES
    """Whose work was measured."""


def make_report(
    field: Field, measured: Measured, audited: Mapping[str, Audited], *, own_entries: int = 0
) -> Report:
    """Return the report; the parts of the floor are timed now, for messages as large as they were.

    `own_entries` are those of a log that the load itself kept and verified.
    """
    floor = measure_floor(
        batch=max(1, round(measured.batch)), seconds=FLOOR_S, parties=measured.parties
    )
    waits = sorted(measured.waits_ms)
    done = max(1, measured.exchanges)
    cpu_ms = sum(used.total_s for used in measured.cpu.values()) * 1000 / done
    effort_ms = {name: spent * 1000 / done for name, spent in measured.effort.items()}
    floor_ms = sum(effort_ms.values())
    return Report(
        bench=measured.bench,
        throughput_per_s=round(measured.exchanges / measured.seconds, 1),
        p50_ms=round(percentile(waits, 50), 2),
        p99_ms=round(percentile(waits, 99), 2),
        cpu_ms_per_exchange=round(cpu_ms, 3),
        crypto_floor_ms=round(floor_ms, 3),
        ratio=round(cpu_ms / floor_ms, 2) if floor_ms else 0.0,
        errors=measured.errors,
        lost=missing(measured.acknowledged, audited.values(), kinds=measured.kinds),
        exchanges=measured.exchanges,
        seconds=round(measured.seconds, 2),
        concurrency=measured.concurrency,
        workers=measured.workers,
        providers=len(field.providers),
        entries_verified=audited_entries(audited) + own_entries,
        cpu_ms={
            name: {
                "python": round(used.python_s * 1000 / done, 3),
                "postgres": round(used.postgres_s * 1000 / done, 3),
            }
            for name, used in measured.cpu.items()
        },
        idle_cpu_ms_per_s=round(measured.idle_cpu_s * 1000, 1),
        items={name: round(value, 1) for name, value in measured.items.items()},
        floor_ms={name: round(ms, 4) for name, ms in sorted(effort_ms.items())},
        floor_alone_ms=round(floor.ms, 3),
        floor_us=_rounded(floor),
        calibration_ms=round(calibration_ms(), 2),
        fdatasync_ms=round(fdatasync_ms(field.folder), 3),
        problems=list(measured.problems),
    )


def floor_report(floor: Floor, *, seconds: float, folder: Path) -> Report:
    """Return what the floor alone says: what one core could do if nothing else had to be done."""
    rounds = sorted(floor.rounds_ms)
    return Report(
        bench="floor",
        throughput_per_s=round(1000 / floor.ms, 1),
        p50_ms=round(percentile(rounds, 50), 3),
        p99_ms=round(percentile(rounds, 99), 3),
        cpu_ms_per_exchange=round(floor.ms, 3),
        crypto_floor_ms=round(floor.ms, 3),
        ratio=1.0,
        errors=0,
        lost=0,
        exchanges=len(rounds),
        seconds=round(seconds, 2),
        concurrency=floor.batch,
        workers=1,
        providers=1,
        entries_verified=0,
        cpu_ms={},
        idle_cpu_ms_per_s=0.0,
        items={"message": float(floor.batch)},
        floor_ms={},
        floor_alone_ms=round(floor.ms, 3),
        floor_us=_rounded(floor),
        calibration_ms=round(calibration_ms(), 2),
        fdatasync_ms=round(fdatasync_ms(folder), 3),
        problems=[],
    )


async def counts(field: Field) -> dict[str, float]:
    """Return what everybody counted: messages, commits, their sizes, time of cryptography."""
    found: dict[str, float] = {}
    async with aiohttp.ClientSession() as session:
        for name, running in field.fleet.running.items():
            async with session.get(f"http://{running.addresses['ops']}/metrics") as response:
                text = await response.text()
            for line in text.splitlines():
                if line.startswith(_COUNTED):
                    key, _, value = line.rpartition(" ")
                    found[f"{name} {key}"] = float(value)
    return found


def together(before: Counts, after: Counts) -> dict[str, float]:
    """Return the average size of messages and commits between two counts, by party and peer."""
    averages: dict[str, float] = {}
    for key, value in after.items():
        if "_sum" not in key:
            continue
        number = _since(key.replace("_sum", "_count"), before, after)
        if number:
            averages[_name_of(key)] = (value - before.get(key, 0.0)) / number
    return averages


def effort(before: Counts, after: Counts, parties: Collection[str]) -> dict[str, float]:
    """Return the seconds that these parties' cryptography took between two counts."""
    spent: dict[str, float] = {}
    for key in after:
        party, _, metric = key.partition(" ")
        if metric.startswith(_EFFORT) and party in parties:
            operation = _label(metric, "operation")
            spent[operation] = spent.get(operation, 0.0) + _since(key, before, after)
    return spent


def _since(key: str, before: Counts, after: Counts) -> float:
    return after.get(key, 0.0) - before.get(key, 0.0)


def _name_of(key: str) -> str:
    """Return `inquirer → peer` for a lane, `party commit` for the record log."""
    party, _, metric = key.partition(" ")
    if metric.startswith(_BATCH):
        return f"{party} commit"
    return f"{party} → {_label(metric, 'peer')}"


def _label(metric: str, name: str) -> str:
    return metric.partition(f'{name}="')[2].partition('"')[0]


def _rounded(floor: Floor) -> dict[str, float]:
    return {name: round(us, 1) for name, us in floor.parts_us.items()}
