"""Lanes: company without waiting, fairness, and what happens when a message fails."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.errors import QueueFullError, UnavailableError
from gateway.outbound import lanes
from gateway.outbound.errors import MessageRefusedError, PeerUnavailableError
from gateway.outbound.lanes import Lane
from gateway.wire.problems import Problem

REFUSED = Problem(type="invalid-body", title="no", status=422)


class Peer:
    """A peer that answers when told to, and remembers what travelled together."""

    def __init__(self) -> None:
        self.messages: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: list[Exception] = []

    async def send(self, items: Sequence[str]) -> list[str | Exception]:
        self.messages.append(list(items))
        await self.gate.wait()
        if self.fails:
            raise self.fails.pop(0)
        return [item.upper() for item in items]


def a_lane(peer: Peer, **limits: int) -> Lane[str, str]:
    return Lane(peer.send, peer="test", **limits)


async def test_one_item_alone_leaves_at_once() -> None:
    peer = Peer()

    answer = await a_lane(peer).submit("a", client="c")

    assert (answer, peer.messages) == ("A", [["a"]])


async def test_what_waits_in_one_turn_travels_together() -> None:
    peer = Peer()
    lane = a_lane(peer)

    await asyncio.gather(*(lane.submit(str(n), client="c") for n in range(10)))

    assert peer.messages == [[str(n) for n in range(10)]]


async def test_only_so_many_messages_are_in_flight() -> None:
    peer = Peer()
    peer.gate.clear()
    lane = a_lane(peer, places=2)
    first = [asyncio.create_task(lane.submit(name, client="c")) for name in "ab"]
    await asyncio.sleep(0.01)
    second = [asyncio.create_task(lane.submit(name, client="c")) for name in "cde"]
    await asyncio.sleep(0.01)
    third = [asyncio.create_task(lane.submit(name, client="c")) for name in "fg"]
    await asyncio.sleep(0.01)

    assert (peer.messages, lane.waiting) == ([["a", "b"], ["c", "d", "e"]], 2)
    peer.gate.set()
    await asyncio.gather(*first, *second, *third)
    assert peer.messages[2:] == [["f", "g"]]


async def test_online_goes_before_bulk_and_clients_take_turns() -> None:
    peer = Peer()
    lane = a_lane(peer, items_max=4)
    calls = [lane.submit(f"bulk{n}", client="bulk", bulk=True) for n in range(2)]
    calls += [lane.submit(f"a{n}", client="a") for n in range(3)]
    calls += [lane.submit("b0", client="b")]

    await asyncio.gather(*calls)

    assert peer.messages == [["a0", "b0", "a1", "a2"], ["bulk0", "bulk1"]]


async def test_a_refused_message_sends_its_items_alone_once() -> None:
    peer = Peer()
    peer.fails = [MessageRefusedError(REFUSED), MessageRefusedError(REFUSED)]
    lane = a_lane(peer, places=1)

    answers = await asyncio.gather(
        *(lane.submit(name, client="c") for name in "abc"), return_exceptions=True
    )

    assert peer.messages == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert isinstance(answers[0], MessageRefusedError)
    assert answers[1:] == ["B", "C"]


async def test_an_unreachable_peer_is_asked_again_in_other_company(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "BACK_OFF_S", 0.02)
    peer = Peer()
    peer.fails = [PeerUnavailableError("away")]
    lane = a_lane(peer, places=1)
    first = asyncio.create_task(lane.submit("a", client="c"))
    await asyncio.sleep(0.015)
    second = asyncio.create_task(lane.submit("b", client="c"))

    assert list(await asyncio.gather(first, second)) == ["A", "B"]
    assert peer.messages[0] == ["a"]
    assert sorted(item for message in peer.messages[1:] for item in message) == ["a", "b"]


async def test_it_gives_up_after_the_last_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BACK_OFF_S", 0.0)
    peer = Peer()
    peer.fails = [PeerUnavailableError("away")] * lanes.ATTEMPTS_MAX

    with pytest.raises(PeerUnavailableError):
        await a_lane(peer).submit("a", client="c")
    assert len(peer.messages) == lanes.ATTEMPTS_MAX


async def test_a_full_lane_says_so_and_loses_nothing() -> None:
    peer = Peer()
    peer.gate.clear()
    lane = a_lane(peer, places=1, queue_items_max=2)
    held = asyncio.create_task(lane.submit("held", client="c"))
    await asyncio.sleep(0.01)
    waiting = [asyncio.create_task(lane.submit(name, client="c")) for name in "ab"]
    await asyncio.sleep(0.01)

    with pytest.raises(QueueFullError):
        await lane.submit("c", client="c")
    peer.gate.set()
    assert await asyncio.gather(held, *waiting) == ["HELD", "A", "B"]


async def test_items_of_few_groups_share_a_message() -> None:
    peer = Peer()
    lane = a_lane(peer, groups_max=2)

    await asyncio.gather(
        *(
            lane.submit(name, client="c", group=group)
            for name, group in zip("abcd", "1123", strict=True)
        )
    )

    assert peer.messages == [["a", "b", "c"], ["d"]]


async def test_somebody_who_left_is_not_sent_for() -> None:
    peer = Peer()
    peer.gate.clear()
    lane = a_lane(peer, places=1)
    held = asyncio.create_task(lane.submit("held", client="c"))
    await asyncio.sleep(0.01)
    gone = asyncio.create_task(lane.submit("gone", client="c"))
    stays = asyncio.create_task(lane.submit("stays", client="c"))
    await asyncio.sleep(0.01)
    gone.cancel()
    peer.gate.set()

    assert list(await asyncio.gather(held, stays)) == ["HELD", "STAYS"]
    assert peer.messages == [["held"], ["stays"]]


async def test_who_stands_behind_those_who_left_is_sent_for() -> None:
    peer = Peer()
    peer.gate.clear()
    lane = a_lane(peer, places=1, items_max=2)
    held = asyncio.create_task(lane.submit("held", client="c"))
    await in_flight(peer, 1)
    gone = [asyncio.create_task(lane.submit(name, client="c")) for name in "ab"]
    stays = asyncio.create_task(lane.submit("stays", client="c"))
    while lane.waiting < 3:
        await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    peer.gate.set()

    async with asyncio.timeout(20):
        assert list(await asyncio.gather(held, stays)) == ["HELD", "STAYS"]
    assert peer.messages == [["held"], ["stays"]]


async def test_whatever_goes_wrong_with_a_message_everybody_in_it_hears() -> None:
    peer = Peer()
    peer.fails = [ValueError("broken")]
    lane = a_lane(peer)

    answers = await asyncio.gather(
        *(lane.submit(name, client="c") for name in "ab"), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    assert await lane.submit("c", client="c") == "C"


async def test_a_lane_that_closes_ends_what_is_in_flight_and_fails_who_waits() -> None:
    peer = Peer()
    peer.gate.clear()
    lane = a_lane(peer, places=1)
    held = asyncio.create_task(lane.submit("held", client="c"))
    await in_flight(peer, 1)
    waits = asyncio.create_task(lane.submit("waits", client="c"))
    while not lane.waiting:
        await asyncio.sleep(0)
    closing = asyncio.create_task(lane.close())
    peer.gate.set()
    await closing

    assert await held == "HELD"
    with pytest.raises(UnavailableError, match="lane: closed"):
        await waits
    assert peer.messages == [["held"]]


async def in_flight(peer: Peer, count: int) -> None:
    """Return as soon as so many messages have been sent."""
    while len(peer.messages) < count:
        await asyncio.sleep(0)
