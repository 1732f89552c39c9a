"""The gate as decisions see it: remembered until found stale, and read anew when asked."""

import asyncio
from collections.abc import Sequence

from gateway.flows.gate import GateView


class Source:
    """A gate whose version and switches the test sets, and whose reads it can hold back."""

    def __init__(self) -> None:
        self.version = 1
        self.reads = 0
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def load(self) -> tuple[int, Sequence[str]]:
        self.reads += 1
        seen = self.version
        await self.is_open.wait()
        return seen, [f"switch of {seen}"]


async def test_what_is_known_is_not_read_again() -> None:
    source = Source()
    view = GateView(source.load)

    first = await view.current()
    source.version = 2
    again = await view.current()

    assert (first.version, first.switches) == (1, ("switch of 1",))
    assert again is first
    assert source.reads == 1


async def test_a_stale_version_is_read_again_once_for_all_who_found_it_stale() -> None:
    source = Source()
    view = GateView(source.load)
    await view.current()
    source.version = 2

    found = await asyncio.gather(*(view.newer_than(1) for _ in range(5)))

    assert {gate.version for gate in found} == {2}
    assert source.reads == 2


async def test_a_fresh_look_does_not_take_what_somebody_else_began_to_read_before() -> None:
    source = Source()
    view = GateView(source.load)
    await view.current()
    source.version = 2
    source.is_open.clear()
    earlier = asyncio.create_task(view.newer_than(1))
    await asyncio.sleep(0)
    source.version = 3  # acknowledged before the fresh look begins
    fresh = asyncio.create_task(view.fresh())
    await asyncio.sleep(0)
    source.is_open.set()

    assert (await earlier).version == 2
    assert (await fresh).version == 3
