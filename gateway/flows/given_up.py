"""Answers to inquiries that were given up while their worker was dead, taken in soon (法23).

A worker that dies after it presented a permit leaves an answer that only its provider knows of. An
open inquiry is taken up and asks again. One that was withdrawn meanwhile must not: nobody may
cause an answer to it any more. So here the core is asked what it was told, which changes nothing,
and an answer that was given is taken in by its statement; what was never presented lapses.
"""

from datetime import timedelta
from typing import Final

import structlog

from codes.canonical import parse_instant
from gateway import metrics
from gateway.flows.context import Context
from gateway.flows.late_answers import LateAnswers, LostAnswer, at_core
from gateway.flows.permits_at_core import permits_at_core
from gateway.flows.receipts import Receipts
from gateway.storage import inquiries
from gateway.wire.reconciliations import INQUIRIES_MAX, PermitReconciled

log = structlog.get_logger()

TURN_S: Final = 2.0
LOOKED_FOR: Final = timedelta(days=30)
"""The core's look-up spans 31 days; what is older was reconciled when its request expired."""
_ANSWERS: Final = frozenset({"provision", "delivery"})


class AnswersToGivenUp:
    """Looks for what was answered to inquiries given up; doing it twice does nothing."""

    def __init__(self, context: Context, receipts: Receipts) -> None:
        self._context = context
        self._late = LateAnswers(context, receipts)

    async def turn(self) -> None:
        """Look for answers to inquiries whose worker has had its time; two workers never share one.

        Raises what asking the core raises; they are looked for again after a while in any case.
        """
        since = self._context.clock.now() - LOOKED_FOR
        async with self._context.database.read() as connection:
            taken = await inquiries.take_given_up(
                connection, accepted_after=since, limit=INQUIRIES_MAX
            )
        recorded = await self._context.writer.find(list(taken)) if taken else {}
        if not recorded:
            return
        leaves = [one.leaf_hash.hex() for one in recorded.values()]
        permits = await permits_at_core(
            self._context,
            leaves,
            since=min(taken.values()),
            until=self._context.clock.now(),
        )
        found = await self._late.take_in([lost for one in permits for lost in _lost(one)])
        for repaired in found.repaired:
            metrics.RECONCILIATION_REPAIRED.labels(reason=repaired.reason).inc()
        # What differs is named when the request has expired, if it still does.
        if found.repaired:
            log.info("lost_answers_taken_in", count=len(found.repaired))


def _lost(one: PermitReconciled) -> list[LostAnswer]:
    """Return what its provider told of a permit, if it told anything."""
    permit = at_core(one)
    leaves = frozenset(told.leaf for told in permit.by(permit.provider) if told.kind in _ANSWERS)
    requested_at = parse_instant(one.requested_at)
    return [LostAnswer(permit=permit, requested_at=requested_at, leaves=leaves)] if leaves else []
