"""What was released and is no longer there is found before anything is written on top of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from codes.canonical import b64, unb64
from gateway.errors import ConfigurationError
from gateway.flows.record import NoFreeSlotError, RecordWriter, SearchColumns, SlotStoppedError
from gateway.flows.record_marks import Mark, MarkMovedError, ReleasedMarks
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.flows.record_types import Recorded, SlotFrozenError
from gateway.records.note import Checkpoint, log_origin, parse_note
from gateway.records.tiles import RightEdge
from gateway.records.tree import EMPTY_ROOT, leaf_hash
from tests.conftest import Dsns
from tests.integration.hand_in_tables import END_WRITERS, as_superuser, set_back
from tests.integration.record_log import (
    NETWORK,
    ORGANISATION,
    RecordLog,
    a_draft,
    recorded,
)


async def _append(writer: RecordWriter, count: int, *, to: str | None = None) -> list[Recorded]:
    drafts = [a_draft(search=SearchColumns(counterparty=to)) for _ in range(count)]
    return [recorded(outcome) for outcome in await writer.append(drafts, source="a")]


async def _losses(log: RecordLog) -> list[OpenedEntry]:
    reader = RecordReader(database=log.database, organisation=ORGANISATION, keys=log.keys)
    return await reader.search(Search(kinds=("log-loss",)))


def _told(entry: OpenedEntry) -> dict[str, object]:
    assert entry.private is not None
    return {name: value for name, value in entry.private.items() if name != "salt"}


@dataclass(slots=True)
class _Witnesses:
    """What the witnesses show; None while nobody answers."""

    held: Mapping[str, Checkpoint] | None
    of: int | None = None
    """The slot they speak of; of all if None."""

    async def newest(self, slot: int) -> Mapping[str, Checkpoint] | None:
        return self.held if self.of in (None, slot) else {}


async def test_a_database_behind_what_was_released_freezes_its_slot_and_tells_of_it(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        released = await _append(writer, 5)
    await set_back(record_log, dsns, to=3)

    async with record_log.writer() as writer:
        assert writer.slot == 1
        (entry,) = await _append(writer, 1)
        (loss,) = await _losses(record_log)
        found = await writer.find([released[0].entry_id])
        kept = await writer.statements(list(found.values()))
        with pytest.raises(NoFreeSlotError):
            async with record_log.writer():
                pass

    leaves = await record_log.leaves(0)
    signed = record_log.verify_note(released[-1]).checkpoint
    assert len(leaves) == 3
    assert [one.index for one in record_log.verify(kept)] == [1]
    assert entry.index == 2  # behind `opened` and `log-loss`
    assert (loss.stored.slot, loss.stored.index) == (1, 1)
    assert _told(loss) == {
        "slot": 0,
        "size": 3,
        "root": b64(RightEdge().extend([leaf_hash(leaf) for leaf in leaves]).root),
        "known_size": 6,
        "known_root": b64(signed.root),
        "known_from": "released",
        "is_prefix": 1,
        "copies": {},
    }


async def test_a_writer_that_saw_it_happen_names_who_has_what_is_gone(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        await _append(writer, 2, to="ehime")
        await _append(writer, 2, to="gunma")
        await _append(writer, 1)
        await set_back(record_log, dsns, to=2)
        await as_superuser(dsns, END_WRITERS)
        async with asyncio.timeout(10):
            await writer.wait_lost()
            await writer.wait_taken()
        await _append(writer, 1)

        assert writer.slot == 1
        (loss,) = await _losses(record_log)
    assert _told(loss)["copies"] == {"ehime": [2], "gunma": [3, 4]}


async def test_a_slot_that_says_something_else_than_was_signed_is_never_signed_again(
    record_log: RecordLog, dsns: Dsns
) -> None:
    async with record_log.writer() as writer:
        first, _ = await _append(writer, 2)
    leaves = await record_log.leaves(0)
    other = leaves[2].replace(b'"time":"2', b'"time":"3')
    hashes = [leaf_hash(leaf) for leaf in (*leaves[:2], other)]
    tree = RightEdge().extend(hashes)
    await as_superuser(
        dsns,
        "UPDATE log_entries SET leaf = $1, leaf_hash = $2 WHERE slot = 0 AND index = 2",
        *(other, hashes[2]),
    )
    await as_superuser(dsns, "UPDATE log_slots SET root = $1 WHERE slot = 0", tree.root)

    async with record_log.writer() as writer:
        found = await writer.find([first.entry_id])
        with pytest.raises(SlotFrozenError):
            await writer.statements(list(found.values()))
        with pytest.raises(SlotFrozenError):
            await writer.checkpoint(0)
        assert writer.slot == 1
        (loss,) = await _losses(record_log)

    told = _told(loss)
    assert (told["is_prefix"], told["size"], told["known_size"]) == (0, 3, 3)
    assert unb64(str(told["root"])) == tree.root


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE log_entries SET leaf_hash = sha256('other') WHERE slot = 0 AND index = 0",
        "DELETE FROM log_entries WHERE slot = 0",
    ],
)
async def test_a_slot_whose_entries_do_not_lead_to_its_root_is_frozen(
    record_log: RecordLog, dsns: Dsns, damage: str
) -> None:
    await as_superuser(dsns, damage)

    async with record_log.writer() as writer:
        assert writer.slot == 1
        (loss,) = await _losses(record_log)

    assert (_told(loss)["known_from"], _told(loss)["is_prefix"]) == ("tiles", 0)


async def test_a_loss_is_told_once_whoever_comes(record_log: RecordLog, dsns: Dsns) -> None:
    await record_log.open(4)
    async with record_log.writer() as writer:
        await _append(writer, 1)
    await set_back(record_log, dsns, to=1)

    async with record_log.writer() as first, record_log.writer() as second:
        assert {first.slot, second.slot} == {1, 2}
    async with record_log.writer():
        pass

    assert [entry.stored.slot for entry in await _losses(record_log)] == [1]


async def test_what_only_a_witness_knows_of_is_missed_too(record_log: RecordLog) -> None:
    witnesses = _Witnesses({"core": _checkpoint(0, EMPTY_ROOT), "ehime": _checkpoint(7)}, of=0)

    async with replace(record_log, elsewhere=witnesses).writer() as writer:
        assert writer.slot == 1
        (loss,) = await _losses(record_log)

    told = _told(loss)
    assert (told["size"], told["known_size"], told["known_from"]) == (1, 7, "ehime")
    assert unb64(str(told["known_root"])) == b"r" * 32


async def test_a_witness_that_is_behind_is_nothing_to_worry_about(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        note = await writer.checkpoint(0)
        await _append(writer, 3)
    behind = _Witnesses({"core": parse_note(note).checkpoint}, of=0)

    async with replace(record_log, elsewhere=behind).writer() as writer:
        (entry,) = await _append(writer, 1)

    assert (entry.slot, entry.index) == (0, 4)


async def test_a_tree_that_is_not_the_one_that_was_cosigned_is_frozen(
    record_log: RecordLog,
) -> None:
    another = _Witnesses({"core": _checkpoint(1)}, of=0)

    async with replace(record_log, elsewhere=another).writer() as writer:
        assert writer.slot == 1
        (loss,) = await _losses(record_log)

    assert (_told(loss)["known_from"], _told(loss)["is_prefix"]) == ("core", 0)


async def test_where_nothing_was_ever_signed_from_a_witness_has_to_answer_first(
    record_log: RecordLog,
) -> None:
    witnesses = _Witnesses(None)
    log = replace(record_log, elsewhere=witnesses)

    async with log.writer() as writer:
        with pytest.raises(NoFreeSlotError):
            await _append(writer, 1)
        assert writer.is_stopped
        witnesses.held = {}
        async with asyncio.timeout(10):
            await writer.wait_taken()
        await _append(writer, 1)
    witnesses.held = None

    async with log.writer() as writer:  # this machine knows by itself now, of slot 0
        async with asyncio.timeout(10):
            await writer.wait_taken()
        (entry,) = await _append(writer, 1)
    assert (entry.slot, entry.index) == (0, 2)


async def test_commits_that_were_promised_a_standby_are_refused_without_one(
    record_log: RecordLog,
) -> None:
    async with record_log.writer() as writer:
        await _append(writer, 1)
        assert writer._run is not None
        # As where the cluster gave its standby up while the writer was at work.
        await writer._run._tenancy.connection.execute("SET sekisho.durability = 'replicated'")
        with pytest.raises(SlotStoppedError) as raised:
            await _append(writer, 1)

    assert type(raised.value.__cause__).__name__ == "NotReplicatedError"
    assert len(await record_log.leaves(0)) == 2


def _checkpoint(size: int, root: bytes = b"r" * 32) -> Checkpoint:
    return Checkpoint(log_origin(NETWORK, ORGANISATION, 0), size, root)


def test_a_mark_only_grows_along_one_line_and_never_takes_another_root(
    record_log: RecordLog,
) -> None:
    marks, origin = record_log.marks, _checkpoint(0).origin
    five, eight = Mark(5, b"r" * 32), Mark(8, b"r" * 32)
    assert marks.highest(origin) is None

    marks.put(_checkpoint(5), against=None)
    for size in (3, 5):
        marks.put(_checkpoint(size), against=five)
    with pytest.raises(SlotFrozenError, match="another root"):
        marks.put(_checkpoint(5, b"s" * 32), against=five)
    for compared_with in (None, Mark(4, b"r" * 32), Mark(5, b"s" * 32)):
        with pytest.raises(MarkMovedError):
            marks.put(_checkpoint(8), against=compared_with)
    at_five = marks.highest(origin)
    marks.put(_checkpoint(8), against=five)
    marks.put(_checkpoint(4), against=five)  # the beginning of five is the beginning of eight
    with pytest.raises(MarkMovedError):
        marks.put(_checkpoint(6), against=five)
    marks.put(_checkpoint(6), against=five, line=[_checkpoint(8)])

    assert (at_five, marks.highest(origin)) == (five, eight)


def test_a_damaged_mark_stops_whoever_reads_it(record_log: RecordLog) -> None:
    marks: ReleasedMarks = record_log.marks
    marks.put(_checkpoint(5), against=None)
    path = marks._folder / "test.nagaoka.log.0"
    raw = path.read_bytes()

    for damaged in (raw[:-1], raw + b"x", raw[:20] + b"\xff" + raw[21:]):
        path.write_bytes(damaged)
        with pytest.raises(ConfigurationError, match="what was released is not known"):
            marks.highest(_checkpoint(5).origin)
