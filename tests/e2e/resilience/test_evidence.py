"""Noise of strangers, folded by the minute: one entry a peer and kind, and nothing is lost."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from typing import cast as typed

import pytest

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

    async def append(self, drafts: Sequence[Draft], *, source: str) -> list[Outcome]:
        self.calls += 1
        if self.calls in self.full_at:
            raise QueueFullError("test")
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
