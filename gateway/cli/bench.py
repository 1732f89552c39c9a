"""`sekisho bench`: measure the floor of cryptography, the provider alone, whole exchanges."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from gateway.bench.exchange import bench_exchange
from gateway.bench.floor import measure_floor
from gateway.bench.provider import bench_provider
from gateway.bench.report import Report, floor_report
from gateway.cli.output import ExitCode, print_fields, print_json

SECONDS: Final = 10.0
CONCURRENCY: Final = 64
WORKERS: Final = 1
_PLACES: Final = 2
"""Messages in flight to one peer, so a message holds half of what is in flight."""

Json = Annotated[bool, Parameter(name="--json", negative="")]

app = App(name="bench", help="Measure: times of this machine, now.")


@app.command
def floor(*, seconds: float = SECONDS, concurrency: int = CONCURRENCY, json: Json = False) -> int:
    """Time the cryptography that no exchange can leave out, each part by itself.

    Args:
        seconds: For how long.
        concurrency: Exchanges in flight; a message holds half of them.
        json: Print one JSON document.
    """
    began = time.perf_counter()
    measured = measure_floor(batch=max(1, concurrency // _PLACES), seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        report = floor_report(measured, seconds=time.perf_counter() - began, folder=Path(folder))
    return _tell(report, json=json)


@app.command
def provider(
    *,
    seconds: float = SECONDS,
    concurrency: int = CONCURRENCY,
    workers: int = WORKERS,
    json: Json = False,
) -> int:
    """Present permits of a real core to one provider over TLS.

    Args:
        seconds: For how long provisions are measured; making the permits comes on top.
        concurrency: Permits in flight.
        workers: Workers of every instance.
        json: Print one JSON document.
    """
    report = asyncio.run(bench_provider(seconds=seconds, concurrency=concurrency, workers=workers))
    return _tell(report, json=json)


@app.command
def exchange(
    *,
    seconds: float = SECONDS,
    concurrency: int = CONCURRENCY,
    workers: int = WORKERS,
    providers: int = 1,
    json: Json = False,
) -> int:
    """Ask from back office to back office and wait for the answers.

    Args:
        seconds: For how long, after two seconds of warming up.
        concurrency: Inquiries in flight.
        workers: Workers of every instance.
        providers: How many organisations answer.
        json: Print one JSON document.
    """
    report = asyncio.run(
        bench_exchange(
            seconds=seconds, concurrency=concurrency, workers=workers, providers=providers
        )
    )
    return _tell(report, json=json)


def _tell(report: Report, *, json: bool) -> int:
    if json:
        print_json(report)
    else:
        print_fields(msgspec.structs.asdict(report))
    return ExitCode.FAILED if report.errors or report.lost else ExitCode.DONE
