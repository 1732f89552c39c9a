"""How often one caller may come: a bounded set of token buckets, forgetful of the idle."""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

from gateway.errors import TooManyRequestsError
from gateway.settings import HttpLimits

KEYS_MAX: Final = 4_096


C = TypeVar("C")


def rate_limit(
    limits: HttpLimits, key_of: Callable[[C], str], *, monotonic: Callable[[], float]
) -> Callable[[C], None]:
    """Return the limit of `build_application` for a listener's settings."""
    buckets = TokenBuckets(
        per_s=limits.requests_per_s, burst=limits.requests_burst, monotonic=monotonic
    )
    return lambda caller: buckets.take(key_of(caller))


class TokenBuckets:
    """One bucket for each caller: `burst` at once, `per_s` in the long run.

    Per process: with N workers a caller may come up to N times as often.
    """

    def __init__(
        self,
        *,
        per_s: float,
        burst: int,
        monotonic: Callable[[], float],
        keys_max: int = KEYS_MAX,
    ) -> None:
        self._per_s = per_s
        self._burst = burst
        self._monotonic = monotonic
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> None:
        """Count one request of a caller, or raise TooManyRequestsError saying when to return."""
        now = self._monotonic()
        level, since = self._buckets.pop(key, (float(self._burst), now))
        level = min(float(self._burst), level + (now - since) * self._per_s)
        taken = level >= 1.0
        self._buckets[key] = (level - 1.0 if taken else level, now)
        # The one that has been away longest has the fullest bucket: least is lost with it.
        while len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        if not taken:
            wait_s = math.ceil((1.0 - level) / self._per_s)
            raise TooManyRequestsError("requests per second", retry_after_s=max(1, wait_s))
