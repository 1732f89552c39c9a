"""The nightly reconciliation: what has come to its end since the last one, by one worker."""

from datetime import datetime, timedelta
from typing import Final

import structlog

from gateway import metrics
from gateway.flows.context import Context
from gateway.flows.reconcile_network import OTHERS_TIME, PERIOD_MAX, Reconcile
from gateway.jobs.nights import due_night
from gateway.storage import nightly

log = structlog.get_logger()

JOB: Final = "reconciliation"
INTERVAL_S: Final = 600.0
OVERLAP: Final = OTHERS_TIME + timedelta(days=1)
"""Permits are looked at again in the nights after: was the repair taken, did the other speak?"""
LOOKS_BACK: Final = timedelta(days=70)
"""At its first turn, or after a long time: the core keeps 80 days."""


class ReconciliationJob:
    """Goes on where the last night stopped; `done_until` is an instant of `requested_at`."""

    def __init__(self, context: Context, reconcile: Reconcile) -> None:
        self._context = context
        self._reconcile = reconcile

    async def turn(self) -> None:
        """Do the night's reconciliation, if it is due and nobody else is at it.

        Raises what `Reconcile.run` raises; the night's turn then comes again when the lease ends.
        """
        now = self._context.clock.now()
        night = due_night(now)
        async with self._context.database.read() as connection:
            done = None
            if night is not None:
                done = await nightly.claim(connection, JOB, night=night, begins=now - LOOKS_BACK)
            finished = await nightly.finished_at(connection, JOB)
        if finished is not None:
            metrics.RECONCILIATION_DONE.set(finished.timestamp())
        if night is not None and done is not None:
            differences = await self._run(done, now)
            async with self._context.database.read() as connection:
                await nightly.finish(connection, JOB, night=night)
            metrics.RECONCILIATION_DIFFERENCES.set(differences)
            metrics.RECONCILIATION_DONE.set(now.timestamp())
            log.info("records_reconciled", count=differences)

    async def _run(self, done: datetime, now: datetime) -> int:
        """Go on from where it stopped up to what still runs; return how much differs."""
        begins, differences = max(done - OVERLAP, now - LOOKS_BACK), 0
        while begins < now:
            found = await self._reconcile.run(begins, min(begins + PERIOD_MAX, now), only_over=True)
            differences += len(found.differences)
            done = max(done, found.ends)
            async with self._context.database.read() as connection:
                await nightly.advance(connection, JOB, done_until=done)
            begins = found.ends
            if found.is_at_running:
                break
        return differences
