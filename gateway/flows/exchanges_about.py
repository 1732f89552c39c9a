"""Which exchanges there are about a person, and which of them the person may see (法31; TKM-08).

Whoever asks, staff on the person's request or the disclosure system, is answered from here. That
somebody asked is recorded by whoever calls, before anything is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from certs.errors import KeyStoreError
from codes.canonical import instant, parse_instant
from gateway.errors import InvalidBodyError
from gateway.flows.context import Context
from gateway.flows.corrections_of import CorrectionReader
from gateway.flows.exchange_of import ANSWERED_WITHIN
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.flows.record_types import DamagedRecordError
from gateway.records.disclosure import KINDS, Exchange, OwnEntry, exchanges_of
from gateway.records.errors import RecordsError
from gateway.storage.records import PAGE_ENTRIES_MAX

ENTRIES_MAX: Final = 5000
ASKED_BEFORE: Final = timedelta(days=8)
"""How long an inquiry may stand before the core has accepted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodAsked:
    """Exchanges requested when: from `since` on and before `until`."""

    since: datetime | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, object]:
        """Return what was asked, for the record."""
        asked = {"since": self.since, "until": self.until}
        return {name: instant(moment) for name, moment in asked.items() if moment is not None}

    def check(self) -> None:
        """Refuse a period that ends before it begins (InvalidBodyError)."""
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise InvalidBodyError("disclosure: no such period", pointer="/until")

    def covers(self, requested_at: str) -> bool:
        """Tell whether an exchange of that moment was asked for."""
        moment = parse_instant(requested_at)
        is_after = self.since is None or self.since <= moment
        return is_after and (self.until is None or moment < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangesFound:
    """What the person may see, oldest first, and what was looked at to find it."""

    shown: tuple[Exchange, ...] = field(repr=False)
    left_out: int
    entry_ids: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return what was found, for the private part of a record."""
        return {
            "entries": list(self.entry_ids),
            "exchanges": len(self.shown),
            "left_out": self.left_out,
        }


class ExchangesAbout:
    """The exchanges of one gateway, found by a person's network code."""

    def __init__(self, context: Context) -> None:
        self._reader = RecordReader(
            database=context.database,
            organisation=context.trust.organisation,
            keys=context.vault.keys,
        )
        self._corrections = CorrectionReader(context.database, self._reader)

    async def find(self, code: bytes | None, period: PeriodAsked) -> ExchangesFound:
        """Return a person's exchanges with their corrections; without a code there are none.

        Raises:
            InvalidBodyError: the period ends before it begins, or holds too many entries.
            DamagedRecordError: an entry is not what was recorded.
        """
        period.check()
        try:
            entries = await self._entries(period, code) if code is not None else []
            found = await self._exchanges(entries)
        except (RecordsError, KeyStoreError):
            raise DamagedRecordError("disclosure: an entry does not open") from None
        covered = [one for one in found if period.covers(one.requested_at)]
        shown = tuple(one for one in covered if not one.is_left_out)
        return ExchangesFound(
            shown=shown,
            left_out=len(covered) - len(shown),
            entry_ids=tuple(one.stored.entry_id for one in entries),
        )

    async def _entries(self, period: PeriodAsked, code: bytes) -> list[OpenedEntry]:
        """Return every entry about the person that may be of an exchange asked for."""
        search = Search(
            since=period.since - ASKED_BEFORE if period.since is not None else None,
            until=period.until + ANSWERED_WITHIN if period.until is not None else None,
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
