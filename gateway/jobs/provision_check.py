"""The nightly check of decisions: every whole day since the last one, by one worker."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import structlog

from codes.canonical import TOKYO, tokyo_day
from gateway import metrics
from gateway.flows.check_provisions import CheckProvisions
from gateway.flows.context import Context
from gateway.jobs.nights import due_night
from gateway.storage import nightly

log = structlog.get_logger()

JOB: Final = "provision-check"
INTERVAL_S: Final = 600.0
DAYS_MAX: Final = 31
"""Days of one night: after a long time away the oldest are left to `records verify`."""


class ProvisionCheckJob:
    """Checks each day once it is over; `done_until` is the end of the last day checked."""

    def __init__(self, context: Context, checker: CheckProvisions) -> None:
        self._context = context
        self._checker = checker

    async def turn(self) -> None:
        """Check the days that are due, if nobody else is at it."""
        now = self._context.clock.now()
        night = due_night(now)
        async with self._context.database.read() as connection:
            done = None
            if night is not None:
                done = await nightly.claim(connection, JOB, night=night, begins=_begin_of(night))
            finished = await nightly.finished_at(connection, JOB)
        if finished is not None:
            metrics.DECISIONS_CHECKED.set(finished.timestamp())
        if night is not None and done is not None:
            wrong = await self._run(tokyo_day(done), night)
            async with self._context.database.read() as connection:
                await nightly.finish(connection, JOB, night=night)
            metrics.DECISIONS_WRONG.set(wrong)
            metrics.DECISIONS_CHECKED.set(now.timestamp())
            log.info("decisions_checked", count=wrong)

    async def _run(self, day: date, night: date) -> int:
        """Check every whole day from one on; return how many decisions were wrong."""
        day, wrong = max(day, night - timedelta(days=DAYS_MAX)), 0
        while day < night:
            wrong += len((await self._checker.run(day)).findings)
            day += timedelta(days=1)
            async with self._context.database.read() as connection:
                await nightly.advance(connection, JOB, done_until=_begin_of(day))
        return wrong


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), TOKYO).astimezone(UTC)
