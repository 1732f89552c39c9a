"""What witnesses signed goes into exports, and proves them complete."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from gateway.demo import cast
from gateway.flows import export_notes
from gateway.flows.context import Context
from gateway.flows.export_records import ExportRecords
from gateway.records.bundle import read_slot
from gateway.records.note import cosignature_time, parse_note, witness_name
from gateway.records.trust import LogTrust
from gateway.records.verify import Report, verify_bundle
from tests.e2e.parties import Network
from tests.e2e.witnesses.scene import context_of, cosign_all, own_slot, write_entry
from tests.integration.core.world import WorldClock

CITY, UNION, CORE = cast.NAGAOKA, cast.GUNMA_UNION, cast.CORE
SECOND = timedelta(seconds=1)


@pytest.fixture
def union(network: Network) -> Context:
    return context_of(network, UNION)


async def export(
    context: Context, *, begins: datetime | None = None, ends: datetime | None = None
) -> dict[str, bytes]:
    exports = ExportRecords(context)
    period = await exports.begin(begins=begins, ends=ends, by="auditor")
    files: dict[str, bytes] = {}
    async for name, piece in exports.files(period):
        files[name] = files.get(name, b"") + piece
    return files


def verified(context: Context, files: dict[str, bytes]) -> Report:
    trust = LogTrust.of(context.trust.directory, context.trust.organisation)
    return verify_bundle(files, trust=trust)


def cosigned_sizes(files: dict[str, bytes], slot: int) -> list[int]:
    """Return the sizes of the notes that the core cosigned."""
    notes = [parse_note(each.note) for each in read_slot(files, slot).notes]
    name = witness_name(cast.NETWORK, CORE)
    return [note.checkpoint.size for note in notes if any(line.name == name for line in note.lines)]


async def test_an_export_of_what_just_ended_is_proved_complete(union: Context) -> None:
    await write_entry(union)

    files = await export(union)

    report = verified(union, files)
    assert report.faults == ()
    assert report.complete == "proved"
    assert files["slots/0.policy"].startswith(b"log sekisho-demo/gunma-union/log/0+")


async def test_without_its_witness_it_is_sound_and_unproved(
    union: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_notes, "PATIENCE_S", 0.0)
    await write_entry(union)

    report = verified(union, await export(union))

    assert report.is_sound
    assert report.complete == "unproved"


async def test_the_last_cosignature_of_a_minute_bounds_what_was_recorded(
    union: Context, clock: WorldClock
) -> None:
    await cosign_all(union)
    begins = clock.now()
    sizes: list[list[int]] = []
    for _ in range(3):  # three minutes, two cosignatures in each
        clock.ahead += timedelta(seconds=60)
        sizes.append([await grown(union, clock), await grown(union, clock)])
    ends = clock.now() + SECOND
    clock.ahead += timedelta(seconds=5)
    after = await grown(union, clock)
    last = await grown(union, clock)

    files = await export(union, begins=begins, ends=ends)

    slot = own_slot(union)
    assert verified(union, files).complete == "proved"
    held = cosigned_sizes(files, slot)
    assert held[0] < sizes[0][0]
    assert held[1:] == [*(second for _, second in sizes), after]
    assert last not in held
    # Each is a note in full: the log's lines are by the keys of now, the witness's of then.
    noted = read_slot(files, slot).notes[1].note
    assert cosignature_time(parse_note(noted), witness_name(cast.NETWORK, CORE)) < ends.timestamp()


async def grown(context: Context, clock: WorldClock) -> int:
    """Let the log grow by an entry and have it cosigned, a second later than before."""
    clock.ahead += SECOND
    recorded = await write_entry(context)
    await cosign_all(context)
    return recorded.index + 1


@pytest.mark.parametrize(("lines_max", "kept"), [(8, 4), (4, 2), (2, 1)])  # by two witnesses
async def test_many_minutes_are_taken_together(
    union: Context, clock: WorldClock, monkeypatch: pytest.MonkeyPatch, lines_max: int, kept: int
) -> None:
    monkeypatch.setattr(export_notes, "LINES_MAX", lines_max)
    await cosign_all(union)
    begins = clock.now()
    sizes = []
    for _ in range(4):
        sizes.append(await grown(union, clock))
        clock.ahead += timedelta(seconds=60)

    files = await export(union, begins=begins, ends=clock.now())

    assert verified(union, files).complete == "proved"
    inside = [size for size in cosigned_sizes(files, own_slot(union)) if size in sizes]
    assert inside == _last_of(sizes, kept)


def _last_of(sizes: Sequence[int], kept: int) -> list[int]:
    step = len(sizes) // kept
    return list(sizes[step - 1 :: step])


async def test_lines_of_both_witnesses_stand_under_one_note(network: Network) -> None:
    core = context_of(network, CORE)
    await write_entry(core)
    await cosign_all(core)

    files = await export(core)

    assert verified(core, files).complete == "proved"
    notes = [parse_note(each.note) for each in read_slot(files, own_slot(core)).notes]
    names = {witness_name(cast.NETWORK, name) for name in (CITY, UNION)}
    assert any(names <= {line.name for line in note.lines} for note in notes)
