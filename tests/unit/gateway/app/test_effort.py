"""The time of cryptography is added up by operation, in thread time."""

import time
from contextlib import suppress

from prometheus_client import REGISTRY

from gateway.app.effort import EffortMeter

NAME = "sekisho_crypto_thread_seconds_total"


def told(operation: str) -> float:
    return REGISTRY.get_sample_value(NAME, {"operation": operation}) or 0.0


def spin(seconds: float) -> str:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return "done"


def fail() -> None:
    raise LookupError


def test_time_is_told_once_and_failures_count_too() -> None:
    meter = EffortMeter()

    assert meter("spin", lambda: spin(0.02)) == "done"
    with suppress(LookupError):
        meter("fail", fail)
    meter.tell()
    first = told("spin")
    meter.tell()

    assert 0.02 <= first < 1
    assert told("spin") == first
    assert told("fail") > 0


def test_time_in_which_a_thread_only_waits_is_no_effort() -> None:
    meter = EffortMeter()

    meter("wait", lambda: time.sleep(0.05))
    meter.tell()

    assert told("wait") < 0.05
