"""Instants of the real world; the law's day comes from the signed directory, not from here."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

CLOCK_OFF_MAX: Final = timedelta(seconds=30)
"""How far two clocks may be apart before nothing that rests on either is believed (DESIGN §2)."""


class Clock(Protocol):
    """What tells instants and measures durations."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC, cut to whole milliseconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""
        ...

    def ahead_of(self, other: datetime) -> timedelta:
        """Return how far this clock is ahead of another one of the real world, that shows `other`.

        A clock that tells another time on purpose, as those of tests, leaves its own shift out.
        """
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

    def ahead_of(self, other: datetime) -> timedelta:
        """Return how far the machine's clock is ahead of another one, that shows `other`."""
        return self.now() - other
