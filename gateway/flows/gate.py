"""The gate as decisions see it: one version, and what stands behind it (PROTOCOL §4).

A worker may decide on what it remembers: the version is compared again inside the commit, and a
decision made on an older one is made anew. So remembering is safe, and mostly saves a read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Generic[S]):
    """What the gate guards and is remembered: stop switches, under one version."""

    version: int
    switches: tuple[S, ...]


Load = Callable[[], Awaitable[tuple[int, Sequence[S]]]]


class GateView(Generic[S]):
    """The last known state of the gate; `load` reads version and switches in one snapshot."""

    def __init__(self, load: Load[S]) -> None:
        self._load = load
        self._known: Gate[S] | None = None
        self._loading = asyncio.Lock()

    async def current(self) -> Gate[S]:
        """Return what is known, reading it the first time."""
        return self._known if self._known is not None else await self.newer_than(0)

    async def fresh(self) -> Gate[S]:
        """Return the gate as it is now, read anew: for what nothing compares at a commit."""
        async with self._loading:
            return await self._read()

    async def newer_than(self, version: int) -> Gate[S]:
        """Return the gate as it is after `version` turned out to be stale."""
        async with self._loading:
            known = self._known
            return known if known is not None and known.version > version else await self._read()

    async def _read(self) -> Gate[S]:
        number, switches = await self._load()
        self._known = Gate(version=number, switches=tuple(switches))
        return self._known
