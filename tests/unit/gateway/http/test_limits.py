import pytest

from gateway.errors import TooManyRequestsError
from gateway.http.limits import TokenBuckets, rate_limit
from gateway.settings import HttpLimits


class Hours:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_caller_who_used_the_burst_up_waits_for_the_next_token() -> None:
    clock = Hours()
    buckets = TokenBuckets(per_s=0.5, burst=3, monotonic=clock)
    for _ in range(3):
        buckets.take("a")

    with pytest.raises(TooManyRequestsError) as caught:
        buckets.take("a")

    assert caught.value.retry_after_s == 2
    clock.now = 2.0
    buckets.take("a")


def test_one_caller_does_not_use_up_another() -> None:
    buckets = TokenBuckets(per_s=1, burst=1, monotonic=Hours())
    buckets.take("a")

    buckets.take("b")


def test_a_refusal_costs_nothing() -> None:
    clock = Hours()
    buckets = TokenBuckets(per_s=1, burst=1, monotonic=clock)
    buckets.take("a")
    for _ in range(10):
        with pytest.raises(TooManyRequestsError):
            buckets.take("a")

    clock.now = 1.0
    buckets.take("a")


def test_callers_without_number_take_bounded_room() -> None:
    buckets = TokenBuckets(per_s=1, burst=1, monotonic=Hours(), keys_max=10)

    for number in range(1000):
        buckets.take(str(number))

    assert len(buckets._buckets) == 10


def test_a_listeners_limit_asks_who_calls() -> None:
    limits = HttpLimits(requests_per_s=1.0, requests_burst=1)
    limit = rate_limit(limits, str.upper, monotonic=Hours())
    limit("a")

    with pytest.raises(TooManyRequestsError):
        limit("A")
