"""Statements of entries recorded before: any slot's, under that slot's committed root.

A note can be made again at any time, by any worker: what is signed here was read back from the
database, so it is committed; where commits are replicated, a barrier makes sure of it first.
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
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_types import Recorded, SlotFrozenError
from gateway.metrics import RECORD_SIGN_SECONDS
from gateway.records.errors import RecordsError
from gateway.records.note import Checkpoint, LogSigner, is_signed_by, sign_checkpoint
from gateway.records.statements import StatementGroup
from gateway.records.tiles import Tile, node_source, tiles_for
from gateway.records.tree import NodeSource, multiproof_nodes, range_nodes, root
from gateway.storage.database import Connection, Database
from gateway.storage.erasures import minimums
from gateway.storage.records import find_entries
from gateway.storage.slots import SlotState
from gateway.storage.tiles import read_slots, read_tiles

SignerAt = Callable[[datetime], LogSigner]
"""The key that a checkpoint is signed with at an instant."""

NOTES_MAX: Final = 256
NODE_NOT_HELD: Final = "node-not-held"


class Notary:
    """Signs committed checkpoints, in a thread, one after another; remembers the latest.

    What it signs is marked outside the database first: nobody holds what no mark tells of.
    `is_replicated` says that only what stands on a standby is committed.
    """

    def __init__(
        self,
        *,
        signer: LogSigner,
        clock: Clock,
        thread: Executor,
        marks: ReleasedMarks,
        is_replicated: bool = False,
    ) -> None:
        self._signer_at: SignerAt = lambda _moment: signer
        self._marks = marks
        self.is_replicated: Final = is_replicated
        self._clock = clock
        self.thread: Final = thread
        self._notes: OrderedDict[Checkpoint, str] = OrderedDict()

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return a note of a committed root; called in the thread."""
        self._marks.put(checkpoint)
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

    def sign_all(self, checkpoints: Sequence[Checkpoint]) -> list[str]:
        """Return notes of committed roots; called in the thread."""
        return [self.sign(checkpoint) for checkpoint in checkpoints]

    async def note(self, checkpoint: Checkpoint) -> str:
        """Return a note of a committed root, an earlier one if there is one."""
        note = self._notes.get(checkpoint)
        if note is None or not self.is_current(note):
            loop = asyncio.get_running_loop()
            note = await loop.run_in_executor(self.thread, self.sign, checkpoint)
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
    """Return a note of a slot's committed root, or raise NotFoundError, SlotFrozenError."""
    async with database.snapshot(is_certain=notary.is_replicated) as connection:
        state = (await read_slots(connection, [slot])).get(slot)
    if state is None:
        raise NotFoundError("no such slot")
    return await notary.note(_signable(state))


async def checkpoints_at(
    database: Database, notary: Notary, slot: int, sizes: Sequence[int], *, shown: int = 0
) -> list[str]:
    """Return notes of a slot as it was at these committed sizes, newly signed, in their order.

    Up to the size `shown` a witness's cosignature shows that the rows are what was signed before:
    so much may be signed again whatever became of the slot.

    Raises:
        NotFoundError: there is no such slot, or it never was that large.
        SlotFrozenError: nothing more may be signed of it.
        RecordsError: node-not-held if tiles were erased that the root needs.
    """
    async with database.snapshot(is_certain=notary.is_replicated) as connection:
        state = (await read_slots(connection, [slot])).get(slot)
        if state is None or max(sizes, default=0) > state.size:
            raise NotFoundError("no such slot, or not of that size")
        largest = max(sizes, default=0)
        if largest > shown:
            _signable(state)
        nodes = {node for size in sizes for node in range_nodes(0, size)}
        tiles = await read_tiles(connection, slot, tiles_for(largest, nodes))
    node = _node_source(tiles)
    checkpoints = [Checkpoint(state.origin, size, root(size, node)) for size in sizes]
    # Not in the notary's thread: whoever waits for a new entry's checkpoint goes first.
    return await asyncio.to_thread(notary.sign_all, checkpoints)


async def prove(
    database: Database, notary: Notary, recorded: Sequence[Recorded]
) -> list[tuple[int, StatementGroup]]:
    """Return the statements of these entries, one group a slot, in slot order.

    What this process recorded lately is proved from memory under the newest checkpoint among it,
    anything else from tiles under its slot's latest root.

    Raises:
        NotFoundError: a slot is not in this database.
        SlotFrozenError: what is stored of a slot is not what was signed from it.
        RecordsError: node-not-held if tiles are missing that committed entries have.
    """
    by_slot: dict[int, list[Recorded]] = {}
    for entry in recorded:
        by_slot.setdefault(entry.slot, []).append(entry)
    groups = {slot: _from_memory(notary, entries) for slot, entries in by_slot.items()}
    missing = {slot: by_slot[slot] for slot, group in groups.items() if group is None}
    if missing:
        groups |= await _from_tiles(database, notary, missing)
    return [(slot, group) for slot, group in sorted(groups.items()) if group is not None]


def _signable(state: SlotState) -> Checkpoint:
    if not state.is_signable:
        raise SlotFrozenError(f"slot {state.slot}: something else was signed before")
    return Checkpoint(state.origin, state.size, state.root)


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
    async with database.snapshot(is_certain=notary.is_replicated) as connection:
        states = await read_slots(connection, list(by_slot))
        if len(states) != len(by_slot):
            raise NotFoundError("no such slot")
        erased_below = await minimums(connection)
        for slot, entries in by_slot.items():
            if any(entry.index < erased_below.get(slot, 0) for entry in entries):
                raise NotFoundError("record: its month is erased")
        tiles = {
            slot: await _tiles_of(connection, states[slot], entries)
            for slot, entries in by_slot.items()
        }
    groups: dict[int, StatementGroup | None] = {}
    for slot, entries in by_slot.items():
        state = states[slot]
        note = await notary.note(_signable(state))
        groups[slot] = StatementGroup.build(
            checkpoint=note,
            size=state.size,
            entries={entry.index: entry.entry for entry in entries},
            node=_node_source(tiles[slot]),
        )
    return groups


async def _tiles_of(
    connection: Connection, state: SlotState, entries: Sequence[Recorded]
) -> Mapping[tuple[int, int], Tile]:
    indexes = sorted({entry.index for entry in entries})
    nodes = multiproof_nodes(state.size, indexes)
    return await read_tiles(connection, state.slot, tiles_for(state.size, nodes))


def _node_source(tiles: Mapping[tuple[int, int], Tile]) -> NodeSource:
    return node_source(lambda level, number: tiles.get((level, number)))
