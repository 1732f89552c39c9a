"""Corrections of ours on their way to the core and the other party (法31①の表, 個情法97の読替).

The outbox alone tells them: nobody waits, and each is told until it is acknowledged.
"""

from collections.abc import Sequence
from typing import Final

from gateway.flows.context import Context
from gateway.flows.outbox import RowVerdict, verdict_of
from gateway.flows.proofs import Proven, prove
from gateway.flows.record_types import Recorded
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.storage.outbox import OutboxEffect, OutboxRow
from gateway.wire.lookups import CorrectionNotice, CorrectionNoticesRequest
from gateway.wire.network import AcknowledgedAnswer, AcknowledgedResult

KIND: Final = "correction"
PATH: Final = "/v1/correction-notices"
KEEP_S: Final = 366 * 86400.0
"""The law sets no end to telling it; after a year somebody has to look, and is alarmed."""


def correction_row(*, entry_id: str, permit_id: str, destination: str) -> OutboxEffect:
    """Return the outbox row by which one party is told of a correction, at once."""
    return OutboxEffect(
        outbox_id=f"{KIND}-{entry_id}-{destination}",
        kind=KIND,
        destination=destination,
        body={"permit_id": permit_id, "entry_id": entry_id},
        after_s=0.0,
        keep_s=KEEP_S,
    )


class TellCorrections:
    """Tells what the outbox says is due."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def send_rows(self, destination: str, rows: Sequence[OutboxRow]) -> list[RowVerdict]:
        """Tell one party of corrections; called by the outbox job."""
        found = await self._context.writer.recall([str(row.body["entry_id"]) for row in rows])
        recorded = [found[str(row.body["entry_id"])] for row in rows]
        proven = await prove(self._context.writer, recorded)
        request = CorrectionNoticesRequest(
            groups=proven.groups,
            items=[_notice(row, one, proven) for row, one in zip(rows, recorded, strict=True)],
        )
        answer = await self._context.peers.post(destination, PATH, request, AcknowledgedAnswer)
        if len(answer.results) != len(rows):
            raise PeerProtocolError("corrections: another number of results")
        return [_verdict(row, result) for row, result in zip(rows, answer.results, strict=True)]


def _notice(row: OutboxRow, recorded: Recorded, proven: Proven) -> CorrectionNotice:
    place = proven.reference(recorded)
    return CorrectionNotice(
        permit_id=str(row.body["permit_id"]), group=place.group, index=place.index
    )


def _verdict(row: OutboxRow, result: AcknowledgedResult) -> RowVerdict:
    if result.result is not None and result.result.permit_id == row.body["permit_id"]:
        return RowVerdict.DONE
    if result.problem is not None:
        return verdict_of(ItemRefusedError(result.problem))
    return verdict_of(PeerProtocolError("corrections: neither result nor problem"))
