"""What a person may see of the records about them (法31, 個情法76–; TKM-06, TKM-08).

Staff ask on the person's request, and that they did is on record before anything is shown. An
exchange is left out while either party's mark of 法23② stands; how many were is for staff alone:
to tell the person would tell what is not disclosed (個情法81).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from certs.errors import KeyStoreError
from codes.canonical import instant, parse_instant
from codes.numbers import UnifiedNumber
from codes.tables import shipped
from gateway.domain.staff import Staff
from gateway.errors import InvalidBodyError
from gateway.flows.context import Context
from gateway.flows.corrections_of import CorrectionReader
from gateway.flows.exchange_of import ANSWERED_WITHIN
from gateway.flows.fact_names import FactNames
from gateway.flows.person_code import code_in_records
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.flows.record_types import DamagedRecordError, Draft, Recorded, SearchColumns
from gateway.flows.sign_in_staff import SOURCE
from gateway.records.disclosure import KINDS, Exchange, OwnEntry, exchanges_of
from gateway.records.errors import RecordsError
from gateway.storage.records import PAGE_ENTRIES_MAX

ENTRIES_MAX: Final = 5000
ASKED_BEFORE: Final = timedelta(days=8)
"""How long an inquiry may stand before the core has accepted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureAsked:
    """Whose records, and of exchanges requested when: from `since` on and before `until`."""

    person: UnifiedNumber = field(repr=False)
    since: datetime | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, object]:
        """Return what was asked, for the record."""
        asked = {"since": self.since, "until": self.until}
        return {name: instant(moment) for name, moment in asked.items() if moment is not None}

    def covers(self, requested_at: str) -> bool:
        """Tell whether an exchange of that moment was asked for."""
        moment = parse_instant(requested_at)
        is_after = self.since is None or self.since <= moment
        return is_after and (self.until is None or moment < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """The exchanges that the person may see, and how many are left out."""

    exchanges: tuple[Exchange, ...] = field(repr=False)
    left_out: int
    organisation: str
    title: str
    """What our organisation is called."""
    made_at: str
    names: FactNames = field(repr=False)


class DiscloseRecords:
    """The records of one gateway about one person, for that person."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reader = RecordReader(
            database=context.database,
            organisation=context.trust.organisation,
            keys=context.vault.keys,
        )
        self._corrections = CorrectionReader(context.database, self._reader)

    async def disclose(self, asked: DisclosureAsked, *, reader: Staff) -> Disclosed:
        """Return a person's exchanges with their corrections; that somebody asked is recorded.

        Raises:
            InvalidBodyError: the period ends before it begins, or holds too many entries.
            DamagedRecordError: an entry is not what was recorded.
        """
        if asked.since is not None and asked.until is not None and asked.until <= asked.since:
            raise InvalidBodyError("disclosure: no such period", pointer="/until")
        code = await code_in_records(self._context, asked.person)
        try:
            entries = await self._entries(asked, code) if code is not None else []
            found = await self._exchanges(entries)
        except (RecordsError, KeyStoreError):
            raise DamagedRecordError("disclosure: an entry does not open") from None
        covered = [one for one in found if asked.covers(one.requested_at)]
        shown = tuple(one for one in covered if not one.is_left_out)
        trust = self._context.trust
        disclosed = Disclosed(
            exchanges=shown,
            left_out=len(covered) - len(shown),
            organisation=trust.organisation,
            title=trust.directory.organisation(trust.organisation).title,
            made_at=instant(self._context.clock.now()),
            names=FactNames.of(trust.directory, trust.law, shipped()),
        )
        await self._record(asked, reader, code, entries, disclosed)
        return disclosed

    async def _entries(self, asked: DisclosureAsked, code: bytes) -> list[OpenedEntry]:
        """Return every entry about the person that may be of an exchange asked for."""
        search = Search(
            since=asked.since - ASKED_BEFORE if asked.since is not None else None,
            until=asked.until + ANSWERED_WITHIN if asked.until is not None else None,
            kinds=KINDS,
            subject=code,
        )
        entries: list[OpenedEntry] = []
        after = None
        while True:
            page = await self._reader.search(search, after=after, limit=PAGE_ENTRIES_MAX)
            entries += page
            if len(page) < PAGE_ENTRIES_MAX:
                return entries
            if len(entries) > ENTRIES_MAX:
                raise InvalidBodyError("disclosure: ask for a shorter period", pointer="/since")
            after = page[-1].stored.position

    async def _exchanges(self, entries: Sequence[OpenedEntry]) -> list[Exchange]:
        permits = [
            permit_id
            for one in entries
            if (permit_id := getattr(one.public, "permit_id", None)) is not None
        ]
        own = await self._corrections.own([one.stored.entry_id for one in entries], permits)
        others = await self._corrections.others(permits)
        return exchanges_of(
            (
                OwnEntry(
                    entry_id=one.stored.entry_id,
                    leaf=one.stored.leaf_hash.hex(),
                    public=one.public,
                    private=one.private,
                )
                for one in entries
            ),
            own,
            others,
        )

    async def _record(
        self,
        asked: DisclosureAsked,
        reader: Staff,
        code: bytes | None,
        entries: Sequence[OpenedEntry],
        disclosed: Disclosed,
    ) -> None:
        draft = Draft(
            kind="records-read",
            members={},
            private={
                "staff": reader.staff_id,
                "what": "disclosure",
                "unified_number": asked.person.text,
                "asked": asked.as_json(),
                "entries": [one.stored.entry_id for one in entries],
                "exchanges": len(disclosed.exchanges),
                "left_out": disclosed.left_out,
            },
            search=SearchColumns(staff=reader.staff_id, subject=code),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome
