"""A refusal is evidence too; noise from strangers is not (DESIGN §2.7, PROTOCOL §5).

A request whose TLS organisation and statement verified and which is refused all the same becomes an
entry of its own. Anything else is counted, and folded into one entry per peer, kind and minute.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from codes.canonical import b64, instant
from gateway import metrics
from gateway.errors import SekishoError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.flows.statements import Statement
from gateway.records.kinds import Inquiry

log = structlog.get_logger()

SOURCE: Final = "security-events"
KINDS_MAX: Final = 1024
"""Peers times kinds that one minute keeps apart; the rest is counted under `other`."""
OTHER: Final = "other"
BATCH: Final = 256


def refusal_of(
    statement: Statement, *, sender: str, reason: str, permit_id: str | None = None
) -> Draft:
    """Return the entry of an authentic request that was refused."""
    inquiry = statement.entry.public
    members: dict[str, object] = {
        "reason": reason,
        "of": statement.entry.leaf_hash.hex(),
        "counterparty": sender,
    }
    if permit_id is not None:
        members["permit_id"] = permit_id
    search = SearchColumns(outcome="refused", counterparty=sender, permit_id=permit_id)
    if isinstance(inquiry, Inquiry):
        members |= {
            "inquirer_body": inquiry.inquirer_body,
            "provider_body": inquiry.provider_body,
            "department": inquiry.department,
            "affair": inquiry.affair,
            "procedure": inquiry.procedure,
            "law_day": inquiry.law_day,
            "non_disclosure": inquiry.non_disclosure,
        }
        search = SearchColumns(
            outcome="refused",
            counterparty=sender,
            procedure=inquiry.procedure,
            information=inquiry.information.term,
            permit_id=permit_id,
        )
    return Draft(
        kind="refusal",
        members=members,
        private={"statement": b64(statement.entry.raw)},
        search=search,
    )


async def record_refusals(context: Context, drafts: Sequence[Draft], *, source: str) -> None:
    """Record refusals before anybody hears of them."""
    if not drafts:
        return
    for outcome in await context.writer.append(drafts, source=source):
        if not isinstance(outcome, Recorded):
            raise outcome


class SecurityEvents:
    """What came and was not authentic: counted at once, recorded by the minute."""

    def __init__(self, context: Context, *, listener: str) -> None:
        self._context = context
        self._listener = listener
        self._counts: Counter[tuple[str, str]] = Counter()
        self._since = context.clock.now()
        self._turning = asyncio.Lock()

    def note(self, peer: str, kind: str) -> None:
        """Count one event; `kind` is a reason slug, never anything a stranger wrote."""
        metrics.SECURITY_EVENTS.labels(listener=self._listener, kind=kind).inc()
        key = (peer, kind)
        if key not in self._counts and len(self._counts) >= KINDS_MAX:
            key = (OTHER, OTHER)
        self._counts[key] += 1

    async def turn(self) -> None:
        """Record the last minute: one entry for each peer and kind, none for a quiet one."""
        async with self._turning:
            await self._record()

    async def close(self) -> None:
        """Record what this minute has seen so far: whoever drains has no next one."""
        try:
            await self.turn()
        except SekishoError as error:
            log.warning("security_events_lost", count=self._counts.total(), problem=error.problem)

    async def _record(self) -> None:
        now = self._context.clock.now()
        counts, self._counts = self._counts, Counter()
        since, self._since = self._since, now
        events = sorted(counts.items())
        try:
            for start in range(0, len(events), BATCH):
                batch = events[start : start + BATCH]
                drafts = [
                    self._draft(peer, kind, count, since, now) for (peer, kind), count in batch
                ]
                await record_refusals(self._context, drafts, source=SOURCE)
                for key, _ in batch:
                    del counts[key]
        except Exception:
            # What is not on record yet goes into the next minute's entries.
            self._counts.update(counts)
            self._since = since
            raise

    def _draft(self, peer: str, kind: str, count: int, since: datetime, until: datetime) -> Draft:
        return Draft(
            kind="security-events",
            members={},
            private={
                "listener": self._listener,
                "peer": peer,
                "event": kind,
                "count": count,
                "from": instant(since),
                "to": instant(until),
            },
            search=SearchColumns(outcome=kind, counterparty=peer),
        )
