"""Entries go in, statements come out, and only what is committed is ever signed."""

import asyncio

from gateway.flows.record import EffectRefusedError, Recorded
from gateway.records.entry import parse_entry
from tests.integration.record_log import KEY_SET, Mark, RecordLog, Veto, a_draft, recorded


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
