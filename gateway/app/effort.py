"""Thread time of cryptography inside a worker, for the floor that `sekisho bench` compares with."""

import time
from collections.abc import Callable
from typing import Any

from gateway.metrics import CRYPTO_SECONDS


class EffortMeter:
    """Adds up the thread time of marked functions by operation (`codes.effort`)."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def __call__(self, operation: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the function returns
        """Return what the call returns, and count how long its thread worked."""
        began = time.thread_time()
        try:
            return call()
        finally:
            spent = time.thread_time() - began
            self._seconds[operation] = self._seconds.get(operation, 0.0) + spent

    def tell(self) -> None:
        """Bring the metric up to now."""
        for operation, seconds in tuple(self._seconds.items()):
            more = seconds - self._told.get(operation, 0.0)
            CRYPTO_SECONDS.labels(operation=operation).inc(more)
            self._told[operation] = seconds
