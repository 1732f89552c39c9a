"""An administrator with every right on the database gets nothing signed that is not ours."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from certs.keystore import KeyStore
from certs.master_key import MasterKey
from gateway.errors import ConfigurationError
from gateway.flows.record import RecordWriter, SlotStoppedError
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_read import RecordReader, Search
from gateway.flows.record_types import DamagedRecordError, Recorded, SlotFrozenError
from gateway.records.note import log_origin, parse_note
from tests.conftest import Dsns
from tests.integration.hand_in_tables import (
    as_superuser,
    forged,
    go_back,
    put_row,
    rewrite,
    root,
    row_of,
    set_back,
    tried,
)
from tests.integration.record_log import (
    NETWORK,
    ORGANISATION,
    RecordLog,
    a_draft,
    recorded,
    until_sealed_as_signed,
)

_THAW = "UPDATE log_slots SET is_frozen = false"
_FORGET = "UPDATE log_losses SET is_prefix = true"


async def _append(writer: RecordWriter, count: int) -> list[Recorded]:
    drafts = [a_draft() for _ in range(count)]
    return [recorded(outcome) for outcome in await writer.append(drafts, source="a")]


async def _grounds(log: RecordLog) -> list[object]:
    """Return by what each frozen slot is known, as the entries in other slots say."""
    reader = RecordReader(database=log.database, organisation=ORGANISATION, keys=log.keys)
    found = await reader.search(Search(kinds=("log-loss",)))
    told = [entry.private for entry in found if entry.private is not None]
    return [(one["slot"], one["known_from"], one["is_prefix"]) for one in told]


def _signed(log: RecordLog, slot: int = 0) -> tuple[int, bytes]:
    """Return the largest tree that anybody was given a note of."""
    mark = log.marks.highest(log_origin(NETWORK, ORGANISATION, slot))
    assert mark is not None
    return mark.size, mark.root


async def _is_signed_by_nobody(writer: RecordWriter, slot: int, sizes: Sequence[int]) -> None:
    with pytest.raises(SlotFrozenError):
        await writer.checkpoint(slot)
    for size in sizes:
        with pytest.raises(SlotFrozenError):
            await writer.checkpoints_at(slot, [size])


async def test_an_entry_added_behind_the_last_is_signed_by_nobody(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        await _append(writer, 2)
    signed, leaves = _signed(record_log), await record_log.leaves(0)
    await rewrite(dsns, leaves=[*leaves, await forged(record_log)], first=len(leaves))

    async with record_log.writer() as writer:
        assert writer.slot == 1
        await _append(writer, 1)
        found = await writer.find([await row_id(record_log, 3)])
        with pytest.raises(SlotFrozenError):
            await writer.statements(list(found.values()))
        await _is_signed_by_nobody(writer, 0, sizes=[4, 3])
        grounds = await _grounds(record_log)

    assert grounds == [(0, "seal", 0)]
    assert _signed(record_log) == signed


async def test_a_slot_set_back_and_rewritten_is_no_beginning_of_anything(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        for _ in range(7):
            await _append(writer, 1)
    signed, leaves = _signed(record_log), await record_log.leaves(0)
    fork = await rewrite(dsns, leaves=[*leaves[:3], await forged(record_log)], first=3)

    async with record_log.writer() as writer:
        assert writer.slot == 1
        await _is_signed_by_nobody(writer, 0, sizes=[4, 3])
        grounds = await _grounds(record_log)

    assert fork.size == 4
    assert grounds == [(0, "seal", 0)]
    assert _signed(record_log) == signed == (8, root(leaves))


@pytest.mark.parametrize(
    ("kept", "more"),
    [
        pytest.param(3, 1, id="set back and rewritten"),
        pytest.param(5, 1, id="rewritten at its end"),
        pytest.param(6, 2, id="grown"),
    ],
)
async def test_a_slot_that_nobody_holds_is_looked_at_before_it_is_signed(
    record_log: RecordLog, dsns: Dsns, kept: int, more: int
) -> None:
    async with record_log.writer() as first, record_log.writer() as second:
        assert (first.slot, second.slot) == (0, 1)
        await _append(second, 5)
    signed, leaves = _signed(record_log, 1), await record_log.leaves(1)

    async with record_log.writer() as writer:
        now = [*leaves[:kept], *[await forged(record_log, 1)] * more]
        await rewrite(dsns, leaves=now, slot=1, first=kept)
        await _is_signed_by_nobody(writer, 1, sizes=[kept + more, kept])
        # Nothing had to be taken anew for that: its entry is there, and work goes on.
        grounds = await _grounds(record_log)
        (entry,) = await _append(writer, 1)

    assert grounds == [(1, "seal", 0)]
    assert (entry.slot, _signed(record_log, 1)) == (0, signed)


async def test_a_slot_altered_under_its_writer_is_left_for_another(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        await _append(writer, 2)
        await until_sealed_as_signed(record_log.database, 0)
        leaves = await record_log.leaves(0)
        await rewrite(dsns, leaves=[*leaves, await forged(record_log)], first=len(leaves))
        with pytest.raises(SlotStoppedError):
            await _append(writer, 1)
        await writer.wait_lost()
        await writer.wait_taken()
        (entry,) = await _append(writer, 1)
        grounds = await _grounds(record_log)

    assert entry.slot == 1
    assert grounds == [(0, "seal", 0)]
    assert _signed(record_log) == (3, root(leaves))


async def test_no_flag_in_the_database_makes_a_row_signable(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        await _append(writer, 5)
    leaves = await record_log.leaves(0)
    await rewrite(dsns, leaves=[*leaves[:3], await forged(record_log)], first=3)
    async with record_log.writer() as writer:
        await as_superuser(dsns, _FORGET)
        await _is_signed_by_nobody(writer, 0, sizes=[4])
        await as_superuser(dsns, _THAW)
        await _is_signed_by_nobody(writer, 0, sizes=[4])
        await as_superuser(dsns, _THAW)
    async with record_log.writer() as writer:
        slot = writer.slot

    assert slot == 1
    assert _signed(record_log) == (6, root(leaves))


@pytest.mark.parametrize(
    ("damage", "ground"),
    [
        ("UPDATE log_slots SET last_time = last_time + interval '1 day' WHERE slot = 0", "seal"),
        ("UPDATE log_slots SET last_time = 'infinity' WHERE slot = 0", "seal"),
        ("UPDATE log_slots SET signed_size = 2 WHERE slot = 0", "seal"),
        ("UPDATE log_slots SET signed_root = sha256('x') WHERE slot = 0", "seal"),
        ("UPDATE log_slots SET root = sha256('x') WHERE slot = 0", "seal"),
        ("UPDATE log_slots SET seal = sha256('x') WHERE slot = 0", "seal"),
        ("UPDATE log_slots SET frontier = sha256('x') || sha256('y') WHERE slot = 0", "tiles"),
        ("UPDATE log_entries SET leaf_hash = sha256('x') WHERE slot = 0 AND index = 1", "tiles"),
    ],
)
async def test_every_column_of_a_slot_is_its_writers(
    record_log: RecordLog, dsns: Dsns, damage: str, ground: str
) -> None:
    async with record_log.writer() as writer:
        await _append(writer, 2)
    await as_superuser(dsns, damage)

    async with record_log.writer() as writer:
        grounds = await _grounds(record_log)

    assert grounds == [(0, ground, 0)]


async def test_the_seal_of_one_slot_is_none_of_another(record_log: RecordLog, dsns: Dsns) -> None:
    async with record_log.writer() as writer:
        await _append(writer, 2)
    leaves = await record_log.leaves(0)
    await as_superuser(dsns, "ALTER TABLE log_slots DROP CONSTRAINT log_slots_origin_key")
    await rewrite(dsns, leaves=leaves, slot=1)
    await put_row(dsns, await row_of(dsns, 0), slot=1)
    await as_superuser(
        dsns, "UPDATE log_slots SET origin = (SELECT origin FROM log_slots WHERE slot = 0)"
    )

    async with record_log.writer() as writer:
        await _is_signed_by_nobody(writer, 1, sizes=[3])
        grounds = await _grounds(record_log)

    assert grounds == [(1, "seal", 0)]


async def test_a_true_beginning_is_signed_as_far_as_its_row_proves_that_it_was_signed(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        old = await _append(writer, 2)
        await until_sealed_as_signed(record_log.database, 0)
        whole = await row_of(dsns)
        late = await _append(writer, 1)
        part = await row_of(dsns)
        await _append(writer, 1)
    leaves = await record_log.leaves(0)

    await go_back(dsns, part)  # of four entries, three were signed when this was written
    async with record_log.writer() as writer:
        grounds = await _grounds(record_log)
        note = parse_note(await writer.checkpoint(0)).checkpoint
        statements = record_log.verify(await writer.statements(await _found(writer, old)))
        with pytest.raises(SlotFrozenError, match="from 3 on"):
            await writer.statements(await _found(writer, late))
        with pytest.raises(SlotFrozenError, match="from 3 on"):
            await writer.checkpoints_at(0, [2, 4])
        await go_back(dsns, whole | {"is_frozen": True})
        same = parse_note(await writer.checkpoint(0)).checkpoint

    assert grounds == [(0, "released", 1)]
    assert (note.size, note.root) == (3, root(leaves[:3])) == (same.size, same.root)
    assert [one.index for one in statements] == [1, 2]
    assert _signed(record_log) == (5, root(leaves))


async def test_a_slot_found_behind_what_was_signed_is_frozen_by_whoever_finds_it(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as first, record_log.writer() as second:
        assert (first.slot, second.slot) == (0, 1)
        await _append(second, 5)
    async with record_log.writer() as writer:
        await set_back(record_log, dsns, to=3, slot=1)
        note = parse_note(await writer.checkpoint(1)).checkpoint
        grounds = await _grounds(record_log)

    assert note.size == 3
    assert grounds == [(1, "released", 1)]


async def test_a_tree_that_was_tried_and_never_committed_is_not_signed_in_the_place_of_another(
    record_log: RecordLog, dsns: Dsns
) -> None:
    """What a writer sends is sealed before it is committed, and the server sees it all."""
    async with record_log.writer() as writer:
        await _append(writer, 2)
        leaves, put = await record_log.leaves(0), await tried(record_log, dsns, entries=1)
        await _append(writer, 1)
        await _append(writer, 1)
    signed = _signed(record_log)
    await put()

    async with record_log.writer() as writer:
        note = parse_note(await writer.checkpoint(0)).checkpoint
        with pytest.raises(SlotFrozenError):
            await writer.checkpoints_at(0, [4])

    assert (note.size, note.root) == (3, root(leaves))
    assert _signed(record_log) == signed


async def test_a_larger_tree_that_was_tried_is_not_signed_beside_what_was_committed(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer, record_log.writer() as other:
        assert (writer.slot, other.slot) == (0, 1)
        await _append(other, 1)
        put = await tried(record_log, dsns, entries=3, slot=1)
        await _append(other, 1)
        signed = _signed(record_log, 1)
        await put()
        await _is_signed_by_nobody(writer, 1, sizes=[5, 3, 2])
        grounds = await _grounds(record_log)

    assert grounds == [(1, "released", 0)]
    assert _signed(record_log, 1) == signed


async def test_a_writer_signs_nothing_beside_what_another_signed_meanwhile(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer, record_log.writer() as other:
        await _append(writer, 2)
        await until_sealed_as_signed(record_log.database, 0)
        put, before = await tried(record_log, dsns, entries=2), await row_of(dsns)
        await put()
        theirs = parse_note(await other.checkpoint(0)).checkpoint
        await go_back(dsns, before)
        with pytest.raises(SlotStoppedError):
            await _append(writer, 1)

    assert theirs.size == 5
    assert _signed(record_log) == (5, theirs.root)


async def test_an_altered_entry_is_not_sent_for_its_receiver_to_refuse(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        entries = await _append(writer, 3)
        await as_superuser(
            dsns,
            "UPDATE log_entries SET leaf = $1 WHERE slot = 0 AND index = 2",
            await forged(record_log),
        )
        with pytest.raises(DamagedRecordError):
            await writer.statements(await _found(writer, entries[1:2]))
        await writer.statements(await _found(writer, entries[:1]))


async def test_an_earlier_root_is_signed_only_as_the_beginning_of_the_sealed_one(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        await _append(writer, 3)
        (before,) = await writer.checkpoints_at(0, [2])
        await as_superuser(
            dsns, "UPDATE log_entries SET leaf_hash = sha256('x') WHERE slot = 0 AND index = 1"
        )
        with pytest.raises(SlotFrozenError):
            await writer.checkpoints_at(0, [2])

    assert parse_note(before).checkpoint.size == 2


async def test_without_the_key_of_its_seals_nothing_begins(
    record_log: RecordLog, key_store: KeyStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    another = KeyStore.create(
        tmp_path_factory.mktemp("other") / "keys",
        MasterKey.generate(),
        network=key_store.network,
        organisation=key_store.organisation,
    )
    log = replace(record_log, keys=another)

    with pytest.raises(ConfigurationError, match="no-such-key"):
        await log.open()
    with pytest.raises(ConfigurationError, match="no-such-key"):
        async with log.writer():
            pass


async def test_a_machine_without_marks_signs_what_is_sealed(
    record_log: RecordLog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with record_log.writer() as writer:
        await _append(writer, 2)
    moved = replace(record_log, marks=ReleasedMarks(tmp_path_factory.mktemp("new") / "released"))

    async with moved.writer() as writer:
        marked = _signed(moved)
        (entry,) = await _append(writer, 1)

    assert marked == _signed(record_log)  # before anything was signed
    assert (entry.slot, entry.index) == (0, 3)


async def _found(writer: RecordWriter, entries: Sequence[Recorded]) -> list[Recorded]:
    """Return entries as the database has them, and not as they are remembered."""
    return list((await writer.find([one.entry_id for one in entries])).values())


async def row_id(log: RecordLog, index: int) -> str:
    async with log.database.read() as connection:
        found = await connection.fetchval(
            "SELECT entry_id FROM log_entries WHERE slot = 0 AND index = $1", index
        )
    return str(found.hex)
