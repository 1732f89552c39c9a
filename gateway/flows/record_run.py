"""One worker's time in one slot: take what waits, commit, sign, and only then tell (PROTOCOL §5).

After a result that nobody knows this time is over; `record.py` takes a slot again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from gateway.errors import ClockOffError, UnavailableError
from gateway.flows.record_proofs import Notary
from gateway.flows.record_queue import Call, FairQueue
from gateway.flows.record_slot import Commit
from gateway.flows.record_takeover import Tenancy
from gateway.flows.record_types import Recorded, SlotAheadError, SlotStoppedError, Under
from gateway.logs import get_logger
from gateway.metrics import (
    RECORD_BATCH_ENTRIES,
    RECORD_COMMIT_SECONDS,
    RECORD_QUEUE,
    RECORD_SLOTS_STOPPED,
    RECORDS,
)
from gateway.records.note import Checkpoint
from gateway.storage.append import BatchAgainError

LINGER_S: Final = 0.002
"""How long the writer waits to see whether more comes, when more than `ALONE_MAX` are about."""
ALONE_MAX: Final = 2
LULL_S: Final = 0.25
"""After how long without entries the row is sealed as signed; else the next batch does it."""
COMPANY_S_MAX: Final = 0.03
"""How long a batch may grow, while every look finds more (ADR 0013)."""

log = get_logger()


class SlotRun:
    """Records what comes into the slot of a tenancy until it is drained or lost."""

    def __init__(
        self,
        *,
        tenancy: Tenancy,
        notary: Notary,
        queue: FairQueue,
        remember: Callable[[Sequence[Recorded]], None],
    ) -> None:
        self._tenancy = tenancy
        self._slot = tenancy.slot
        self._notary = notary
        self._queue = queue
        self._remember = remember
        self._calls: Sequence[Call] = ()
        self._signing: asyncio.Future[list[str]] | None = None
        self._is_draining = False
        self._is_disconnected = False
        self.is_over = False
        """Whether nothing more is taken in."""

    @property
    def slot(self) -> int:
        """The slot that is written."""
        return self._slot.slot

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of effects that the database knows."""
        return self._tenancy.kinds

    def drain(self) -> None:
        """Let `run` return when everything that waits is recorded."""
        self._is_draining = True
        self._queue.wake()

    async def run(self) -> None:
        """Record what comes until drained or lost, and end the connection."""
        connection, is_busy = self._tenancy.connection, False
        connection.add_termination_listener(lambda _: self._disconnected())
        try:
            while not (self._is_draining and not len(self._queue)):
                await self._wait()
                if is_busy or len(self._queue) > ALONE_MAX:
                    await self._gather()
                if self.is_over:
                    return
                if self._is_disconnected:
                    log.warning("slot_connection_lost", slot=self.slot)
                    self._end(UnavailableError("the writer's connection is gone"))
                    return
                self._calls = self._queue.take()
                is_busy = bool(self._calls) and await self._record(self._calls) > ALONE_MAX
        except Exception as error:  # noqa: BLE001  # the outermost loop: anything unforeseen stops the slot
            self._stop(error)
        finally:
            # What was committed before may be told, whatever became of the slot since.
            await self._signed()
            # Not `close`: that waits for a database that may be gone.
            connection.terminate()

    async def _wait(self) -> None:
        """Wait for more; in a lull, let the slot's row tell that all of it is signed."""
        if not self._slot.is_sealed_as_signed:
            try:
                async with asyncio.timeout(LULL_S):
                    await self._queue.wait()
            except TimeoutError:
                await self._signed()
                if self._slot.signed.size == self._slot.size and not self._is_disconnected:
                    await self._slot.seal_signed()
        await self._queue.wait()

    def _disconnected(self) -> None:
        """Stop before the next batch: the connection, and the slot's lock with it, are gone.

        What is in flight learns that from its own statement; only its result is not known.
        """
        self._is_disconnected = True
        self._queue.wake()

    async def _gather(self) -> None:
        """Wait for company as long as more keeps coming, but not for ever."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + COMPANY_S_MAX
        waited = -1
        while len(self._queue) > waited and loop.time() < deadline and not self._is_draining:
            waited = len(self._queue)
            await asyncio.sleep(LINGER_S)

    async def _record(self, calls: Sequence[Call]) -> int:
        prepared = [one for call in calls for one in call.writable]
        RECORD_QUEUE.set(len(self._queue))
        try:
            with RECORD_COMMIT_SECONDS.time():
                commits = await self._slot.write(prepared) if prepared else []
        except BatchAgainError as error:
            for call in calls:
                call.fail(UnavailableError(f"the batch failed again and again: {error}"))
            return 0
        except (ClockOffError, SlotAheadError) as error:
            for call in calls:
                call.fail(type(error)(str(error)))  # the slot is ours still, and waits
            return 0
        await self._signed()
        if self.is_over:
            return 0
        if commits:
            loop = asyncio.get_running_loop()
            checkpoints = [self._checkpoint(commit) for commit in commits]
            self._signing = loop.run_in_executor(
                self._notary.thread,
                self._notary.sign_grown,
                self._slot.signed,
                checkpoints,
                self._slot.line,
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
        edge = commit.extension.edge
        return Checkpoint(self._tenancy.origin, edge.size, commit.extension.root)

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
            checkpoint = self._checkpoint(commit)
            self._slot.was_signed(checkpoint)
            self._notary.remember(checkpoint, note)
            self._remember(_settle(commit, note, self.slot))
        for call in calls:
            call.tell()

    def _stop(self, error: Exception) -> None:
        """End this time in the slot: whoever waits learns that the result is not known."""
        log.error("slot_stopped", slot=self.slot, exc_info=error)
        RECORD_SLOTS_STOPPED.inc()
        self._end(error)

    def _end(self, error: Exception) -> None:
        """Tell whoever waits that nothing more is recorded."""
        self.is_over = True
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
            counterparty=row.counterparty,
        )
        settled.append(recorded)
    return settled
