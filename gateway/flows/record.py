"""The writer of the record log: commit, then sign, then answer (PROTOCOL §5).

One task takes all that waits, commits it on a connection of its own, lets a thread sign the
committed root and only then tells anybody. Whoever awaits an answer may leave; nothing is ever
cancelled on the way to the database. After a result that nobody knows the slot stops.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.errors import ConfigurationError, DrainingError, UnavailableError
from gateway.flows.record_drafts import prepare_call
from gateway.flows.record_proofs import Notary, checkpoint_of, find_recorded, prove
from gateway.flows.record_queue import Call, FairQueue
from gateway.flows.record_seal import MonthKeys, MonthSealer
from gateway.flows.record_slot import Commit, SlotWriter
from gateway.flows.record_start import hold_slot
from gateway.flows.record_types import (
    Draft,
    EffectRefusedError,
    EntryRefusedError,
    NoFreeSlotError,
    Outcome,
    Recorded,
    SearchColumns,
    SlotStoppedError,
    StaleDecisionError,
    Under,
    new_id,
)
from gateway.logs import get_logger
from gateway.metrics import (
    RECORD_BATCH_ENTRIES,
    RECORD_COMMIT_SECONDS,
    RECORD_QUEUE,
    RECORD_SLOTS_STOPPED,
    RECORDS,
)
from gateway.records.note import Checkpoint, LogSigner, log_origin
from gateway.records.statements import StatementGroup
from gateway.storage.append import BatchAgainError, effect_kinds, has_synchronous_standby
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

LINGER_S: Final = 0.002
"""How long the writer waits to see whether more comes, when more than `ALONE_MAX` are about."""
ALONE_MAX: Final = 2
COMPANY_S_MAX: Final = 0.03
"""How long a batch may grow, while every look finds more (ADR 0013)."""
RECENT_MAX: Final = 1024
"""How many of the last entries are at hand for messages that follow them at once."""

log = get_logger()


@asynccontextmanager
async def record_writer(
    *,
    database: Database,
    network: str,
    organisation: str,
    signer: LogSigner,
    keys: MonthKeys,
    clock: Clock,
    queue: FairQueue | None = None,
    is_replicated: bool = False,
) -> AsyncIterator["RecordWriter"]:
    """Write into the first free slot until the context ends; what waits then is still written.

    `is_replicated` promises that a commit also stands on a synchronous standby.

    Raises:
        ConfigurationError: that was promised and the database waits for none.
        NoFreeSlotError: others hold every slot.
        SlotDamagedError: the slot's rows do not lead to its root.
        UnavailableError: there is no database.
    """
    warnings: list[str] = []
    connection = await database.connect_writer(warnings.append)
    try:
        if is_replicated and not await has_synchronous_standby(connection):
            raise ConfigurationError("durability replicated: there is no synchronous standby")
        sealer = MonthSealer(keys, organisation)
        slot = await hold_slot(connection, warnings, sealer=sealer, clock=clock)
        kinds = await effect_kinds(connection)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints") as thread:
            writer = RecordWriter(
                database=database,
                network=network,
                organisation=organisation,
                slot=slot,
                notary=Notary(signer=signer, clock=clock, thread=thread),
                kinds=kinds,
                queue=FairQueue() if queue is None else queue,
            )
            connection.add_termination_listener(lambda _: writer.disconnected())
            task = asyncio.create_task(writer.run(), name=f"record-writer-{slot.slot}")
            try:
                yield writer
            finally:
                writer.drain()
                await task
    finally:
        # Not `close`: that waits for a database that may be gone.
        connection.terminate()


class RecordWriter:
    """The record log as flows see it: entries go in, statements come out."""

    def __init__(
        self,
        *,
        database: Database,
        network: str,
        organisation: str,
        slot: SlotWriter,
        notary: Notary,
        kinds: frozenset[str],
        queue: FairQueue,
    ) -> None:
        self._database = database
        self._organisation = organisation
        self._origin = log_origin(network, organisation, slot.slot)
        self._slot = slot
        self._notary = notary
        self._kinds = kinds
        self._queue = queue
        self._calls: Sequence[Call] = ()
        self._signing: asyncio.Future[list[str]] | None = None
        self._is_draining = False
        self._is_disconnected = False
        self._stopped: asyncio.Event = asyncio.Event()
        self._recent: OrderedDict[str, Recorded] = OrderedDict()

    @property
    def slot(self) -> int:
        """The slot this worker writes."""
        return self._slot.slot

    @property
    def waiting(self) -> int:
        """How many entries wait to be recorded."""
        return len(self._queue)

    @property
    def is_stopped(self) -> bool:
        """Whether the slot has stopped; only a new writer can go on."""
        return self._stopped.is_set()

    async def wait_stopped(self) -> None:
        """Return when the slot has stopped."""
        await self._stopped.wait()

    async def append(self, drafts: Sequence[Draft], *, source: str) -> list[Outcome]:
        """Record drafts together and return what became of each, in their order.

        `source` (a peer, a client) is whom the queue is fair between. When this returns, the
        recorded ones are committed and their checkpoint is signed.

        Raises:
            QueueFullError: too much waits; nothing was queued.
            SlotStoppedError: nobody knows whether these entries are recorded, or none more can be.
            DrainingError: the gateway is going down.
            UnavailableError: the database had deadlocks without end; nothing was recorded.
            RecordsError, UnstorableError: a draft cannot be recorded; nothing was queued.
        """
        if self.is_stopped:
            raise SlotStoppedError("the slot has stopped")
        if self._is_draining:
            raise DrainingError("the record log takes nothing new")
        prepared = prepare_call(
            drafts, organisation=self._organisation, slot=self.slot, kinds=self._kinds
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
        return await prove(self._database, self._notary, recorded)

    async def checkpoint(self, slot: int) -> str:
        """Return a note of a slot's committed root, any slot's; raises NotFoundError."""
        return await checkpoint_of(self._database, self._notary, slot)

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

    def drain(self) -> None:
        """Take nothing new; `run` returns when everything that waits is recorded."""
        self._is_draining = True
        self._queue.wake()

    def disconnected(self) -> None:
        """Stop before the next batch: the connection, and the slot's lock with it, are gone.

        What is in flight learns that from its own statement; only its result is not known.
        """
        self._is_disconnected = True
        self._queue.wake()

    async def run(self) -> None:
        """Record what comes until drained or stopped; the writer's only task."""
        is_busy = False
        try:
            while not (self._is_draining and not self.waiting):
                await self._queue.wait()
                if is_busy or self.waiting > ALONE_MAX:
                    await self._gather()
                if self._is_disconnected:
                    log.warning("slot_connection_lost", slot=self.slot)
                    self._end(UnavailableError("the writer's connection is gone"))
                self._calls = self._queue.take()
                is_busy = bool(self._calls) and await self._record(self._calls) > ALONE_MAX
            await self._signed()
        except Exception as error:  # noqa: BLE001  # the outermost loop: anything unforeseen stops the slot
            self._stop(error)

    async def _gather(self) -> None:
        """Wait for company as long as more keeps coming, but not for ever."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + COMPANY_S_MAX
        waited = -1
        while self.waiting > waited and loop.time() < deadline and not self._is_draining:
            waited = self.waiting
            await asyncio.sleep(LINGER_S)

    async def _record(self, calls: Sequence[Call]) -> int:
        prepared = [one for call in calls for one in call.writable]
        RECORD_QUEUE.set(self.waiting)
        try:
            with RECORD_COMMIT_SECONDS.time():
                commits = await self._slot.write(prepared) if prepared else []
        except BatchAgainError as error:
            for call in calls:
                call.fail(UnavailableError(f"the batch failed again and again: {error}"))
            return 0
        await self._signed()
        if commits:
            loop = asyncio.get_running_loop()
            checkpoints = [self._checkpoint(commit) for commit in commits]
            self._signing = loop.run_in_executor(
                self._notary.thread, self._notary.sign_all, checkpoints
            )
            self._signing.add_done_callback(partial(self._release, calls, commits))
        else:
            for call in calls:
                call.tell()
        self._calls = ()
        return len(prepared)

    async def _signed(self) -> None:
        """Wait until the batch before is signed: answers come in the order of the log."""
        if self._signing is not None:
            await asyncio.wait((self._signing,))

    def _checkpoint(self, commit: Commit) -> Checkpoint:
        return Checkpoint(self._origin, commit.extension.edge.size, commit.extension.root)

    def _release(
        self,
        calls: Sequence[Call],
        commits: Sequence[Commit],
        signing: "asyncio.Future[list[str]]",
    ) -> None:
        """Tell the callers of a batch whose roots are committed and signed."""
        error = signing.exception()
        if isinstance(error, Exception):
            self._calls = (*calls, *self._calls)
            self._stop(error)
            return
        for commit, note in zip(commits, signing.result(), strict=True):
            self._notary.remember(self._checkpoint(commit), note)
            for recorded in _settle(commit, note, self.slot):
                self._recent[recorded.entry_id] = recorded
        while len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)
        for call in calls:
            call.tell()

    def _stop(self, error: Exception) -> None:
        """End the slot for this process: whoever waits learns that the result is not known."""
        if not self.is_stopped:
            log.error("slot_stopped", slot=self.slot, exc_info=error)
            RECORD_SLOTS_STOPPED.inc()
        self._end(error)

    def _end(self, error: Exception) -> None:
        """Take nothing new and tell whoever waits; only a new writer can go on."""
        self._stopped.set()
        self._is_draining = True
        waiting = [*self._calls, *self._queue.empty()]
        self._calls = ()
        self._queue.wake()
        for call in waiting:
            stopped = SlotStoppedError("the slot has stopped")
            stopped.__cause__ = error
            call.fail(stopped)


def _settle(commit: Commit, note: str, slot: int) -> list[Recorded]:
    """Give every entry of a commit its outcome, and return them."""
    under = Under(size=commit.extension.edge.size, checkpoint=note, extension=commit.extension)
    time = commit.stamp.text
    RECORD_BATCH_ENTRIES.observe(len(commit.rows))
    for kind, count in Counter(row.kind for row in commit.rows).items():
        RECORDS.labels(kind=kind).inc(count)
    settled: list[Recorded] = []
    for index, (one, row) in enumerate(
        zip(commit.prepared, commit.rows, strict=True), start=commit.old_size
    ):
        one.outcome = recorded = Recorded(
            entry_id=row.entry_id,
            entry=row.leaf,
            leaf_hash=row.leaf_hash,
            slot=slot,
            index=index,
            time=time,
            under=under,
            public=msgspec.structs.replace(one.public, time=time),
        )
        settled.append(recorded)
    return settled
