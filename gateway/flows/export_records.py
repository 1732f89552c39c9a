"""An organisation's records as files for somebody who trusts nobody (docs/reference/bundle.md).

Entries never change, so they are read piece by piece without holding a snapshot; what bounds an
export is the checkpoint it begins with. That somebody took one is recorded before it begins.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from codes.canonical import instant
from gateway.errors import InvalidBodyError
from gateway.flows.context import Context
from gateway.flows.export_erasures import ExportErasures, ToldErasure
from gateway.flows.export_notes import ExportNotes
from gateway.flows.record_types import Draft, Recorded, SearchColumns, SlotFrozenError
from gateway.records.bundle import (
    export_nodes,
    frame_entries,
    slot_description,
    slot_name,
    write_head,
)
from gateway.records.erased import ERASURES, write_erasures
from gateway.records.note import parse_note
from gateway.records.policy import policy_text
from gateway.records.tiles import node_source, tiles_for
from gateway.storage import record_ranges
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


class ExportRecords:
    """Bundles of one organisation's record log."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._notes = ExportNotes(context)
        self._erasures = ExportErasures(context)

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
        one exception is the entry that tells of an erased month: it is why a slot begins late.
        """
        trust = self._context.trust
        await self._notes.have_cosigned(period.ends)
        slots = range(trust.directory.organisation(trust.organisation).slots)
        told, minimums = await self._erasures.newest(), await self._erasures.minimums()
        found = [await self._range(slot, period, told, minimums.get(slot, 0)) for slot in slots]
        ranges = [part for part in found if part is not None]
        begins_erased = any(0 < part.first == minimums.get(part.slot) for part in ranges)
        async with self._context.database.read() as connection:
            notes = await record_ranges.peer_notes(
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
        if told is not None and begins_erased:
            sizes = [part.size for part in ranges if part.slot == told.stored.slot]
            proofs = [await self._erasures.proof(told, size) for size in sizes]
            yield ERASURES, write_erasures(proofs)
        for part in ranges:
            async for piece in self._slot_files(part):
                yield piece

    async def _range(
        self, slot: int, period: Period, told: ToldErasure | None, minimum: int
    ) -> _Range | None:
        # The checkpoint first: what is committed later is not in this export.
        try:
            note = await self._context.writer.checkpoint(slot)
        except SlotFrozenError:
            # Nothing of it may be signed again: it is missing, and `log-loss` says why.
            return None
        size = parse_note(note).checkpoint.size
        async with self._context.database.read() as connection:
            found = await record_ranges.range_of(
                connection, slot, size, begins=period.begins, ends=period.ends
            )
        cosigned = await self._notes.of_slot(
            slot,
            begins=period.begins,
            ends=period.ends,
            covered=found.covered,
            size=size,
            minimum=minimum,
        )
        erased = told.ranges.get(slot) if told is not None and found.first == minimum else None
        # A frozen slot may be signed no longer as far as it was when a month of it was erased.
        if erased is not None and erased.size <= size:
            # The root that the erasure names, so that it can be held against this tree.
            cosigned += await self._context.writer.checkpoints_at(slot, [erased.size])
        return _Range(
            slot=slot, first=found.first, end=found.end, size=size, notes=[*cosigned, note]
        )

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
