"""What waits for the writer: bounded, fair between sources, one call never torn apart."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import QueueFullError
from gateway.flows.record_drafts import Prepared, unique_keys
from gateway.flows.record_types import Outcome

QUEUE_ENTRIES_MAX: Final = 4096
BATCH_ENTRIES_MAX: Final = 512
BATCH_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One call of `append`: its drafts stay together in one batch."""

    source: str
    prepared: list[Prepared]
    answer: "asyncio.Future[list[Outcome]]"
    writable: list[Prepared] = field(init=False)
    bytes: int = field(init=False)
    keys: frozenset[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        """Work out what this call brings into a batch."""
        self.writable = [one for one in self.prepared if one.outcome is None]
        self.bytes = sum(
            len(one.head) + len(one.private) + sum(len(effect.row) for effect in one.effects)
            for one in self.writable
        )
        self.keys = frozenset(key for one in self.writable for key in unique_keys(one))

    def tell(self) -> None:
        """Hand the outcomes over, unless the caller has left."""
        if not self.answer.done():
            self.answer.set_result([one.settled() for one in self.prepared])

    def fail(self, error: Exception) -> None:
        """Tell the caller why there are no outcomes."""
        if not self.answer.done():
            self.answer.set_exception(error)


class FairQueue:
    """Calls by source; batches take from the sources in turn.

    One source may fill half of the queue, so that it cannot keep the others out.
    """

    def __init__(
        self,
        *,
        queue_entries_max: int = QUEUE_ENTRIES_MAX,
        batch_entries_max: int = BATCH_ENTRIES_MAX,
    ) -> None:
        self._queue_max = queue_entries_max
        self._source_max = -(-queue_entries_max // 2)
        self._batch_max = batch_entries_max
        self._waiting: dict[str, deque[Call]] = {}
        self._entries: dict[str, int] = {}
        self._total = 0
        self._is_filled = asyncio.Event()

    def __len__(self) -> int:
        return self._total

    async def wait(self) -> None:
        """Return as soon as something waits, or `wake` was called."""
        await self._is_filled.wait()

    def wake(self) -> None:
        """Let `wait` return."""
        self._is_filled.set()

    def put(self, call: Call) -> None:
        """Take a call in.

        Raises:
            QueueFullError: there is no room, or none for this source.
        """
        count = len(call.writable)
        of_source = self._entries.get(call.source, 0)
        if self._total + count > self._queue_max or of_source + count > self._source_max:
            raise QueueFullError("the record log's queue is full")
        self._waiting.setdefault(call.source, deque()).append(call)
        self._entries[call.source] = of_source + count
        self._total += count
        self._is_filled.set()

    def take(self) -> list[Call]:
        """Return the next batch: one call from each source in turn while there is room.

        Calls with a unique effect in common go into different batches.
        """
        batch: list[Call] = []
        keys: set[tuple[str, str]] = set()
        entries = size = 0
        open_sources = list(self._waiting)
        while open_sources:
            still_open = []
            for source in open_sources:
                call = self._waiting[source][0]
                entries += len(call.writable)
                size += call.bytes
                if batch and (entries > self._batch_max or size > BATCH_BYTES_MAX):
                    return self._settle(batch)
                if keys.isdisjoint(call.keys):
                    keys.update(call.keys)
                    batch.append(self._pop(source))
                    if self._waiting[source]:
                        still_open.append(source)
                else:
                    entries -= len(call.writable)
                    size -= call.bytes
            open_sources = still_open
        return self._settle(batch)

    def empty(self) -> list[Call]:
        """Return everything that waits, and forget it."""
        calls = [call for waiting in self._waiting.values() for call in waiting]
        self._waiting, self._entries, self._total = {}, {}, 0
        return calls

    def _pop(self, source: str) -> Call:
        call = self._waiting[source].popleft()
        self._entries[source] -= len(call.writable)
        self._total -= len(call.writable)
        return call

    def _settle(self, batch: list[Call]) -> list[Call]:
        """Forget sources with nothing left; those served go behind those passed over."""
        served = {call.source for call in batch}
        kept = [source for source, calls in self._waiting.items() if calls]
        kept.sort(key=served.__contains__)
        self._waiting = {source: self._waiting[source] for source in kept}
        self._entries = {source: self._entries[source] for source in kept}
        if not self._waiting:
            self._is_filled.clear()
        return batch
