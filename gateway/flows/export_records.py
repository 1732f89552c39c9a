"""An organisation's records as files for somebody who trusts nobody (docs/reference/bundle.md).

Entries never change, so they are read piece by piece without holding a snapshot; what bounds an
export is the checkpoint it begins with. That somebody took one is recorded before it begins.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from codes.canonical import instant
from gateway.errors import InvalidBodyError
from gateway.flows.context import Context
from gateway.flows.export_grounds import ExportGrounds, Ground, ToldErasure
from gateway.flows.export_left import Leftovers
from gateway.flows.export_notes import ExportNotes
from gateway.flows.record_types import Draft, Recorded, SearchColumns, SlotFrozenError
from gateway.records.bundle import (
    export_nodes,
    frame_entries,
    slot_description,
    slot_name,
    write_head,
)
from gateway.records.erased import ERASURES
from gateway.records.grounds import write_grounds
from gateway.records.lost import LOSSES
from gateway.records.note import Checkpoint, parse_note
from gateway.records.policy import policy_text
from gateway.records.tiles import node_source, tiles_for
from gateway.storage.record_ranges import Range, peer_notes, range_of
from gateway.storage.records import EXPORT_CHUNK, StoredEntry, export_slot
from gateway.storage.tiles import read_tiles

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
PEER_NOTES_MAX: Final = 200_000
SOURCE: Final = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From when until when, the end not included."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    slot: int
    first: int
    end: int
    size: int
    """Of the tree that this export begins with: what is committed later is not in it."""
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the log itself tells of why its slots are not whole."""

    erasure: ToldErasure | None
    minimums: Mapping[int, int]
    losses: Sequence[Ground]

    def begins_erased(self, part: _Range) -> bool:
        """Tell whether nothing is left of a slot before this range."""
        return 0 < part.first == self.minimums.get(part.slot)


