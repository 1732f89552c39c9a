"""Noise of strangers, folded by the minute: one entry a peer and kind, and nothing is lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from typing import cast as typed

import pytest
from structlog.testing import capture_logs

from gateway.app.gateway_role import Gateway
from gateway.demo import cast
from gateway.errors import QueueFullError
from gateway.flows.evidence import BATCH, KINDS_MAX, OTHER, SecurityEvents
from gateway.flows.record import RecordWriter
from gateway.flows.record_types import Draft, Outcome
from tests.e2e.resilience.scene import Scene


class Notebook:
    """The writer, remembering what it was given; full for the calls that the test names."""

    def __init__(self, writer: RecordWriter) -> None:
        self._writer = writer
        self.calls = 0
        self.full_at: set[int] = set()
        self.drafts: list[Draft] = []
        self.is_asked = asyncio.Event()
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def append(self, drafts: Sequence[Draft], *, source: str) -> list[Outcome]:
        self.calls += 1
        if self.calls in self.full_at:
            raise QueueFullError("test")
        self.is_asked.set()
        await self.may_go.wait()
        outcomes = await self._writer.append(drafts, source=source)
        self.drafts += drafts
        return outcomes

    def told(self) -> list[tuple[Any, Any, Any]]:
        """Return peer, kind and count of everything on record."""
        return [
            (one.private["peer"], one.private["event"], one.private["count"]) for one in self.drafts
        ]


@pytest.fixture
def notebook(scene: Scene) -> Notebook:
    return Notebook(scene.city.context.writer)


@pytest.fixture
def events(scene: Scene, notebook: Notebook) -> SecurityEvents:
    context = replace(scene.city.context, writer=typed("RecordWriter", notebook))
    return SecurityEvents(context, listener="network")


async def test_a_minute_is_one_entry_for_each_peer_and_kind(
    events: SecurityEvents, notebook: Notebook
) -> None:
    for peer, kind in (("a", "token"), ("b", "token"), ("a", "token"), ("a", "statement")):
        events.note(peer, kind)

    await events.turn()

    assert notebook.told() == [("a", "statement", 1), ("a", "token", 2), ("b", "token", 1)]


async def test_a_quiet_minute_is_no_entry(events: SecurityEvents, notebook: Notebook) -> None:
    events.note("a", "token")
    await events.turn()
    await events.turn()

    assert notebook.calls == 1


async def test_more_kinds_than_a_minute_keeps_apart_are_counted_together(
    events: SecurityEvents, notebook: Notebook
) -> None:
    for number in range(KINDS_MAX + 10):
        events.note(f"peer-{number:05d}", "token")
    events.note("peer-00000", "token")

    await events.turn()
    told = notebook.told()

    assert len(told) == KINDS_MAX + 1
    assert (OTHER, OTHER, 10) in told
    assert ("peer-00000", "token", 2) in told


async def test_a_worker_that_drains_leaves_no_event_of_its_last_minute_behind(
    scene: Scene,
) -> None:
    before = await scene.total(cast.NAGAOKA, "security-events")

    async with scene.another_worker(cast.NAGAOKA) as draining:
        for zone in zones_of(draining):
            zone.note("somebody", "stranger")
        await draining.role.drain()
        listeners = [zone._listener for zone in zones_of(draining)]

    assert sorted(listeners) == ["backoffice", "network", "staff"]
    assert await scene.total(cast.NAGAOKA, "security-events") == before + 3


def zones_of(gateway: Gateway) -> list[SecurityEvents]:
    """Return what counts the noise of each zone."""
    found: list[SecurityEvents] = [gateway.flows.events]
    for listener in gateway.role.listeners:
        for route in listener.application.router.routes():
            services = getattr(getattr(route.handler, "__self__", None), "_services", None)
            door = getattr(services, "sign_in", None)
            noted = getattr(door, "_events", getattr(door, "_note_event", None))
            noted = getattr(noted, "__self__", noted)
            if isinstance(noted, SecurityEvents) and noted not in found:
                found.append(noted)
    return found


async def test_a_turn_under_way_is_waited_for_when_the_worker_drains(
    events: SecurityEvents, notebook: Notebook
) -> None:
    events.note("a", "token")
    notebook.may_go.clear()
    turning = asyncio.create_task(events.turn())
    async with asyncio.timeout(5):
        await notebook.is_asked.wait()

    closing = asyncio.create_task(events.close())
    await asyncio.sleep(0)
    is_early = closing.done()
    notebook.may_go.set()
    await closing

    assert not is_early
    assert turning.done()
    assert notebook.told() == [("a", "token", 1)]


async def test_what_a_drain_cannot_record_is_said_and_ends_nothing(
    events: SecurityEvents, notebook: Notebook
) -> None:
    events.note("a", "token")
    events.note("a", "token")
    notebook.full_at = {1}

    with capture_logs() as lines:
        await events.close()

    assert [(line["event"], line["count"], line["problem"]) for line in lines] == [
        ("security_events_lost", 2, "queue-full")
    ]


async def test_what_could_not_be_recorded_comes_with_the_next_minute_and_only_once(
    events: SecurityEvents, notebook: Notebook
) -> None:
    for number in range(BATCH + 1):
        events.note(f"peer-{number:05d}", "token")
    notebook.full_at = {2}  # the first message of entries is recorded, the second is not
    with pytest.raises(QueueFullError):
        await events.turn()
    begun = notebook.drafts[0].private["from"]
    events.note(f"peer-{BATCH:05d}", "token")

    await events.turn()

    assert len(notebook.told()) == BATCH + 1
    assert notebook.told()[-1] == (f"peer-{BATCH:05d}", "token", 2)
    assert notebook.drafts[-1].private["from"] == begun
