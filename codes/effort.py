"""Marks the work that nobody can leave out, so that whoever measures can add its time up.

Nothing is measured here, and nothing at all unless a process sets a meter (`sekisho bench` has
its servers do so): then a marked function is called by the meter.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Meter = Callable[[str, Callable[[], Any]], Any]
"""Gets an operation's name and the call itself, and returns what the call returns."""

_meters: Final[list[Meter]] = []


def counted(operation: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as such work; one must not call another, or time would count twice."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def marked(*arguments: P.args, **named: P.kwargs) -> R:
            if not _meters:
                return function(*arguments, **named)
            result: R = _meters[0](operation, lambda: function(*arguments, **named))
            return result

        return marked

    return decorate


def set_meter(meter: Meter | None) -> None:
    """Let every marked function be called by this meter from now on, or by none."""
    _meters[:] = [] if meter is None else [meter]
