"""Corrections read with what they correct: ours opened, others' as their statements say."""

from collections.abc import Mapping, Sequence
from typing import Final

from codes.canonical import unb64
from gateway.flows.record_read import OpenedEntry, RecordReader
from gateway.records.entry import parse_entry
from gateway.records.kinds import Correction
from gateway.records.marks import OthersCorrection, OwnCorrection
from gateway.storage import corrections
from gateway.storage.database import Database

MEMBERS: Final = "members"
STATEMENT: Final = "statement"


class CorrectionReader:
    """Finds corrections of entries and exchanges; those of an erased month are gone with it."""

    def __init__(self, database: Database, reader: RecordReader) -> None:
        self._database = database
        self._reader = reader

    async def own(
        self, entry_ids: Sequence[str], permit_ids: Sequence[str] = ()
    ) -> list[OwnCorrection]:
        """Return our corrections of these entries and of any about these permits, oldest first.

        Raises what `RecordReader.find` raises.
        """
        async with self._database.read() as connection:
            rows = await corrections.made(connection, entry_ids, permit_ids)
        opened = await self._opened([row.entry_id for row in rows])
        return [
            OwnCorrection(
                entry_id=row.entry_id,
                corrected_id=row.corrected_id,
                permit_id=row.permit_id,
                time=opened[row.entry_id].public.time,
                members=_members(opened[row.entry_id]),
            )
            for row in rows
            if row.entry_id in opened
        ]

    async def others(self, permit_ids: Sequence[str]) -> list[OthersCorrection]:
        """Return what other parties corrected about these permits; raises as `own`."""
        async with self._database.read() as connection:
            rows = await corrections.received(connection, permit_ids)
        opened = await self._opened([row.entry_id for row in rows])
        return [_others(row, opened[row.entry_id]) for row in rows if row.entry_id in opened]

    async def _opened(self, entry_ids: Sequence[str]) -> dict[str, OpenedEntry]:
        """Return the entries whose months still have their keys."""
        found = await self._reader.find(entry_ids) if entry_ids else []
        return {one.stored.entry_id: one for one in found if one.private is not None}


def _members(opened: OpenedEntry) -> Mapping[str, object]:
    members = (opened.private or {}).get(MEMBERS)
    return members if isinstance(members, dict) else {}


def _others(row: corrections.ReceivedRow, opened: OpenedEntry) -> OthersCorrection:
    raw = unb64(str((opened.private or {})[STATEMENT]))
    public = parse_entry(raw).public
    return OthersCorrection(
        entry_id=row.entry_id,
        party=row.party,
        permit_id=row.permit_id,
        time=public.time,
        non_disclosure=public.non_disclosure if isinstance(public, Correction) else None,
    )
