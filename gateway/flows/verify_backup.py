"""A backup looked through: without the backup key what lies there, with it what is in it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from hashlib import sha256

from certs.errors import BackupError
from certs.key_store_copy import StoredFiles, described
from certs.sealed_files import open_file
from certs.sealing_keys import SealingPrivateKey
from codes.canonical import parse_canonical, unb64
from codes.errors import CodesError
from gateway.domain.backup import (
    BackupArchive,
    BackupFile,
    BackupTable,
    DatabaseContent,
    KeyStoreContent,
)
from gateway.errors import InvalidRequestError
from gateway.flows.back_up import KEYS_BYTES_MAX
from gateway.flows.backed_up_log import BackedUpLog
from gateway.flows.backup_folder import Backup, Fault
from gateway.storage.copy_rows import CopyRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What the backup key showed: rows and bytes in all, and what does not fit."""

    rows: int
    plain: int
    faults: list[Fault]


class OpenBackup:
    """A backup and the private half of the key that it is sealed to."""

    def __init__(self, backup: Backup, key: SealingPrivateKey) -> None:
        if backup.manifest.key_id != key.key_id:
            sealed_to = backup.manifest.key_id[:16]
            raise BackupError("other-key", f"sealed to the backup key {sealed_to}")
        self.backup = backup
        self._key = key

    def look_through(self) -> Opened:
        """Open every file, count every row, and lead every slot's entries to its root.

        Raises:
            BackupError: something does not open, is not all there, or is not as counted.
        """
        database = self.backup.manifest.database
        if database is None:
            stored = self.key_store()
            plain = sum(len(raw) for raw in stored.files.values())
            return Opened(rows=len(stored.files), plain=plain, faults=[])
        log, rows, plain = BackedUpLog(), 0, 0
        for table in database.tables:
            for chunk in self.content(table, log):
                plain += len(chunk)
            rows += table.rows
        faults = log.faults(database.slots)
        for archive, raw in self.archives():
            plain += len(raw or b"")
            if raw is None:
                where = f"operation records of {archive.month}"
                faults.append(Fault(reason="archive-missing", where=where))
        return Opened(rows=rows, plain=plain, faults=faults)

    def content(self, table: BackupTable, log: BackedUpLog) -> Iterator[bytes]:
        """Give a table's COPY, each piece authentic, its rows counted and shown to `log`.

        Raises:
            BackupError: as `look_through`, at the end at the latest.
        """
        if table.file is None:
            return
        rows, count, is_wanted = CopyRows(), 0, log.wants(table)
        place = self.backup.place(table.file.name)
        try:
            with self.backup.open(table.file) as file:
                for chunk in open_file(file, place, self._key):
                    for row in rows.feed(chunk):
                        count += 1
                        if is_wanted:
                            log.take(table, row)
                    yield chunk
                rows.end()
        except InvalidRequestError as error:
            raise BackupError("not-loadable", f"{table.name}: {error}") from None
        if count != table.rows:
            raise BackupError("row-count", table.name)

    async def stream(self, table: BackupTable, log: BackedUpLog) -> AsyncIterator[bytes]:
        """Give the same to somebody who waits for it."""
        for chunk in self.content(table, log):
            yield chunk

    def archives(self) -> Iterator[tuple[BackupArchive, bytes | None]]:
        """Give every archive of operation records, sealed under its month's key as recorded.

        None: it was missing or damaged when the backup was made.

        Raises:
            BackupError: one does not open, or is not what was recorded.
        """
        for archive in self.content_of_database.archives:
            raw = None if archive.file is None else self.file(archive.file)
            if raw is not None and sha256(raw).hexdigest() != archive.digest:
                raise BackupError("not-loadable", f"archive of {archive.month}: another file")
            yield archive, raw

    def file(self, file: BackupFile) -> bytes:
        """Return the whole content of a small file, or raise `BackupError`."""
        with self.backup.open(file) as sealed:
            return b"".join(open_file(sealed, self.backup.place(file.name), self._key))

    def key_store(self) -> StoredFiles:
        """Return the files of the key store.

        Raises:
            BackupError: this is no copy of a key store, or it does not open.
            KeyStoreError: what is in it is not this organisation's.
        """
        copy = self.content_of_key_store
        raw = self.file(copy.file)
        try:
            members = parse_canonical(raw, bytes_max=KEYS_BYTES_MAX)
            files = {name: unb64(str(text)) for name, text in members.items()}
        except CodesError as error:
            raise BackupError("not-loadable", f"{copy.file.name}: {error.reason}") from error
        manifest = self.backup.manifest
        return described(files, network=manifest.network, organisation=manifest.organisation)

    @property
    def content_of_key_store(self) -> KeyStoreContent:
        """Return what the manifest says of the key store, or raise `BackupError` (other-kind)."""
        if self.backup.manifest.key_store is None:
            raise BackupError("other-kind", "a database, no copy of a key store")
        return self.backup.manifest.key_store

    @property
    def content_of_database(self) -> DatabaseContent:
        """Return what the manifest says of the database, or raise `BackupError` (other-kind)."""
        if self.backup.manifest.database is None:
            raise BackupError("other-kind", "a copy of a key store, no database")
        return self.backup.manifest.database