class ExportRecords:
    """Bundles of one organisation's record log."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._notes = ExportNotes(context)
        self._grounds = ExportGrounds(context)
        self._leftovers = Leftovers(context)

    async def begin(self, *, begins: datetime | None, ends: datetime | None, by: str) -> Period:
        """Record that somebody takes these records; `by` is an account or the control socket.

        Raises:
            InvalidBodyError: the period ends before it begins.
        """
        period = Period(
            begins=begins or EARLIEST, ends=ends if ends is not None else self._context.clock.now()
        )
        if period.ends <= period.begins:
            raise InvalidBodyError("export: the period has no length", pointer="/ends")
        draft = Draft(
            kind="records-read",
            members={},
            private={
                "staff": by,
                "what": "export",
                "begins": instant(period.begins),
                "ends": instant(period.ends),
            },
            search=SearchColumns(staff=by),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome
        return period

    async def files(self, period: Period) -> AsyncIterator[tuple[str, bytes]]:
        """Yield the bundle's files as pieces, name and bytes; pieces of a file follow each other.

        Private parts stay closed: they hold network codes, which are in no export (DESIGN §1). The
        exceptions are the entries that tell of an erased month and of lost records: they are why a
        slot begins late or ends.
        """
        trust = self._context.trust
        await self._notes.have_cosigned(period.ends)
        slots = range(trust.directory.organisation(trust.organisation).slots)
        told = _Told(
            erasure=await self._grounds.newest_erasure(),
            minimums=await self._grounds.minimums(),
            losses=await self._grounds.losses(),
        )
        ranges = [await self._range(slot, period, told) for slot in slots]
        async with self._context.database.read() as connection:
            notes = await peer_notes(
                connection, begins=period.begins, ends=period.ends, limit=PEER_NOTES_MAX
            )
        for name, content in write_head(
            network=trust.network,
            organisation=trust.organisation,
            begins=instant(period.begins),
            ends=instant(period.ends),
            directory=trust.directory.raw,
            slots=[part.slot for part in ranges],
            peer_notes=notes,
        ):
            yield name, content
        if told.erasure is not None and any(told.begins_erased(part) for part in ranges):
            yield ERASURES, await self._ground_file(ERASURES, [told.erasure], ranges)
        if told.losses:
            yield LOSSES, await self._ground_file(LOSSES, told.losses, ranges)
        for part in ranges:
            async for piece in self._slot_files(part):
                yield piece

    async def _ground_file(
        self, name: str, grounds: Sequence[Ground], ranges: Sequence[_Range]
    ) -> bytes:
        sizes = {part.slot: part.size for part in ranges}
        proofs = [
            await self._grounds.proof(ground, sizes[ground.stored.slot])
            for ground in grounds
            # Of a slot that lost this entry in its turn nothing can be proved.
            if ground.stored.index < sizes[ground.stored.slot]
        ]
        return write_grounds(name, proofs)

    async def _range(self, slot: int, period: Period, told: _Told) -> _Range:
        writer = self._context.writer
        # The checkpoint first: what is committed later is not in this export.
        try:
            note = await writer.checkpoint(slot)
        except SlotFrozenError:
            return await self._left_range(slot, period, told)
        size = parse_note(note).checkpoint.size
        async with self._context.database.read() as connection:
            found = await range_of(connection, slot, size, begins=period.begins, ends=period.ends)
        notes = await self._notes_of(slot, period, told, found, size=size)
        return _Range(slot=slot, first=found.first, end=found.end, size=size, notes=[*notes, note])

    async def _left_range(self, slot: int, period: Period, told: _Told) -> _Range:
        """Return the range of a slot whose rows are not what was signed, as far as they are."""
        tree = await self._leftovers.tree(slot)
        while True:
            async with self._context.database.read() as connection:
                found = await range_of(
                    connection, slot, tree.size, begins=period.begins, ends=period.ends
                )
            bad = await self._leftovers.first_bad(slot, found.first, found.end)
            if bad is None:
                break
            tree = await self._leftovers.tree(slot, most=bad)
        notes = await self._notes_of(slot, period, told, found, size=tree.size, shown=tree)
        notes += await self._context.writer.checkpoints_at(slot, [tree.size], shown=tree)
        return _Range(slot=slot, first=found.first, end=found.end, size=tree.size, notes=notes)

    async def _notes_of(
        self,
        slot: int,
        period: Period,
        told: _Told,
        found: Range,
        *,
        size: int,
        shown: Checkpoint | None = None,
    ) -> list[str]:
        minimum = told.minimums.get(slot, 0)
        notes = await self._notes.of_slot(
            slot,
            begins=period.begins,
            ends=period.ends,
            covered=found.covered,
            size=size,
            minimum=minimum,
            shown=shown,
            held=[loss.stored.index for loss in told.losses if loss.stored.slot == slot],
        )
        erased = None if told.erasure is None else told.erasure.ranges.get(slot)
        if erased is not None and found.first == minimum and erased.size <= size:
            # The root that the erasure names, so that it can be held against this tree.
            notes += await self._context.writer.checkpoints_at(slot, [erased.size], shown=shown)
        return notes

    async def _slot_files(self, part: _Range) -> AsyncIterator[tuple[str, bytes]]:
        name = slot_name(part.slot)
        yield f"{name}.json", await self._description(part)
        trust = self._context.trust
        yield f"{name}.policy", policy_text(trust.directory, trust.organisation, part.slot).encode()
        # A slot of which all is erased has both files, and nothing in them.
        yield f"{name}.leaves", b""
        async for chunk in self._chunks(part):
            yield f"{name}.leaves", b"".join(entry.leaf_hash for entry in chunk)
        yield f"{name}.entries", b""
        async for chunk in self._chunks(part):
            yield f"{name}.entries", frame_entries(entry.leaf for entry in chunk)

    async def _description(self, part: _Range) -> bytes:
        nodes = {
            node
            for note in part.notes
            for node in export_nodes(
                first=part.first, end=part.end, size=parse_note(note).checkpoint.size
            )
        }
        async with self._context.database.read() as connection:
            tiles = await read_tiles(connection, part.slot, tiles_for(part.size, nodes))
        return slot_description(
            slot=part.slot,
            first=part.first,
            end=part.end,
            notes=part.notes,
            node=node_source(lambda level, number: tiles.get((level, number))),
        )

    async def _chunks(self, part: _Range) -> AsyncIterator[list[StoredEntry]]:
        for start in range(part.first, part.end, EXPORT_CHUNK):
            until = min(start + EXPORT_CHUNK, part.end)
            async with self._context.database.read() as connection:
                entries = export_slot(connection, part.slot, until, first=start)
                chunk = [entry async for entry in entries]
            yield chunk
