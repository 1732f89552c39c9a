"""`sekisho bench`: what it tells, whatever the machine's speed; nothing is lost in any of it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

Bench = Callable[..., dict[str, Any]]
COMMAND = (sys.executable, "-I", "-m", "gateway", "bench")
MEMBERS = {
    "throughput_per_s",
    "p50_ms",
    "p99_ms",
    "cpu_ms_per_exchange",
    "crypto_floor_ms",
    "ratio",
    "errors",
    "lost",
}
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def bench(quick_folder: Path) -> Bench:
    return partial(run, quick_folder)


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"],
        capture_output=True,
        env=os.environ | {"TMPDIR": str(folder)},
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_floor_tells_every_part(bench: Bench) -> None:
    report = bench("floor", "--seconds", "0.5", "--concurrency", "8")

    assert set(report) >= MEMBERS
    assert (report["errors"], report["lost"], report["items"]) == (0, 0, {"message": 4.0})
    assert report["crypto_floor_ms"] > 0
    assert {"sign_checkpoint", "hpke_seal", "box_seal", "verify_permits"} <= set(report["floor_us"])


def test_the_provider_answers_every_permit_and_records_it(bench: Bench) -> None:
    report = bench("provider", "--seconds", "1", "--concurrency", "8", "--workers", "1")

    assert set(report) >= MEMBERS
    assert (report["errors"], report["lost"], report["problems"]) == (0, 0, [])
    assert report["exchanges"] > 0
    assert report["entries_verified"] > 3 * report["exchanges"]
    assert set(report["cpu_ms"]) == {"nagaoka"}


def test_whole_exchanges_are_answered_and_recorded_by_all(bench: Bench) -> None:
    report = bench("exchange", "--seconds", "1", "--concurrency", "8", "--providers", "2")

    assert set(report) >= MEMBERS
    assert (report["errors"], report["lost"], report["problems"]) == (0, 0, [])
    assert report["exchanges"] > 0
    assert report["entries_verified"] > 3 * report["exchanges"]
    assert set(report["cpu_ms"]) == {"core", "gunma-union", "nagaoka", "city-2"}
    assert {"sign_checkpoint", "verify_permits", "hpke_seal", "box_seal"} <= set(report["floor_ms"])
    assert 0 < report["crypto_floor_ms"] < report["cpu_ms_per_exchange"]
