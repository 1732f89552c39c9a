"""Inquiries that somebody let go, and those that nothing will come for any more."""

from datetime import timedelta
from typing import Final

import structlog

from gateway import metrics
from gateway.domain.inquiry import BEFORE, InquiryState
from gateway.flows.context import Context
from gateway.flows.continue_inquiry import Continuations
from gateway.flows.open_inquiry import reopen
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded
from gateway.storage import inquiries
from gateway.storage.effects import Effect
from gateway.storage.inquiries import InquiryAcknowledged, InquiryMoved, InquiryRow

log = structlog.get_logger()

BATCH: Final = 64
OPEN_LIFE: Final = timedelta(days=7)
RESULT_LIFE: Final = timedelta(days=30)
KEPT_AFTER_ACKNOWLEDGEMENT: Final = timedelta(days=7)
KEPT_FOR_RECONCILING: Final = timedelta(days=45)
"""A request lives 30 days at most; then come the nights in which it is reconciled."""
SOURCE: Final = "inquiries"


class InquiryJob:
    """Takes open inquiries up again and ends what has lapsed."""

    def __init__(self, context: Context, continuations: Continuations) -> None:
        self._context = context
        self._continuations = continuations

    async def take_up(self) -> None:
        """Go on with open inquiries whose worker is gone, from their last recorded step."""
        async with self._context.database.read() as connection:
            rows = await inquiries.take_over(connection, limit=BATCH)
        if not rows:
            return
        found = await self._context.writer.find([row.entry_id for row in rows])
        for row in rows:
            try:
                opened = reopen(row, found[row.entry_id], self._context.vault)
            except Exception:
                # One that cannot be read keeps no other back; it lapses in its time.
                log.exception("inquiry_not_reopened", inquiry_id=row.inquiry_id)
            else:
                self._continuations.start(opened, bulk=True)
        log.info("inquiries_taken_up", count=len(rows))

    async def end_lapsed(self) -> None:
        """End inquiries past their time, each with an entry."""
        now = self._context.clock.now()
        async with self._context.database.read() as connection:
            lapsed = await inquiries.lapsed(
                connection, now=now, accepted_before=now - OPEN_LIFE, limit=BATCH
            )
        for row in lapsed:
            await self._end(row, "inquiry-lapsed", _lapsed(row))

    async def end_unfetched(self) -> None:
        """Erase results that nobody fetched in their time, each with an entry."""
        before = self._context.clock.now() - RESULT_LIFE
        async with self._context.database.read() as connection:
            unfetched = await inquiries.unfetched(connection, finished_before=before, limit=BATCH)
        for row in unfetched:
            effect = InquiryAcknowledged(inquiry_id=row.inquiry_id, state=row.state)
            await self._end(row, "result-lapsed", effect)

    async def _end(self, row: InquiryRow, kind: str, effect: Effect) -> None:
        draft = Draft(
            kind=kind, members={}, private={"inquiry_id": row.inquiry_id}, effects=(effect,)
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if isinstance(outcome, Recorded):
            metrics.INQUIRIES.labels(outcome=kind).inc()
        elif not isinstance(outcome, EffectRefusedError):
            raise outcome


def _lapsed(row: InquiryRow) -> InquiryMoved:
    return InquiryMoved(
        inquiry_id=row.inquiry_id,
        from_states=tuple(BEFORE[InquiryState.LAPSED]),
        state=InquiryState.LAPSED,
    )
