"""Instants of the real world; the law's day comes from the signed directory, not from here."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells instants and measures durations."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC, cut to whole milliseconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""
        ...


class SystemClock:
    """The clock of the machine."""

    __slots__ = ()

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC, cut to whole milliseconds.

        Instants travel with three digits (PROTOCOL §0), so what is stored and what is sent
        compare equal only if nothing finer ever comes in.
        """
        instant = datetime.now(UTC)
        return instant.replace(microsecond=instant.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""
        return time.monotonic()
