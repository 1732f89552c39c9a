"""The record log as flows see it: entries go in, statements come out (PROTOCOL §5).

One task holds a slot and records what comes (`record_run.py`). When the slot is lost, to a
failover or a result that nobody knows, it takes one again (`record_takeover.py`); meanwhile
nothing is taken in. Whoever awaits an answer may leave; nothing is ever cancelled on the way to
the database.
"""

import asyncio
import contextlib
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from gateway.clock import Clock
from gateway.errors import DrainingError, SekishoError
from gateway.flows.record_drafts import prepare_call
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_proofs import (
    Notary,
    SignerAt,
    checkpoint_of,
    checkpoints_at,
    find_recorded,
    prove,
)
from gateway.flows.record_queue import Call, FairQueue
from gateway.flows.record_run import SlotRun
from gateway.flows.record_takeover import Elsewhere, Takeover, WitnessesSilentError
from gateway.flows.record_types import (
    Draft,
    EffectRefusedError,
    EntryRefusedError,
    NoFreeSlotError,
    Outcome,
    Recorded,
    SearchColumns,
    SlotDoubtedError,
    SlotStoppedError,
    StaleDecisionError,
    new_id,
)
from gateway.flows.slot_seals import LogKeys, SlotSeals
from gateway.logs import get_logger
from gateway.metrics import RECORD_QUEUE
from gateway.records.note import Checkpoint, LogSigner
from gateway.records.statements import StatementGroup
from gateway.storage.database import Database

__all__ = [
    "Draft",
    "EffectRefusedError",
    "EntryRefusedError",
    "NoFreeSlotError",
    "Outcome",
    "RecordWriter",
    "Recorded",
    "SearchColumns",
    "SlotStoppedError",
    "StaleDecisionError",
    "new_id",
    "record_writer",
]

T = TypeVar("T")

RECENT_MAX: Final = 1024
"""How many of the last entries are at hand for messages that follow them at once."""
AGAIN_S: Final = 0.2
LOSSES: Final = "losses"
"""The source of entries that tell of frozen slots."""

log = get_logger()


@asynccontextmanager
async def record_writer(
    *,
    database: Database,
    organisation: str,
    signer: LogSigner,
    keys: LogKeys,
    clock: Clock,
    marks: ReleasedMarks,
    queue: FairQueue | None = None,
    elsewhere: Elsewhere | None = None,
    is_replicated: bool = False,
) -> AsyncIterator["RecordWriter"]:
    """Write into the first free slot until the context ends; what waits then is still written.

    `is_replicated` promises that a commit also stands on a synchronous standby. While no witness
    can tell whether a slot is whole, the writer is there without one.

    Raises:
        ConfigurationError: that was promised and the database waits for none; or the key store
            lacks the key of the seals.
        NoFreeSlotError: others hold every slot, or all are frozen.
        UnavailableError: there is no database.
    """
    seals = SlotSeals.open(keys)
    takeover = Takeover(
        database=database,
        organisation=organisation,
        keys=keys,
        seals=seals,
        clock=clock,
        marks=marks,
        elsewhere=elsewhere,
        is_replicated=is_replicated,
    )
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints") as thread:
        writer = RecordWriter(
            takeover=takeover,
            notary=Notary(
                signer=signer,
                clock=clock,
                thread=thread,
                marks=marks,
                seals=seals,
                is_replicated=is_replicated,
            ),
            queue=FairQueue() if queue is None else queue,
        )
        with contextlib.suppress(WitnessesSilentError):
            await writer.take()
        task = asyncio.create_task(writer.run(), name="record-writer")
        try:
            yield writer
        finally:
            writer.drain()
            if writer.is_taking:
                task.cancel()  # taking a slot may wait for ever, and commits nothing of ours
            await asyncio.wait((task,))


