"""Released answers on their way: each attempt is checked anew and sent until acknowledged.

Between release and delivery a switch may be thrown, the law may change, a flag may be set. Then
the row stops, and the record says so (PROTOCOL §3 *Held answers*).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import msgspec
import structlog

from certs.permits import Permit
from codes.canonical import b64, unb64
from gateway.domain.hold import HoldState
from gateway.errors import RefusedError
from gateway.flows.answering import REPLY_KEY, Answering
from gateway.flows.answers import CASE, HOLDS, HeldCase
from gateway.flows.context import Context
from gateway.flows.delivery_drafts import KIND
from gateway.flows.gate import Gate
from gateway.flows.open_inquiry import inquiry_of
from gateway.flows.outbox import RowVerdict, verdict_of
from gateway.flows.presented import Matter
from gateway.flows.proofs import Proven, prove
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.storage import flags, holds
from gateway.storage.holds import HoldEnded, HoldRow, KeptDelivery
from gateway.storage.outbox import OutboxRow
from gateway.wire.network import (
    AcknowledgedAnswer,
    DeliveriesRequest,
    Delivery,
    Key,
    Sealed,
)
from policies.measures import StopSwitch

log = structlog.get_logger()

PATH: Final = "/v1/deliveries"
SOURCE: Final = KIND


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """One delivery that may go out now."""

    kept: KeptDelivery
    recorded: Recorded = field(repr=False)


class Deliver:
    """Sends deliveries that the outbox says are due."""

    def __init__(self, context: Context, answering: Answering) -> None:
        self._context = context
        self._answering = answering

    async def send_rows(self, inquirer: str, rows: Sequence[OutboxRow]) -> list[RowVerdict]:
        """Send what is due to one inquirer; called by the outbox job."""
        permits = [str(row.body["permit_id"]) for row in rows]
        async with self._context.database.read() as connection:
            kept = await holds.deliveries(connection, permits)
            held = await holds.find(connection, [one.hold_id for one in kept.values()])
        gate = await self._context.gate.fresh()
        ready: dict[str, KeptDelivery] = {}
        for permit_id, one in kept.items():
            reason = await self._forbidden(held[one.hold_id], one, gate)
            if reason is None:
                ready[permit_id] = one
            else:
                await self._stop(held[one.hold_id], reason)
        left, refused = await self._send(inquirer, ready)
        for permit_id, reason in refused.items():
            # Nobody waits for it any more, or something else was taken: it will never be.
            await self._stop(held[ready[permit_id].hold_id], reason)
        # A row without a delivery was acknowledged, stopped or has lapsed: nothing is left to do.
        return [RowVerdict.RETRY if permit in left else RowVerdict.DONE for permit in permits]

    async def _forbidden(
        self, row: HoldRow, kept: KeptDelivery, gate: Gate[StopSwitch]
    ) -> str | None:
        """Return why this delivery must not go out now, or None."""
        now = self._context.clock.now()
        if row.request_expires <= now:
            return "lapsed"
        if kept.sealed is None and row.state is HoldState.REFUSED:
            return None
        self._context.trust.require_fresh(now)
        matter = self._matter(row)
        directory, reply_key = self._context.trust.directory, matter.inquiry.reply_key
        if directory.is_sealing_key_revoked(row.inquirer, reply_key, now):
            return REPLY_KEY
        days = (date.fromisoformat(matter.permit.law_day), self._context.trust.law_day(now))
        for day in dict.fromkeys(days):
            try:
                if self._answering.lawful(matter, gate, now, on_day=day) is None:
                    return "wrong-inquirer"
            except RefusedError as refused:
                return refused.reason
        return await self._flagged_since(row, matter)

    async def _flagged_since(self, row: HoldRow, matter: Matter) -> str | None:
        """Return a reason if somebody flagged the person after people had decided."""
        information = matter.permit.information
        async with self._context.database.read() as connection:
            standing = (await flags.flags_for(connection, [row.subject])).get(row.subject, [])
        for flag in standing:
            is_newer = flag.set_at > row.moved_at
            if is_newer and flag.is_about(term=information.term, items=information.items):
                return "flagged-since"
        return None

    async def _stop(self, row: HoldRow, reason: str) -> None:
        """Record that this delivery will not be made."""
        draft = Draft(
            kind="delivery-stopped",
            members={"permit_id": row.permit_id, "inquirer": row.inquirer, "reason": reason},
            private={"hold_id": row.hold_id},
            search=SearchColumns(
                outcome="stopped",
                counterparty=row.inquirer,
                procedure=row.procedure,
                information=row.information,
                permit_id=row.permit_id,
            ),
            effects=(
                HoldEnded(
                    hold_id=row.hold_id,
                    from_state=row.state.value,
                    state=HoldState.STOPPED.value,
                ),
            ),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded | EffectRefusedError):
            raise outcome
        log.warning("delivery_stopped", hold_id=row.hold_id, reason=reason)

    async def _send(
        self, inquirer: str, ready: Mapping[str, KeptDelivery]
    ) -> tuple[set[str], dict[str, str]]:
        """Return which permits must be sent again, and which were refused for good and why."""
        if not ready:
            return set(), {}
        found = await self._context.writer.find([one.entry_id for one in ready.values()])
        items = [_Ready(kept=one, recorded=found[one.entry_id]) for one in ready.values()]
        proven = await prove(self._context.writer, [item.recorded for item in items])
        answer = await self._context.peers.post(
            inquirer, PATH, _request(items, proven), AcknowledgedAnswer
        )
        if len(answer.results) != len(items):
            raise PeerProtocolError("deliveries: another number of results")
        left = set(ready)
        refused: dict[str, str] = {}
        done: list[str] = []
        for item, result in zip(items, answer.results, strict=True):
            permit_id, problem = item.kept.permit_id, result.problem
            if result.result is not None and result.result.permit_id == permit_id:
                done.append(permit_id)
            elif problem and verdict_of(ItemRefusedError(problem)) is RowVerdict.DEAD:
                refused[permit_id] = problem.type
        if done:
            async with self._context.database.transaction() as connection:
                await holds.delivered(connection, done)
        return left.difference(done, refused), refused

    def _matter(self, row: HoldRow) -> Matter:
        raw = self._context.vault.open(HOLDS, CASE, row.key_year, row.hold_id, row.case_box)
        kept = msgspec.json.decode(raw, type=HeldCase)
        return Matter(
            inquirer=kept.inquirer,
            permit=msgspec.convert(kept.permit, Permit),
            inquiry=inquiry_of(unb64(kept.inquiry)),
        )


def _request(items: Sequence[_Ready], proven: Proven) -> DeliveriesRequest:
    keys: list[Key] = []
    deliveries: list[Delivery] = []
    for item in items:
        kept, sealed = item.kept, None
        if kept.message_key is not None and kept.number is not None and kept.sealed is not None:
            keys.append(Key(**kept.message_key))
            sealed = Sealed(key=len(keys) - 1, n=kept.number, ct=b64(kept.sealed))
        place = proven.reference(item.recorded)
        deliveries.append(
            Delivery(permit_id=kept.permit_id, group=place.group, index=place.index, sealed=sealed)
        )
    return DeliveriesRequest(groups=proven.groups, keys=keys, items=deliveries)
