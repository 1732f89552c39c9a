"""Statements of entries recorded before: any slot's, under that slot's committed root.

A note can be made again at any time, by any worker: what is signed here was read back from the
database, so it is committed; where commits are replicated, a barrier makes sure of it first. And
no root is signed on the database's word alone (`record_stand.py`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import Final

from codes.canonical import instant
from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.flows.record_marks import Mark, ReleasedMarks
from gateway.flows.record_stand import Stand, beginnings, compared, stand_of
from gateway.flows.record_types import DamagedRecordError, Recorded, SlotFrozenError
from gateway.flows.slot_seals import SlotSeals
from gateway.logs import get_logger
from gateway.metrics import RECORD_SIGN_SECONDS
from gateway.records.errors import RecordsError
from gateway.records.note import Checkpoint, LogSigner, is_signed_by, sign_checkpoint
from gateway.records.statements import StatementGroup
from gateway.records.tiles import Tile, node_source, tiles_for
from gateway.records.tree import NodeSource, leaf_hash, multiproof_nodes, root_from_multiproof
from gateway.storage.database import Connection, Database
from gateway.storage.erasures import minimums
from gateway.storage.records import find_entries
from gateway.storage.tiles import read_slots, read_tiles

SignerAt = Callable[[datetime], LogSigner]
"""The key that a checkpoint is signed with at an instant."""

Line = Callable[[], Sequence[Checkpoint]]
"""Trees of which each is the beginning of the next, as the writer that made them knows."""

NOTES_MAX: Final = 256
NODE_NOT_HELD: Final = "node-not-held"

log = get_logger()


def nobody_else() -> Sequence[Checkpoint]:
    """Say that nothing else is known of a slot than what was compared."""
    return ()


class Notary:
    """Signs committed checkpoints, in a thread, one after another; remembers the latest.

    What it signs is marked outside the database first: nobody holds what no mark tells of. Whoever
    has it signed says which mark they compared with. `is_replicated` says that only what stands on
    a standby is committed.
    """

    def __init__(
        self,
        *,
        signer: LogSigner,
        clock: Clock,
        thread: Executor,
        marks: ReleasedMarks,
        seals: SlotSeals,
        is_replicated: bool = False,
    ) -> None:
        self._signer_at: SignerAt = lambda _moment: signer
        self._marks = marks
        self.seals: Final = seals
        self.is_replicated: Final = is_replicated
        self._clock = clock
        self.thread: Final = thread
        self._notes: OrderedDict[Checkpoint, str] = OrderedDict()

    def mark(self, slot: int) -> Mark | None:
        """Return the highest mark of a slot; read it before the slot is read."""
        return self._marks.highest(self.seals.origin(slot))

    def sign(self, checkpoint: Checkpoint, mark: Mark | None, line: Line = nobody_else) -> str:
        """Return a note of a committed root that was compared with a mark; called in the thread."""
        self._marks.put(checkpoint, against=mark, line=line())
        with RECORD_SIGN_SECONDS.time():
            # Key and time belong together: whoever verifies takes the key of the time it says.
            now = self._clock.now().replace(microsecond=0)
            return sign_checkpoint(checkpoint, self._signer_at(now), time=int(now.timestamp()))

    def sign_with(self, signer_at: SignerAt) -> None:
        """Sign with the key that is in force at the moment of signing."""
        self._signer_at = signer_at

    def is_current(self, note: str) -> bool:
        """Tell whether a note of ours is signed by the key in force; else it is made again."""
        return is_signed_by(note, self._signer_at(self._clock.now()).public)

    def sign_all(self, checkpoints: Sequence[Checkpoint], mark: Mark | None) -> list[str]:
        """Return notes of committed roots that were all compared with a mark."""
        return [self.sign(checkpoint, mark) for checkpoint in checkpoints]

    def sign_grown(
        self, before: Checkpoint, checkpoints: Sequence[Checkpoint], line: Line
    ) -> list[str]:
        """Return notes of what one writer made of `before`, in order; called in the thread.

        Others may sign the same meanwhile: `line` says what that writer knows its trees to be.
        """
        notes = []
        for checkpoint in checkpoints:
            mark = Mark(before.size, before.root)
            notes.append(self.sign(checkpoint, mark, lambda: (*checkpoints, *line())))
            before = checkpoint
        return notes

    async def note(self, checkpoint: Checkpoint, mark: Mark | None) -> str:
        """Return a note of a committed root, an earlier one if there is one."""
        note = self._notes.get(checkpoint)
        if note is None or not self.is_current(note):
            loop = asyncio.get_running_loop()
            note = await loop.run_in_executor(self.thread, self.sign, checkpoint, mark)
            self.remember(checkpoint, note)
        return note

    def forget(self) -> None:
        """Hold nothing at hand that the database may have lost."""
        self._notes.clear()

    def remember(self, checkpoint: Checkpoint, note: str) -> None:
        """Keep a note at hand; the oldest goes."""
        self._notes[checkpoint] = note
        if len(self._notes) > NOTES_MAX:
            self._notes.popitem(last=False)


async def find_recorded(database: Database, entry_ids: Sequence[str]) -> dict[str, Recorded]:
    """Return the entries with these ids; unknown ids are left out."""
    async with database.read() as connection:
        found = await find_entries(connection, entry_ids)
    return {
        entry.entry_id: Recorded(
            entry_id=entry.entry_id,
            entry=entry.leaf,
            leaf_hash=entry.leaf_hash,
            slot=entry.slot,
            index=entry.index,
            time=instant(entry.time),
        )
        for entry in found
    }


async def checkpoint_of(database: Database, notary: Notary, slot: int) -> str:
    """Return a note of a slot's newest root that may be signed.

    Raises:
        NotFoundError: there is no such slot.
        SlotFrozenError: nothing may be signed of it; SlotDoubtedError: nobody has looked yet.
    """

    async def attempt() -> str:
        mark = notary.mark(slot)
        async with database.snapshot(is_certain=notary.is_replicated) as connection:
            stand = await _stand(connection, notary, slot, mark)
        return await notary.note(stand.checkpoint, mark)

    return await compared(attempt)


async def checkpoints_at(
    database: Database,
    notary: Notary,
    slot: int,
    sizes: Sequence[int],
    *,
    shown: Checkpoint | None = None,
) -> list[str]:
    """Return notes of a slot as it was at these committed sizes, newly signed, in their order.

    Of the tree `shown` a witness's cosignature shows that it was signed before: it and its
    beginnings may be signed again, whatever became of the slot since.

    Raises:
        NotFoundError: there is no such slot, or it never was that large.
        SlotFrozenError: not that much of it may be signed; SlotDoubtedError: nobody has looked yet.
        RecordsError: node-not-held if tiles were erased that the root needs.
    """

    async def attempt() -> list[str]:
        mark, largest, tree = notary.mark(slot), max(sizes, default=0), shown
        async with database.snapshot(is_certain=notary.is_replicated) as connection:
            state = (await read_slots(connection, [slot])).get(slot)
            if state is None or largest > state.size:
                raise NotFoundError("no such slot, or not of that size")
            if tree is None or largest > tree.size:
                stand = await stand_of(connection, state, mark=mark, seals=notary.seals)
                _require_signable(slot, largest, stand)
                tree = stand.checkpoint
            checkpoints = await beginnings(connection, slot, list(sizes), tree)
        # Not in the notary's thread: whoever waits for a new entry's checkpoint goes first.
        return await asyncio.to_thread(notary.sign_all, checkpoints, mark)

    return await compared(attempt)


async def prove(
    database: Database, notary: Notary, recorded: Sequence[Recorded]
) -> list[tuple[int, StatementGroup]]:
    """Return the statements of these entries, one group a slot, in slot order.

    What this process recorded lately is proved from memory under the newest checkpoint among it,
    anything else from tiles under its slot's latest root.

    Raises:
        NotFoundError: a slot is not in this database.
        SlotFrozenError: what is stored of a slot is not known to be what was signed from it;
            SlotDoubtedError: nobody has looked yet.
        DamagedRecordError: an entry is not the one that was recorded.
        RecordsError: node-not-held if tiles are missing that committed entries have.
    """
    by_slot: dict[int, list[Recorded]] = {}
    for entry in recorded:
        by_slot.setdefault(entry.slot, []).append(entry)
    groups = {slot: _from_memory(notary, entries) for slot, entries in by_slot.items()}
    missing = {slot: by_slot[slot] for slot, group in groups.items() if group is None}
    if missing:
        groups |= await compared(lambda: _from_tiles(database, notary, missing))
    return [(slot, group) for slot, group in sorted(groups.items()) if group is not None]


async def _stand(connection: Connection, notary: Notary, slot: int, mark: Mark | None) -> Stand:
    state = (await read_slots(connection, [slot])).get(slot)
    if state is None:
        raise NotFoundError("no such slot")
    return await stand_of(connection, state, mark=mark, seals=notary.seals)


def _require_signable(slot: int, size: int, stand: Stand) -> None:
    if size > stand.checkpoint.size:
        raise SlotFrozenError(f"slot {slot}: not proven to be ours from {stand.checkpoint.size} on")


def _from_memory(notary: Notary, entries: Sequence[Recorded]) -> StatementGroup | None:
    """Return the group under the newest checkpoint that any of the entries came with, if it can.

    What this process recorded lately is still in the edge of its newest tree, whichever of the
    last batches it was in; what lies further left is read from tiles.
    """
    known = [entry.under for entry in entries if entry.under is not None]
    if len(known) < len(entries):
        return None
    newest = max(known, key=lambda under: under.size)
    if not notary.is_current(newest.checkpoint):
        return None
    try:
        return StatementGroup.build(
            checkpoint=newest.checkpoint,
            size=newest.size,
            entries={entry.index: entry.entry for entry in entries},
            node=newest.extension.node,
        )
    except RecordsError as error:
        if error.reason != NODE_NOT_HELD:
            raise
        return None


async def _from_tiles(
    database: Database, notary: Notary, by_slot: Mapping[int, Sequence[Recorded]]
) -> dict[int, StatementGroup | None]:
    marks = {slot: notary.mark(slot) for slot in by_slot}
    async with database.snapshot(is_certain=notary.is_replicated) as connection:
        erased_below = await minimums(connection)
        for slot, entries in by_slot.items():
            if any(entry.index < erased_below.get(slot, 0) for entry in entries):
                raise NotFoundError("record: its month is erased")
        stands, tiles = {}, {}
        for slot, entries in by_slot.items():
            stand = stands[slot] = await _stand(connection, notary, slot, marks[slot])
            _require_signable(slot, max(entry.index for entry in entries) + 1, stand)
            tiles[slot] = await _tiles_of(connection, slot, stand.checkpoint.size, entries)
    groups: dict[int, StatementGroup | None] = {}
    for slot, entries in by_slot.items():
        checkpoint = stands[slot].checkpoint
        group = StatementGroup.build(
            checkpoint=await notary.note(checkpoint, marks[slot]),
            size=checkpoint.size,
            entries={entry.index: entry.entry for entry in entries},
            node=_node_source(tiles[slot]),
        )
        _require_included(slot, group, checkpoint)
        groups[slot] = group
    return groups


def _require_included(slot: int, group: StatementGroup, checkpoint: Checkpoint) -> None:
    """Refuse to send what its receiver would refuse: an entry, or a tile, that was altered."""
    leaves = [leaf_hash(entry) for entry in group.entries]
    root = root_from_multiproof(checkpoint.size, group.indexes, leaves, group.hashes)
    if root != checkpoint.root:
        log.error("record_altered", slot=slot)
        raise DamagedRecordError(f"slot {slot}: an entry is not of the signed tree")


async def _tiles_of(
    connection: Connection, slot: int, size: int, entries: Sequence[Recorded]
) -> Mapping[tuple[int, int], Tile]:
    nodes = multiproof_nodes(size, sorted({entry.index for entry in entries}))
    return await read_tiles(connection, slot, tiles_for(size, nodes))


def _node_source(tiles: Mapping[tuple[int, int], Tile]) -> NodeSource:
    return node_source(lambda level, number: tiles.get((level, number)))
