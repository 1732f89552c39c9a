"""People look at what people, clients and the instance did: three months at once, older by archive.

That somebody looked is itself an operation record, made before they see anything.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from certs.errors import KeyStoreError
from codes.canonical import instant, tokyo_month
from gateway.domain.staff import Staff
from gateway.flows.archive_operations import ArchiveOperations, OpenedArchive
from gateway.flows.context import Context
from gateway.flows.erase_months import month_text
from gateway.flows.record_read import RecordReader, Search
from gateway.flows.record_types import DamagedRecordError, Draft, Recorded, SearchColumns
from gateway.flows.sign_in_staff import SOURCE
from gateway.records.errors import RecordsError
from gateway.records.operations import OPERATIONS, OperationRow
from gateway.storage import operations
from gateway.storage.operations import ArchiveRow
from gateway.storage.records import Position, StoredEntry

CSV_FILE: Final = "operations.csv"
NOTE_FILE: Final = "operations.note"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSearch:
    """What to look for; everything given must match, kinds that are none match nothing."""

    since: datetime | None = None
    until: datetime | None = None
    kinds: tuple[str, ...] = ()
    staff: str | None = field(default=None, repr=False)
    client: str | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, object]:
        """Return what was asked, for the record."""
        asked: dict[str, object | None] = {
            "since": instant(self.since) if self.since else None,
            "until": instant(self.until) if self.until else None,
            "kinds": list(self.kinds) or None,
            "staff": self.staff,
            "client": self.client,
        }
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOperations:
    """A page of operation records, newest first, and where to look for older ones."""

    records: Sequence[tuple[StoredEntry, OperationRow]]
    online_since: datetime
    archives: Sequence[ArchiveRow]
    """Of months that the search reaches back to and that are not searched at once."""


class ReviewOperations:
    """The operation records of one organisation, for people."""

    def __init__(self, context: Context, archives: ArchiveOperations) -> None:
        self._context = context
        self._archives = archives
        self._reader = RecordReader(
            database=context.database,
            organisation=context.trust.organisation,
            keys=context.vault.keys,
        )

    async def search(
        self, asked: OperationSearch, *, reader: Staff, after: Position | None, limit: int
    ) -> FoundOperations:
        """Return a page of the last three months; that it was asked for is recorded first.

        Raises:
            DamagedRecordError: an entry is not what was recorded.
        """
        await self._record(reader, {"what": "operations-search", "asked": asked.as_json()})
        async with self._context.database.read() as connection:
            since = await operations.online_since(connection)
        found = await self._reader.look(
            Search(
                since=max(asked.since or since, since),
                until=asked.until,
                kinds=asked.kinds or None,
                is_of_no_exchange=True,
                staff=asked.staff,
                system=asked.client,
            ),
            after=after,
            limit=limit,
        )
        try:
            records = [(entry, self._archives.row(entry)) for entry in found]
        except (RecordsError, KeyStoreError):
            raise DamagedRecordError("operations: an entry does not open") from None
        return FoundOperations(
            records=records,
            online_since=since,
            archives=await self._older(asked, since) if asked.since else (),
        )

    async def archives(self) -> list[ArchiveRow]:
        """Return the archives there are, oldest month first."""
        return await self._archives.archives()

    async def open(self, month: int, *, reader: Staff) -> OpenedArchive:
        """Return a month's archive, checked; that it was opened is recorded first.

        Raises:
            NotFoundError, ArchiveDamagedError: as `ArchiveOperations.open`.
        """
        opened = await self._archives.open(month)
        await self._record(reader, {"what": "operations-archive", "month": opened.month})
        return opened

    async def _older(self, asked: OperationSearch, since: datetime) -> list[ArchiveRow]:
        until = min(asked.until or since, since)
        first = tokyo_month(asked.since or since)
        return [
            row
            for row in await self._archives.archives()
            if first <= month_text(row.month) <= tokyo_month(until)
        ]

    async def _record(self, reader: Staff, what: Mapping[str, object]) -> None:
        draft = Draft(
            kind="records-read",
            members={},
            private={"staff": reader.staff_id, **what},
            search=SearchColumns(staff=reader.staff_id),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome


async def archive_files(opened: OpenedArchive) -> AsyncIterator[tuple[str, bytes]]:
    """Yield an opened archive as files: the CSV and the note that signs it."""
    yield CSV_FILE, opened.raw
    yield NOTE_FILE, opened.note.encode()


def unknown_kinds(kinds: Sequence[str]) -> list[str]:
    """Return those that are no kinds of operation records."""
    return [kind for kind in kinds if kind not in OPERATIONS]
