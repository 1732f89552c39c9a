"""The writer's queue: bounded, fair, and never tearing a call apart."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

import pytest

from gateway.errors import QueueFullError
from gateway.flows.record import Draft
from gateway.flows.record_drafts import prepare_call
from gateway.flows.record_queue import BATCH_BYTES_MAX, Call, FairQueue
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Used(Effect):
    KIND: ClassVar[str] = "queue_used"
    name: str

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Effect):
    KIND: ClassVar[str] = "queue_told"
    IS_UNIQUE: ClassVar[bool] = False
    name: str

    @property
    def key(self) -> str:
        return self.name


async def _call(source: str, count: int = 1, *effects: Effect) -> Call:
    drafts = [
        Draft(kind="records-read", members={}, private={}, effects=effects) for _ in range(count)
    ]
    prepared = prepare_call(
        drafts, organisation="a", slot=0, kinds=frozenset({"queue_used", "queue_told"})
    )
    return Call(source=source, prepared=prepared, answer=asyncio.get_running_loop().create_future())


async def test_a_batch_is_all_that_waits() -> None:
    queue = FairQueue()
    calls = [await _call("a", 2), await _call("b"), await _call("a")]
    for call in calls:
        queue.put(call)

    assert len(queue) == 4
    assert set(map(id, queue.take())) == set(map(id, calls))
    assert len(queue) == 0
    assert queue.take() == []


async def test_sources_take_turns_when_a_batch_is_full() -> None:
    queue = FairQueue(batch_entries_max=4)
    for _ in range(6):
        queue.put(await _call("greedy", 2))
    queue.put(await _call("modest"))

    batches = [[call.source for call in queue.take()] for _ in range(2)]

    assert batches == [["greedy", "modest"], ["greedy", "greedy"]]


async def test_the_source_served_first_changes_from_batch_to_batch() -> None:
    queue = FairQueue(batch_entries_max=1)
    for source in "aabbcc":
        queue.put(await _call(source))

    assert [queue.take()[0].source for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


async def test_calls_of_one_source_keep_their_order() -> None:
    queue = FairQueue(batch_entries_max=2)
    calls = [await _call("a") for _ in range(5)]
    for call in calls:
        queue.put(call)

    taken = [call for _ in range(3) for call in queue.take()]

    assert taken == calls


async def test_a_call_larger_than_a_batch_goes_alone() -> None:
    queue = FairQueue(batch_entries_max=2)
    queue.put(await _call("a", 5))
    queue.put(await _call("b"))

    assert [call.source for call in queue.take()] == ["a"]
    assert [call.source for call in queue.take()] == ["b"]


async def test_a_batch_holds_a_bounded_number_of_bytes() -> None:
    queue = FairQueue()
    large = "x" * (BATCH_BYTES_MAX * 2 // 3)
    for source in "ab":
        queue.put(await _call(source, 1, Told(name=large)))

    assert [len(queue.take()) for _ in range(3)] == [1, 1, 0]


async def test_calls_with_a_unique_effect_in_common_go_into_different_batches() -> None:
    queue = FairQueue()
    for source in "aab":
        queue.put(await _call(source, 1, Used(name="permit")))
    queue.put(await _call("c", 1, Used(name="other")))

    assert [[call.source for call in queue.take()] for _ in range(3)] == [
        ["a", "c"],
        ["b"],
        ["a"],
    ]


async def test_calls_with_a_shared_fact_go_together() -> None:
    queue = FairQueue()
    for source in "ab":
        queue.put(await _call(source, 1, Told(name="note")))

    assert len(queue.take()) == 2


async def test_a_full_queue_refuses() -> None:
    queue = FairQueue(queue_entries_max=4)
    queue.put(await _call("a", 2))
    queue.put(await _call("b", 2))

    with pytest.raises(QueueFullError):
        queue.put(await _call("c"))
    assert len(queue) == 4


async def test_one_source_gets_no_more_than_half_of_the_queue() -> None:
    queue = FairQueue(queue_entries_max=4)
    queue.put(await _call("a", 2))

    with pytest.raises(QueueFullError):
        queue.put(await _call("a"))
    queue.put(await _call("b", 2))


async def test_waiting_ends_when_something_comes_and_not_before() -> None:
    queue = FairQueue()
    waiting = asyncio.create_task(queue.wait())
    await asyncio.sleep(0)
    assert not waiting.done()

    queue.put(await _call("a"))
    await waiting
    queue.take()
    again = asyncio.create_task(queue.wait())
    await asyncio.sleep(0)

    assert not again.done()
    queue.wake()
    await again