class RecordWriter:
    """The record log of one worker."""

    def __init__(self, *, takeover: Takeover, notary: Notary, queue: FairQueue) -> None:
        self._takeover = takeover
        self._database = takeover.database
        self._notary = notary
        self._queue = queue
        self._run: SlotRun | None = None
        self._recent: OrderedDict[str, Recorded] = OrderedDict()
        self._taken = asyncio.Event()
        self._lost = asyncio.Event()
        self._draining = asyncio.Event()

    @property
    def slot(self) -> int | None:
        """The slot this worker writes, if it holds one just now."""
        return None if self._run is None or self._run.is_over else self._run.slot

    @property
    def waiting(self) -> int:
        """How many entries wait to be recorded."""
        return len(self._queue)

    @property
    def is_stopped(self) -> bool:
        """Whether nothing can be recorded just now."""
        return self.slot is None

    @property
    def is_taking(self) -> bool:
        """Whether a slot is being taken, or waited for."""
        return self._run is None

    async def wait_taken(self) -> None:
        """Return when a slot is held."""
        await self._taken.wait()

    async def wait_lost(self) -> None:
        """Return when the slot that is held now is not any more."""
        await self._lost.wait()

    async def append(self, drafts: Sequence[Draft], *, source: str) -> list[Outcome]:
        """Record drafts together and return what became of each, in their order.

        `source` (a peer, a client) is whom the queue is fair between. When this returns, the
        recorded ones are committed and their checkpoint is signed.

        Raises:
            QueueFullError: too much waits; nothing was queued.
            NoFreeSlotError: no slot is held just now; nothing was queued.
            SlotStoppedError: nobody knows whether these entries are recorded.
            DrainingError: the gateway is going down.
            UnavailableError: the database had deadlocks without end; nothing was recorded.
            ClockOffError, SlotAheadError: no time can be stamped just now; nothing was recorded.
            RecordsError, UnstorableError: a draft cannot be recorded; nothing was queued.
        """
        if self._draining.is_set():
            raise DrainingError("the record log takes nothing new")
        run = self._run
        if run is None or run.is_over:
            raise NoFreeSlotError("no slot is held just now")
        prepared = prepare_call(
            drafts,
            organisation=self._takeover.organisation,
            slot=run.slot,
            kinds=run.kinds,
        )
        answer: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._queue.put(Call(source=source, prepared=prepared, answer=answer))
        RECORD_QUEUE.set(self.waiting)
        return await answer

    async def statements(self, recorded: Sequence[Recorded]) -> StatementGroup:
        """Return entries of one slot as one statement group."""
        ((_, group),) = await self.statement_groups(recorded)
        return group

    async def statement_groups(
        self, recorded: Sequence[Recorded]
    ) -> list[tuple[int, StatementGroup]]:
        """Return entries of any slots as statements: a group a slot, in slot order.

        What one batch recorded needs no read; the rest is proved under its slot's latest root.
        """
        return await self._or_doubt(lambda: prove(self._database, self._notary, recorded))

    def sign_with(self, signer_at: SignerAt) -> None:
        """Sign with the key that is in force at the moment of signing."""
        self._notary.sign_with(signer_at)

    async def checkpoint(self, slot: int) -> str:
        """Return a note of as much of a slot as may be signed: all, if nothing is wrong with it.

        Raises:
            NotFoundError: there is no such slot.
            SlotFrozenError: nothing of it may be signed.
        """
        return await self._or_doubt(lambda: checkpoint_of(self._database, self._notary, slot))

    async def checkpoints_at(
        self, slot: int, sizes: Sequence[int], *, shown: Checkpoint | None = None
    ) -> list[str]:
        """Return notes of a slot as it was at these committed sizes, newly signed.

        Of the tree `shown` a witness shows that it was signed before.
        """
        return await self._or_doubt(
            lambda: checkpoints_at(self._database, self._notary, slot, sizes, shown=shown)
        )

    async def find(self, entry_ids: Sequence[str]) -> dict[str, Recorded]:
        """Return entries recorded earlier, in any slot; unknown ids are left out."""
        return await find_recorded(self._database, entry_ids)

    async def recall(self, entry_ids: Sequence[str]) -> dict[str, Recorded]:
        """Return the same, from memory what this process recorded a moment ago."""
        found = {
            entry_id: self._recent[entry_id] for entry_id in entry_ids if entry_id in self._recent
        }
        missing = [entry_id for entry_id in entry_ids if entry_id not in found]
        return found | (await self.find(missing) if missing else {})

    async def doubt(self, slot: int) -> None:
        """Freeze a slot, anybody's, if what it holds is not what was signed; record that it is."""
        await self._takeover.freeze_if_lost(slot, self._copies)
        drafts = await self._takeover.untold()
        if drafts and not self.is_stopped:
            # If not here, whoever takes a slot next tells of it.
            with contextlib.suppress(SekishoError):
                await self.append(drafts, source=LOSSES)

    def drain(self) -> None:
        """Take nothing new; `run` returns when everything that waits is recorded."""
        self._draining.set()
        if self._run is not None:
            self._run.drain()

    async def take(self) -> None:
        """Take a slot; raises as `Takeover.take` does."""
        tenancy = await self._takeover.take(self._copies)
        # The database may have lost what was at hand.
        self._recent.clear()
        self._notary.forget()
        self._run = SlotRun(
            tenancy=tenancy, notary=self._notary, queue=self._queue, remember=self._remember
        )
        self._lost.clear()
        self._taken.set()

    async def run(self) -> None:
        """Hold a slot and record until drained; the writer's only task."""
        while True:
            if self._run is not None:
                await self._run.run()
                self._run = None
                self._taken.clear()
                self._lost.set()
            if self._draining.is_set():
                return
            try:
                await self.take()
            except SekishoError as error:
                log.warning("slot_not_taken", problem=error.problem)
                await self._pause()

    async def _or_doubt(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what was asked for; a slot in doubt is looked at, and asked for once more."""
        try:
            return await ask()
        except SlotDoubtedError as error:
            await self.doubt(error.slot)
        return await ask()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S):
                await self._draining.wait()

    def _remember(self, settled: Sequence[Recorded]) -> None:
        for recorded in settled:
            self._recent[recorded.entry_id] = recorded
        while len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)

    def _copies(self, slot: int, size: int) -> Mapping[str, Sequence[int]]:
        """Return whom this process gave entries of a slot from `size` on, with their indexes."""
        given: defaultdict[str, list[int]] = defaultdict(list)
        for recorded in self._recent.values():
            if recorded.slot == slot and recorded.index >= size and recorded.counterparty:
                given[recorded.counterparty].append(recorded.index)
        return given
