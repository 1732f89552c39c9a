"""Operation records that have left the three months searched at once become monthly archives.

An archive is CSV with a note that both log keys signed, sealed under the month's key; an entry
says that it was made. Whoever is killed on the way leaves a file that no entry names: the next
turn removes it and makes the month anew.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from certs.errors import CertsError
from gateway.errors import NotFoundError
from gateway.flows.context import Context
from gateway.flows.erase_months import month_text
from gateway.flows.operation_files import (
    ArchiveDamagedError,
    has_archive,
    open_archive,
    read_archive,
    remove_archives,
    seal_archive,
    write_archive,
)
from gateway.flows.record_read import RecordReader
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, new_id
from gateway.records.errors import RecordsError
from gateway.records.operations import (
    OperationRow,
    archive_origin,
    operation_row,
    sign_archive,
    strange_rows,
    verify_archive,
    write_csv,
)
from gateway.storage import operations
from gateway.storage.operations import ArchiveRow, OperationsArchived
from gateway.storage.records import StoredEntry

KIND: Final = "operations-archived"
_FIRST: Final = (-1, -1)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedArchive:
    """An archive as it was made, checked against its signature and the log."""

    month: str
    note: str = field(repr=False)
    raw: bytes = field(repr=False)


class ArchiveOperations:
    """The archives of one organisation's operation records."""

    def __init__(self, context: Context, directory: Path) -> None:
        self._context = context
        self._directory = directory
        self._keys = context.vault.keys
        self._reader = RecordReader(
            database=context.database, organisation=self._keys.organisation, keys=self._keys
        )

    async def turn(self) -> None:
        """Make the archives that are due, and see that every recorded one is there.

        Raises:
            ArchiveDamagedError: a recorded file is gone, or a month's entries do not open. The
                other months are seen to first.
        """
        async with self._context.database.read() as connection:
            due = await operations.due_months(connection)
        problems: list[ArchiveDamagedError] = []
        for month in due:
            try:
                await self._make(month)
            except (RecordsError, CertsError) as error:
                problems.append(ArchiveDamagedError(month_text(month), error.reason))
        for row in await self.archives():
            text = month_text(row.month)
            remove_archives(self._directory, text, but=[row.digest])
            if not has_archive(self._directory, text, row.digest):
                problems.append(ArchiveDamagedError(text, "missing"))
        for problem in problems:
            log.warning("operations_not_archived", reason=problem.reason)
        if problems:
            raise problems[0]

    async def archives(self) -> list[ArchiveRow]:
        """Return the archives there are, oldest month first."""
        async with self._context.database.read() as connection:
            return await operations.archives(connection)

    async def open(self, month: int) -> OpenedArchive:
        """Return a month's archive, if it is what was recorded and its rows are the log's.

        Raises:
            NotFoundError: there is none of this month.
            ArchiveDamagedError: missing, changed, not signed by us, or with rows of another log.
        """
        row = next((one for one in await self.archives() if one.month == month), None)
        if row is None:
            raise NotFoundError("archive: none of this month")
        text = month_text(month)
        opened = await asyncio.to_thread(self._open, text, row.digest)
        rows = await asyncio.to_thread(self._verified, opened)
        places = [(int(one.slot), int(one.index)) for one in rows]
        async with self._context.database.read() as connection:
            leaves = await operations.leaves(connection, month, places)
        compared, strange = strange_rows(rows, lambda slot, index: leaves.get((slot, index)))
        if strange or compared != len(rows):
            raise ArchiveDamagedError(text, "rows-not-of-the-log")
        return opened

    def _open(self, month: str, digest: str) -> OpenedArchive:
        sealed = read_archive(self._directory, month, digest)
        key = self._keys.month(month, create=False)
        organisation = self._keys.organisation
        note, raw = open_archive(key, organisation=organisation, month=month, sealed=sealed)
        return OpenedArchive(month=month, note=note, raw=raw)

    def _verified(self, opened: OpenedArchive) -> list[OperationRow]:
        trust = self._context.trust
        keys = partial(trust.directory.log_keys_at, trust.organisation)
        origin = self._origin(opened.month)
        try:
            return verify_archive(opened.raw, opened.note, origin=origin, keys=keys)
        except (RecordsError, CertsError) as error:
            raise ArchiveDamagedError(opened.month, error.reason) from None

    async def _make(self, month: int) -> None:
        text, entry_id = month_text(month), new_id()
        rows = await self._rows(month)
        sealed = await asyncio.to_thread(self._sealed, text, rows)
        digest = await asyncio.to_thread(write_archive, self._directory, text, sealed)
        draft = Draft(
            entry_id=entry_id,
            kind=KIND,
            members={},
            private={"month": text, "count": len(rows), "digest": digest},
            effects=(
                OperationsArchived(
                    month=month, entry_id=entry_id, row_count=len(rows), digest=digest
                ),
            ),
        )
        (outcome,) = await self._context.writer.append([draft], source=KIND)
        if not isinstance(outcome, Recorded | EffectRefusedError):
            raise outcome
        log.info("operations_archived", month=month, count=len(rows))

    async def _rows(self, month: int) -> list[OperationRow]:
        """Return a month's rows in the order of their time."""
        found: list[tuple[StoredEntry, OperationRow]] = []
        after = _FIRST
        while True:
            async with self._context.database.read() as connection:
                page = await operations.page_of_month(connection, month, after=after)
            if not page:
                break
            after = (page[-1].slot, page[-1].index)
            found += await asyncio.to_thread(self._opened_rows, page)
        ordered = sorted(found, key=lambda one: (one[0].time, one[0].slot, one[0].index))
        return [row for _, row in ordered]

    def _opened_rows(self, page: list[StoredEntry]) -> list[tuple[StoredEntry, OperationRow]]:
        return [(entry, self.row(entry)) for entry in page]

    def row(self, entry: StoredEntry) -> OperationRow:
        """Return what an archive, or a search, says of an entry."""
        opened = self._reader.open(entry)
        return operation_row(
            opened.public, opened.private or {}, index=entry.index, leaf_hash=entry.leaf_hash
        )

    def _sealed(self, month: str, rows: list[OperationRow]) -> bytes:
        now = self._context.clock.now().replace(microsecond=0)
        raw = write_csv(rows)
        note = sign_archive(
            raw,
            count=len(rows),
            origin=self._origin(month),
            signer=self._context.trust.log_signer_at(now),
            time=int(now.timestamp()),
        )
        key = self._keys.month(month, create=False)
        organisation = self._keys.organisation
        return seal_archive(key, organisation=organisation, month=month, note=note, raw=raw)

    def _origin(self, month: str) -> str:
        return archive_origin(self._context.trust.network, self._keys.organisation, month)
