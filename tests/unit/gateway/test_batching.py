"""Reads that arrive together become one query."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.flows.batching import Batcher


async def test_keys_of_one_turn_are_read_together_and_each_gets_its_own() -> None:
    asked: list[list[int]] = []

    async def read(keys: Sequence[int]) -> dict[int, str]:
        asked.append(list(keys))
        return {key: str(key) for key in keys if key != 3}

    batcher = Batcher(read)
    found = await asyncio.gather(*(batcher.get(key) for key in (1, 2, 2, 3)))

    assert found == ["1", "2", "2", None]
    assert asked == [[1, 2, 3]]


async def test_a_failed_read_reaches_everybody_who_waits() -> None:
    async def read(_: Sequence[int]) -> dict[int, str]:
        raise LookupError("gone")

    batcher = Batcher(read)
    found = await asyncio.gather(batcher.get(1), batcher.get(2), return_exceptions=True)

    assert [type(one) for one in found] == [LookupError, LookupError]


async def test_keys_that_come_while_places_are_taken_wait_for_the_next() -> None:
    asked: list[list[int]] = []
    gate = asyncio.Event()

    async def read(keys: Sequence[int]) -> dict[int, int]:
        asked.append(list(keys))
        await gate.wait()
        return {key: key for key in keys}

    batcher = Batcher(read, in_flight_max=1)
    first = asyncio.create_task(batcher.get(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [asyncio.create_task(batcher.get(key)) for key in (2, 3)]
    await asyncio.sleep(0.01)

    assert asked == [[1]]
    gate.set()
    assert await asyncio.gather(first, *rest) == [1, 2, 3]
    assert asked == [[1], [2, 3]]


async def test_whoever_left_does_not_break_the_others() -> None:
    gate = asyncio.Event()

    async def read(keys: Sequence[int]) -> dict[int, int]:
        await gate.wait()
        return {key: key for key in keys}

    batcher = Batcher(read)
    gone = asyncio.create_task(batcher.get(1))
    stays = asyncio.create_task(batcher.get(1))
    await asyncio.sleep(0.01)
    gone.cancel()
    gate.set()

    assert await stays == 1
    with pytest.raises(asyncio.CancelledError):
        await gone
