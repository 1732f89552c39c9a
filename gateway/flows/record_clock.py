"""Whether the time that a batch would bear can be believed: nothing is stamped before it is.

Time never decreases within a slot, so an instant once stamped is kept until it has passed: one
that was an hour ahead would date everything of that hour wrong, and for ever (`back-dated`,
PROTOCOL §5). So our clock is held against the database's before it stamps, and a slot that is
ahead all the same rests until its time has come. Both end by themselves.
"""

from datetime import datetime, timedelta
from typing import Final

from gateway import metrics
from gateway.clock import CLOCK_OFF_MAX, Clock
from gateway.errors import ClockOffError
from gateway.flows.record_types import SlotAheadError
from gateway.logs import get_logger
from gateway.storage.clock import database_now
from gateway.storage.database import WriterConnection

LOOK_S: Final = 1.0
"""So long the database need not be asked again; our monotonic clock tells what it shows."""

log = get_logger()


class StampGuard:
    """Holds the clock that stamps one slot against the clock of its database."""

    def __init__(self, connection: WriterConnection, clock: Clock, slot: int) -> None:
        self._connection = connection
        self._clock = clock
        self._slot = slot
        self._shown: datetime | None = None
        self._shown_at = 0.0
        self._refused: str | None = None

    async def now(self, last: datetime | None) -> datetime:
        """Return the present instant, if a batch may be stamped now behind an entry of `last`.

        Raises:
            ClockOffError: our clock and the database's are too far apart.
            SlotAheadError: the slot's last entry is too far in the future.
            UnknownCommitError: the connection is gone.
        """
        off = await self._off()
        now = self._clock.now()
        ahead = max(timedelta(0), (last or now) - now)
        metrics.DATABASE_CLOCK_OFF.set(abs(off).total_seconds())
        metrics.RECORD_SLOT_AHEAD.set(ahead.total_seconds())
        error: ClockOffError | SlotAheadError | None = None
        if abs(off) > CLOCK_OFF_MAX:
            error = ClockOffError("clock: too far from the database's")
        elif ahead > CLOCK_OFF_MAX:
            error = SlotAheadError(f"slot {self._slot}: its last entry is in the future")
        self._tell(error, off, ahead)
        if error is not None:
            raise error
        return now

    def _tell(
        self, error: ClockOffError | SlotAheadError | None, off: timedelta, ahead: timedelta
    ) -> None:
        """Log the first refusal of a time, and its end."""
        problem = None if error is None else error.problem
        if problem == self._refused:
            return
        self._refused = problem
        if problem is None:
            log.warning("stamps_taken_again", slot=self._slot)
        else:
            seconds = off if isinstance(error, ClockOffError) else ahead
            log.error(
                "stamps_refused",
                slot=self._slot,
                problem=problem,
                seconds=round(seconds.total_seconds(), 3),
            )

    async def _off(self) -> timedelta:
        """Return how far our clock is ahead of the database's."""
        since = self._clock.monotonic() - self._shown_at
        if self._shown is not None and 0 <= since < LOOK_S:
            off = self._clock.ahead_of(self._shown + timedelta(seconds=since))
            if abs(off) <= CLOCK_OFF_MAX:
                return off
            # Perhaps the machine slept, and our monotonic clock with it.
        before = self._clock.monotonic()
        self._shown = await database_now(self._connection)
        after = self._clock.monotonic()
        self._shown_at = (before + after) / 2
        return self._clock.ahead_of(self._shown + timedelta(seconds=(after - before) / 2))
