"""Reads that arrive together become one query: the reading twin of the outbound lane."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

KEYS_MAX: Final = 512
IN_FLIGHT_MAX: Final = 2

Read = Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]


class Batcher(Generic[K, V]):
    """One look-up by key, asked by many at once and answered by few queries.

    A free place takes at the end of the loop's turn all keys that wait; nobody waits for company.
    """

    def __init__(self, read: Read[K, V], *, in_flight_max: int = IN_FLIGHT_MAX) -> None:
        self._read = read
        self._in_flight_max = in_flight_max
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_scheduled = False

    async def get(self, key: K) -> V | None:
        """Return what stands under the key, or None; raises what the query raised."""
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        self._schedule()
        return await future

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._fill)

    def _fill(self) -> None:
        self._is_scheduled = False
        while self._waiting and len(self._tasks) < self._in_flight_max:
            keys = list(self._waiting)[:KEYS_MAX]
            taken = {key: self._waiting.pop(key) for key in keys}
            task = asyncio.get_running_loop().create_task(self._run(taken))
            self._tasks.add(task)
            task.add_done_callback(self._place_is_free)

    def _place_is_free(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._schedule()

    async def _run(self, taken: dict[K, list[asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._read(list(taken))
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            for futures in taken.values():
                for future in futures:
                    if not future.done():
                        future.set_exception(error)
        else:
            for key, futures in taken.items():
                for future in futures:
                    if not future.done():
                        future.set_result(found.get(key))
