"""Marked functions are called as they are, unless somebody measures."""

from collections.abc import Callable, Iterator

import pytest

from codes.effort import counted, set_meter


@counted("double")
def double(number: int, *, times: int = 2) -> int:
    return number * times


@pytest.fixture
def measured() -> Iterator[list[str]]:
    seen: list[str] = []

    def meter(operation: str, call: Callable[[], object]) -> object:
        seen.append(operation)
        return call()

    set_meter(meter)
    yield seen
    set_meter(None)


def test_a_marked_function_does_what_it_does() -> None:
    assert double(7) == 14
    assert double.__name__ == "double"


def test_a_meter_gets_every_call_until_it_is_taken_away(measured: list[str]) -> None:
    assert (double(7), double(7, times=3)) == (14, 21)
    assert measured == ["double", "double"]

    set_meter(None)
    assert double(7) == 14
    assert measured == ["double", "double"]
