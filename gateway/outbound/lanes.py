"""Lanes: whoever waits together travels together (PROTOCOL §3).

A lane is a queue to one peer and a few messages in flight. A free place takes, at the end of the
loop's turn, all that waits: online before bulk, fair between clients. It never waits for more, so
an idle system answers at once and a busy one shares one message among many. Lanes are memory;
what must survive a crash is in the database before it enters one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from gateway import metrics
from gateway.errors import QueueFullError, UnavailableError
from gateway.outbound.errors import MessageRefusedError, PeerUnavailableError
from gateway.wire.fields import ITEMS_MAX

Item = TypeVar("Item")
Answer = TypeVar("Answer")

PLACES: Final = 2
"""Messages in flight to one peer; two did best (reference: speed)."""
QUEUE_ITEMS_MAX: Final = 4096
ATTEMPTS_MAX: Final = 4
BACK_OFF_S: Final = 0.2
BACK_OFF_MAX_S: Final = 3.0

Send = Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]]


@dataclass(slots=True, kw_only=True)
class _Waiting(Generic[Item, Answer]):
    """One item, who brought it, and who waits for its answer."""

    item: Item
    client: str
    is_bulk: bool
    future: asyncio.Future[Answer]
    group: Hashable
    attempts: int = 0
    travels_alone: bool = False


@dataclass(slots=True)
class _Queue(Generic[Item, Answer]):
    """Waiting items of one class of urgency, one line for each client, served in turn."""

    lines: dict[str, deque[_Waiting[Item, Answer]]] = field(default_factory=dict)

    def put(self, waiting: _Waiting[Item, Answer]) -> None:
        self.lines.setdefault(waiting.client, deque()).append(waiting)

    def take(
        self, wanted: int, admits: Callable[[_Waiting[Item, Answer]], bool]
    ) -> list[_Waiting[Item, Answer]]:
        """Take up to `wanted` items, one from each client in turn, as long as they fit."""
        taken: list[_Waiting[Item, Answer]] = []
        open_lines = list(self.lines)
        while open_lines and len(taken) < wanted:
            for client in tuple(open_lines):
                line = self.lines[client]
                if not admits(line[0]):
                    open_lines.remove(client)
                    continue
                taken.append(line.popleft())
                if not line:
                    del self.lines[client]
                    open_lines.remove(client)
                if len(taken) == wanted:
                    break
        self._turn()
        return taken

    def _turn(self) -> None:
        """Whoever stood first stands last the next time."""
        if len(self.lines) > 1:
            first = next(iter(self.lines))
            self.lines[first] = self.lines.pop(first)


class Lane(Generic[Item, Answer]):
    """The way to one peer for one kind of message.

    `send` gets 1–256 items and answers one result or one exception for each, in order. It raises
    `MessageRefusedError` when the whole message was refused and nothing was done (its items then
    travel alone, once), and `PeerUnavailableError` when nobody knows or the peer was busy (its
    items wait a little and may travel in other company).
    """

    def __init__(
        self,
        send: Send[Item, Answer],
        *,
        peer: str,
        places: int = PLACES,
        items_max: int = ITEMS_MAX,
        queue_items_max: int = QUEUE_ITEMS_MAX,
        groups_max: int = ITEMS_MAX,
    ) -> None:
        self._send = send
        self._items = metrics.LANE_ITEMS.labels(peer=peer)
        self._seconds = metrics.LANE_SECONDS.labels(peer=peer)
        self._waiting_gauge = metrics.LANE_WAITING.labels(peer=peer)
        self._places = places
        self._items_max = items_max
        self._queue_items_max = queue_items_max
        self._groups_max = groups_max
        self._online: _Queue[Item, Answer] = _Queue()
        self._bulk: _Queue[Item, Answer] = _Queue()
        self._waiting = 0
        self._in_flight: set[asyncio.Task[None]] = set()
        self._is_scheduled = False
        self._resting: set[asyncio.TimerHandle] = set()
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """How many items wait for a place."""
        return self._waiting

    async def submit(
        self, item: Item, *, client: str, bulk: bool = False, group: Hashable = None
    ) -> Answer:
        """Return the peer's answer to this item.

        Items of one `group` share something a message can hold only so many of (a token).
        Raises `QueueFullError` at once when too much waits, `PeerUnavailableError` after the
        last attempt, or whatever the answer for this item is.
        """
        if self._is_closed:
            raise UnavailableError("lane: closed")
        if self._waiting >= self._queue_items_max:
            raise QueueFullError("lane: full")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._enqueue(_Waiting(item=item, client=client, is_bulk=bulk, future=future, group=group))
        return await future

    async def close(self) -> None:
        """Let what is in flight end, and tell everybody who still waits that the lane closed."""
        self._is_closed = True
        for handle in self._resting:
            handle.cancel()
        while self._in_flight:
            await asyncio.wait(self._in_flight)
        for queue in (self._online, self._bulk):
            for waiting in queue.take(self._waiting, lambda _: True):
                _fail(waiting, UnavailableError("lane: closed"))

    def _enqueue(self, waiting: _Waiting[Item, Answer]) -> None:
        (self._bulk if waiting.is_bulk else self._online).put(waiting)
        self._waiting += 1
        self._schedule()

    def _schedule(self) -> None:
        """Look for a free place at the end of this turn of the loop, once."""
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._fill)

    def _fill(self) -> None:
        self._is_scheduled = False
        while self._waiting and len(self._in_flight) < self._places and not self._is_closed:
            taken = self._take()
            if not taken:
                continue  # all of them left; whoever stands behind them has not
            task = asyncio.get_running_loop().create_task(self._carry(taken))
            self._in_flight.add(task)
            task.add_done_callback(self._place_is_free)

    def _place_is_free(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not self._is_closed:
            self._schedule()

    def _take(self) -> list[_Waiting[Item, Answer]]:
        groups: set[Hashable] = set()
        alone = False

        def admits(waiting: _Waiting[Item, Answer]) -> bool:
            nonlocal alone
            if alone or (waiting.travels_alone and groups):
                return False
            alone = waiting.travels_alone
            if waiting.group not in groups and len(groups) == self._groups_max:
                return False
            groups.add(waiting.group)
            return True

        taken = self._online.take(self._items_max, admits)
        taken += self._bulk.take(self._items_max - len(taken), admits)
        self._waiting -= len(taken)
        return [waiting for waiting in taken if not waiting.future.done()]

    async def _carry(self, taken: list[_Waiting[Item, Answer]]) -> None:
        self._items.observe(len(taken))
        self._waiting_gauge.set(self._waiting)
        try:
            with self._seconds.time():
                answers = await self._send([waiting.item for waiting in taken])
        except MessageRefusedError as refused:
            self._send_alone(taken, refused)
        except PeerUnavailableError as unavailable:
            for waiting in taken:
                self._rest(waiting, unavailable)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            for waiting in taken:
                _fail(waiting, error)
        else:
            for waiting, answer in zip(taken, answers, strict=True):
                self._settle(waiting, answer)

    def _settle(self, waiting: _Waiting[Item, Answer], answer: Answer | Exception) -> None:
        if isinstance(answer, PeerUnavailableError):
            self._rest(waiting, answer)
        elif isinstance(answer, Exception):
            _fail(waiting, answer)
        elif not waiting.future.done():
            waiting.future.set_result(answer)

    def _send_alone(
        self, taken: list[_Waiting[Item, Answer]], refused: MessageRefusedError
    ) -> None:
        if len(taken) == 1:
            _fail(taken[0], refused)
            return
        for waiting in taken:
            waiting.travels_alone = True
            self._enqueue(waiting)

    def _rest(self, waiting: _Waiting[Item, Answer], unavailable: PeerUnavailableError) -> None:
        """Put the item back after a pause, or give up after the last attempt."""
        waiting.attempts += 1
        if waiting.attempts >= ATTEMPTS_MAX or self._is_closed:
            _fail(waiting, unavailable)
            return
        pause = min(BACK_OFF_MAX_S, BACK_OFF_S * 2 ** (waiting.attempts - 1))
        pause = max(pause, min(BACK_OFF_MAX_S, unavailable.retry_after_s or 0))

        def again() -> None:
            self._resting.discard(handle)
            self._enqueue(waiting)

        handle = asyncio.get_running_loop().call_later(pause, again)
        self._resting.add(handle)


def _fail(waiting: _Waiting[Item, Answer], error: Exception) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)
