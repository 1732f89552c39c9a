"""Entries go in, statements come out, and only what is committed is ever signed."""

import asyncio
import hashlib

from gateway.flows.record import EffectRefusedError, Recorded
from gateway.records.entry import parse_entry
from gateway.storage.records import PeerCheckpointKept, read_peer_checkpoints
from tests.integration.record_log import KEY_SET, Mark, RecordLog, Veto, a_draft, busy, recorded


async def test_every_slot_begins_with_opened(record_log: RecordLog) -> None:
    for slot in (0, 1):
        (leaf,) = await record_log.leaves(slot)

        public = parse_entry(leaf).public
        assert (public.kind, public.slot, public.key_set) == ("opened", slot, KEY_SET)  # type: ignore[attr-defined]  # kind opened


async def test_opening_again_adds_nothing(record_log: RecordLog) -> None:
    await record_log.open()

    assert len(await record_log.leaves(0)) == 1


async def test_a_recorded_entry_proves_itself(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        (outcome,) = await writer.append([a_draft()], source="a")
        group = await writer.statements([recorded(outcome)])

    (statement,) = record_log.verify(group)
    assert statement.entry.raw == recorded(outcome).entry
    assert statement.index == 1


async def test_many_entries_prove_themselves_across_tiles(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        calls = [writer.append([a_draft() for _ in range(5)], source=str(n)) for n in range(130)]
        outcomes = [recorded(o) for found in await asyncio.gather(*calls) for o in found]
        alone = [await writer.statements([outcome]) for outcome in outcomes]
        again = await writer.find([outcome.entry_id for outcome in outcomes[::7]])
        old = await writer.statements(list(again.values()))

    assert len(await record_log.leaves(0)) == 651
    for outcome, group in zip(outcomes, alone, strict=True):
        assert record_log.verify(group)[0].entry.leaf_hash == outcome.leaf_hash
    assert {s.entry.raw for s in record_log.verify(old)} == {o.entry for o in outcomes[::7]}


async def test_a_refused_effect_takes_nobody_with_it(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        await writer.append([a_draft(Mark(mark="used"))], source="a")
        outcomes = await writer.append(
            [a_draft(Mark(mark="one")), a_draft(Mark(mark="used")), a_draft(Mark(mark="two"))],
            source="a",
        )

    assert [type(outcome) for outcome in outcomes] == [Recorded, EffectRefusedError, Recorded]
    assert isinstance(outcomes[1], EffectRefusedError)
    assert outcomes[1].kind == "mark"
    assert len(await record_log.leaves(0)) == 4


async def test_an_entry_dropped_late_leaves_none_of_its_effects(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        outcomes = await writer.append(
            [a_draft(Mark(mark="one")), a_draft(Mark(mark="two"), Veto(mark="x"))], source="a"
        )

    assert isinstance(outcomes[1], EffectRefusedError)
    assert outcomes[1].kind == "veto"
    async with record_log.database.read() as connection:
        assert [row["key"] for row in await connection.fetch("SELECT key FROM marks")] == ["one"]


async def test_a_large_call_is_one_batch_and_drops_only_what_is_refused(
    record_log: RecordLog,
) -> None:
    async with record_log.writer() as writer:
        await writer.append([a_draft(Mark(mark="7"))], source="a")
        outcomes = await writer.append(
            [a_draft(Mark(mark=str(number))) for number in range(400)], source="a"
        )
        found = [outcome for outcome in outcomes if isinstance(outcome, Recorded)]
        groups = [await writer.statements(found[n : n + 200]) for n in (0, 199)]

    assert [n for n, one in enumerate(outcomes) if isinstance(one, EffectRefusedError)] == [7]
    assert {(entry.time, entry.under) for entry in found} == {(found[0].time, found[0].under)}
    assert [len(record_log.verify(group)) for group in groups] == [200, 200]
    assert len(await record_log.leaves(0)) == 401


async def test_entries_of_one_call_stand_together(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        async with busy(record_log, writer):
            calls = [
                asyncio.create_task(writer.append([a_draft(), a_draft()], source=name))
                for name in "abc"
            ]
            await asyncio.sleep(0)
        found = [[recorded(one) for one in await call] for call in calls]

    assert all(second.index == first.index + 1 for first, second in found)
    assert len({id(one.under) for call in found for one in call}) == 1


async def test_a_peer_s_checkpoint_is_stored_once_and_the_largest_is_known(
    record_log: RecordLog,
) -> None:
    notes = [_kept(size) for size in (5, 9, 7)]
    async with record_log.writer() as writer:
        drafts = [a_draft(notes[n % 3], Mark(mark=str(n))) for n in range(30)]
        outcomes = await writer.append([*drafts, a_draft(notes[1], Veto(mark="x"))], source="a")
        await writer.append([a_draft(notes[0])], source="a")

    assert isinstance(outcomes[-1], EffectRefusedError)
    async with record_log.database.read() as connection:
        stored = await read_peer_checkpoints(connection, [note.hash for note in notes])
        largest = await connection.fetchrow("SELECT origin, size, hash FROM peer_slots")
    assert stored == {note.hash: note.note for note in notes}
    assert largest is not None
    assert tuple(largest) == ("test/peer/log/0", 9, notes[1].hash)


async def test_what_only_a_refused_entry_brought_may_stay_but_nothing_else(
    record_log: RecordLog,
) -> None:
    async with record_log.writer() as writer:
        (outcome,) = await writer.append([a_draft(_kept(3), Veto(mark="x"))], source="a")

    assert isinstance(outcome, EffectRefusedError)
    assert len(await record_log.leaves(0)) == 1


def _kept(size: int) -> PeerCheckpointKept:
    note = f"a note of size {size}"
    return PeerCheckpointKept(
        hash=hashlib.sha256(note.encode()).digest(),
        origin="test/peer/log/0",
        size=size,
        root=b"r" * 32,
        note=note,
    )
