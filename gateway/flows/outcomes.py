"""Both parties tell the core how each exchange came out (PROTOCOL §3, 6; 法23③).

The worker that recorded an outcome tells it at once, in company; its outbox row stands behind, for
the case that the worker is gone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from gateway.errors import SekishoError
from gateway.flows.batching import Batcher
from gateway.flows.context import Context
from gateway.flows.outbox import RowVerdict, verdict_of
from gateway.flows.proofs import Proven, prove
from gateway.flows.record_types import Recorded
from gateway.outbound.errors import ItemRefusedError, PeerProtocolError
from gateway.outbound.lanes import Lane
from gateway.storage import outbox
from gateway.storage.outbox import OutboxEffect, OutboxRow
from gateway.wire.fields import ITEMS_MAX
from gateway.wire.network import Outcome, OutcomesAnswer, OutcomesRequest, OutcomeTaken

log = structlog.get_logger()

KIND: Final = "outcome"
PATH: Final = "/v1/outcomes"
RECEIPT: Final = "receipt"
GATHER_S: Final = 0.1
"""Nobody waits for the core to hear of an outcome, so outcomes wait a little for company."""
LOOKS_MAX: Final = 5
"""How often they wait again while every look finds more."""
AFTER_S: Final = 45.0
KEEP_S: Final = 30 * 86400.0

Received = Callable[[Sequence[str]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeToTell:
    """One recorded outcome of ours and the outbox row that stands behind it."""

    permit_id: str
    recorded: Recorded = field(repr=False)


class Outcomes:
    """Tells the core; `received` hears which of our answers the inquirer has a receipt for."""

    def __init__(self, context: Context, *, received: Received | None = None) -> None:
        self._context = context
        self._received = received
        self._lane: Lane[OutcomeToTell, OutcomeTaken] = Lane(self._send, peer=context.trust.core)
        self._told: Batcher[str, None] = Batcher(self._forget)
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathered: list[OutcomeToTell] = []

    def row(self, permit_id: str, entry_id: str) -> OutboxEffect:
        """Return the outbox row that goes with the entry of an outcome."""
        return OutboxEffect(
            outbox_id=entry_id,
            kind=KIND,
            destination=self._context.trust.core,
            body={"permit_id": permit_id, "entry_id": entry_id},
            after_s=AFTER_S,
            keep_s=KEEP_S,
        )

    def tell(self, permit_id: str, recorded: Recorded) -> None:
        """Tell it from memory, in the background, with all that comes in the next moment."""
        self._gathered.append(OutcomeToTell(permit_id=permit_id, recorded=recorded))
        if len(self._gathered) > 1:
            return
        task = asyncio.get_running_loop().create_task(self._tell_gathered())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send_rows(self, _core: str, rows: Sequence[OutboxRow]) -> list[RowVerdict]:
        """Tell rows that an earlier worker, or this one, left behind; called by the outbox job."""
        found = await self._context.writer.recall([str(row.body["entry_id"]) for row in rows])
        items = [
            OutcomeToTell(
                permit_id=str(row.body["permit_id"]), recorded=found[str(row.body["entry_id"])]
            )
            for row in rows
        ]
        answers = await self._send(items)
        return [
            RowVerdict.DONE if isinstance(answer, OutcomeTaken) else verdict_of(answer)
            for answer in answers
        ]

    async def close(self) -> None:
        """Let go; what was not told stays in the outbox."""
        await self._lane.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _tell_gathered(self) -> None:
        looks, before = 0, 0
        while looks < LOOKS_MAX and before < len(self._gathered) < ITEMS_MAX:
            before = len(self._gathered)
            await asyncio.sleep(GATHER_S)
            looks += 1
        gathered, self._gathered = self._gathered, []
        await asyncio.gather(*map(self._tell, gathered))

    async def _tell(self, item: OutcomeToTell) -> None:
        try:
            await self._lane.submit(item, client=KIND)
        except SekishoError as error:
            # The outbox row asks again, until the core has it.
            log.info("outcome_left_to_outbox", problem=error.problem)
        else:
            await self._told.get(item.recorded.entry_id)

    async def _send(self, items: Sequence[OutcomeToTell]) -> list[OutcomeTaken | Exception]:
        proven = await prove(self._context.writer, [item.recorded for item in items])
        request = OutcomesRequest(
            groups=proven.groups,
            items=[_outcome(item, proven) for item in items],
        )
        core = self._context.trust.core
        answer = await self._context.peers.post(core, PATH, request, OutcomesAnswer)
        if len(answer.results) != len(items):
            raise PeerProtocolError("outcomes: another number of results")
        outcomes: list[OutcomeTaken | Exception] = []
        for item, result in zip(items, answer.results, strict=True):
            if result.result is not None and result.result.permit_id == item.permit_id:
                outcomes.append(result.result)
            elif result.problem is not None:
                outcomes.append(ItemRefusedError(result.problem))
            else:
                outcomes.append(PeerProtocolError("outcomes: neither result nor problem"))
        received = [
            taken.permit_id
            for item, taken in zip(items, outcomes, strict=True)
            if isinstance(taken, OutcomeTaken) and taken.received and not _is_receipt(item)
        ]
        if received and self._received is not None:
            await self._received(received)
        return outcomes

    async def _forget(self, outbox_ids: Sequence[str]) -> dict[str, None]:
        async with self._context.database.read() as connection:
            await outbox.done(connection, outbox_ids)
        return {}


class _Kind(msgspec.Struct):
    kind: str


def _is_receipt(item: OutcomeToTell) -> bool:
    return msgspec.json.decode(item.recorded.entry, type=_Kind).kind == RECEIPT


def _outcome(item: OutcomeToTell, proven: Proven) -> Outcome:
    place = proven.reference(item.recorded)
    return Outcome(permit_id=item.permit_id, group=place.group, index=place.index)
