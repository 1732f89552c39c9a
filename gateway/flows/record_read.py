"""Reading the record log: search by what entries are found by, and open their private parts.

Subjects, staff and systems are looked for under the keys of each month searched; the key of an
erased month is gone, and with it every way to find or open what was in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from certs.errors import KeyStoreError
from certs.keystore import Box, SecretKey, blind_index
from codes.canonical import tokyo_month
from gateway.flows.record_seal import MonthKeys, private_ad
from gateway.records.entry import open_private, parse_entry
from gateway.records.kinds import Public
from gateway.storage.database import Database
from gateway.storage.records import (
    Position,
    StoredEntry,
    Wanted,
    find_entries,
    read_months,
    search_entries,
)

_KEY_IS_GONE: Final = frozenset({"no-such-key", "key-destroyed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for; everything given must match, nothing given matches all."""

    since: datetime | None = None
    until: datetime | None = None
    kinds: Sequence[str] | None = None
    is_of_no_exchange: bool = False
    outcome: str | None = None
    counterparty: str | None = None
    procedure: str | None = None
    information: str | None = None
    permit_id: str | None = None
    subject: bytes | None = field(default=None, repr=False)
    staff: str | None = field(default=None, repr=False)
    system: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEntry:
    """An entry with its private part, `None` where the month's key is gone."""

    stored: StoredEntry
    public: Public = field(repr=False)
    private: dict[str, object] | None = field(repr=False)


class RecordReader:
    """One organisation's records, as people look at them."""

    def __init__(self, *, database: Database, organisation: str, keys: MonthKeys) -> None:
        self._database = database
        self._organisation = organisation
        self._keys = keys

    async def search(
        self, search: Search, *, after: Position | None = None, limit: int = 100
    ) -> list[OpenedEntry]:
        """Return a page of entries, newest first; `after` is the last one's position."""
        return [self.open(entry) for entry in await self.look(search, after=after, limit=limit)]

    async def look(
        self, search: Search, *, after: Position | None = None, limit: int = 100
    ) -> list[StoredEntry]:
        """Return the same page as it is stored: a damaged entry hides none beside it."""
        async with self._database.read() as connection:
            wanted = self._wanted(search, _months(search, await read_months(connection)))
            return await search_entries(connection, wanted, after=after, limit=limit)

    async def find(self, entry_ids: Sequence[str]) -> list[OpenedEntry]:
        """Return the entries with these ids; unknown ids are left out."""
        async with self._database.read() as connection:
            found = await find_entries(connection, entry_ids)
        return [self.open(entry) for entry in found]

    def open(self, entry: StoredEntry) -> OpenedEntry:
        """Return an entry opened.

        Raises:
            RecordsError: private-mismatch if the private part is not what the entry committed to.
            KeyStoreError: box-does-not-open if it was changed or moved.
        """
        public = parse_entry(entry.leaf).public
        key = self._key(entry.month_text)
        private = None
        if key is not None:
            ad = private_ad(self._organisation, entry.entry_id)
            private = open_private(Box(key).open(entry.private, ad), public.private)
        return OpenedEntry(stored=entry, public=public, private=private)

    def _wanted(self, search: Search, months: Sequence[int]) -> Wanted:
        keys = [key for month in months if (key := self._key(_text(month))) is not None]
        return Wanted(
            since=search.since,
            until=search.until,
            months=months,
            kinds=search.kinds,
            is_of_no_exchange=search.is_of_no_exchange,
            outcome=search.outcome,
            counterparty=search.counterparty,
            procedure=search.procedure,
            information=search.information,
            permit_id=search.permit_id,
            subjects=_blinded(keys, "subject", search.subject),
            staff=_blinded(keys, "staff", _bytes(search.staff)),
            systems=_blinded(keys, "system", _bytes(search.system)),
        )

    def _key(self, month: str) -> SecretKey | None:
        try:
            return self._keys.month(month, create=False)
        except KeyStoreError as error:
            if error.reason in _KEY_IS_GONE:
                return None
            raise


def _months(search: Search, by_slot: Mapping[int, Mapping[int, int]]) -> list[int]:
    """Return the months that hold entries and touch the time asked for."""
    months = {month for starts in by_slot.values() for month in starts}
    first = min(months, default=0) if search.since is None else _number(tokyo_month(search.since))
    last = max(months, default=0) if search.until is None else _number(tokyo_month(search.until))
    return sorted(month for month in months if first <= month <= last)


def _blinded(keys: Sequence[SecretKey], name: str, value: bytes | None) -> list[bytes] | None:
    return None if value is None else [blind_index(key, name, value) for key in keys]


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _number(month: str) -> int:
    return int(month.replace("-", ""))


def _text(month: int) -> str:
    return f"{month // 100:04d}-{month % 100:02d}"
