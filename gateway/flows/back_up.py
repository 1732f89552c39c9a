"""Backups made: the database of one instant, or the key store, sealed to the backup key.

The two are never in one backup: erasing a month destroys its key, and only a key-store copy of
before, which lives 35 days at most, could undo that (PROTOCOL §5, Erasure).
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from certs.backup_manifest import sign_manifest
from certs.key_store_copy import stored_files
from certs.log_keys import LogSigner
from certs.sealed_files import SealedWriter
from certs.sealing_keys import sealing_key_id
from codes.canonical import b64, canonical_json, instant, parse_instant
from gateway.domain.backup import (
    DATABASE,
    KEY_STORE,
    BackupArchive,
    BackupFile,
    BackupMigration,
    BackupSequence,
    BackupSlot,
    BackupTable,
    DatabaseContent,
    KeyStoreContent,
    Kind,
    Manifest,
    backup_name,
    owner_name,
)
from gateway.flows.backup_apart import require_apart
from gateway.flows.backup_archives import put_archive
from gateway.flows.backup_folder import MANIFEST, new_file, new_folder, place_of
from gateway.storage.dump import OwnerDatabase, Snapshot, StoredTable

SEALED: Final = ".sealed"
KEYS_FILE: Final = "keys.sealed"
KEYS_BYTES_MAX: Final = 64 * 1024 * 1024
"""A key is some 150 bytes; an instance makes about a hundred a year and keeps few for seven. A core
makes two a day more, and what stays of each is an empty mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupMaker:
    """Whose backups are made, sealed to which key, signed by which log key, in which folder.

    `made` is told of every table when it is written: its name and its rows.
    """

    target: Path
    network: str
    organisation: str
    program: str
    public_key: bytes = field(repr=False)
    signer_at: Callable[[datetime], LogSigner] = field(repr=False)
    archives: Path
    """Where the archives of operation records lie: they go with the database."""
    made: Callable[[str, int], None] = lambda _name, _rows: None

    async def database(self, owner: OwnerDatabase) -> tuple[Path, Manifest]:
        """Make a backup of the database as it is now; return where it is and what it holds.

        Raises:
            RefusedError: backups-not-apart, where copies of the key store lie.
            ConflictError: there is a backup of that name.
            SchemaError: the database is of another release.
            UnavailableError: the database is not there, or went away.
        """
        require_apart(self.target, self._owner, DATABASE)
        async with owner.snapshot() as snapshot:
            manifest = self._manifest(DATABASE, await snapshot.taken_at())
            with new_folder(self.target, _name(manifest)) as draft:
                # First: a month that is erased meanwhile takes its archive with it.
                archives = [
                    put_archive(
                        *(draft, manifest, self.public_key),
                        archives=self.archives,
                        month=month,
                        digest=digest,
                    )
                    for month, digest in await snapshot.archives()
                ]
                tables = [
                    await self._table(draft, manifest, snapshot, table)
                    for table in await snapshot.tables()
                ]
                manifest = msgspec.structs.replace(
                    manifest, database=await _content(snapshot, tables, archives)
                )
                self._sign(draft, manifest)
        return self.target / _name(manifest), manifest

    def key_store(
        self, directory: Path, *, now: datetime, begun: Callable[[Manifest], None]
    ) -> tuple[Path, Manifest]:
        """Make a copy of a key store; the same as `database` otherwise.

        `begun` is told of it before any key is read.

        Raises:
            KeyStoreError: there is no key store, or it is not this organisation's.
        """
        require_apart(self.target, self._owner, KEY_STORE)
        manifest = self._manifest(KEY_STORE, now)
        begun(manifest)
        store = stored_files(directory, network=self.network, organisation=self.organisation)
        files: Mapping[str, str] = {name: b64(raw) for name, raw in store.files.items()}
        with new_folder(self.target, _name(manifest)) as draft:
            with new_file(draft / KEYS_FILE) as file:
                writer = SealedWriter(file, place_of(manifest, KEYS_FILE), self.public_key)
                writer.write(canonical_json(dict(files), bytes_max=KEYS_BYTES_MAX))
                sealed = writer.finish()
            content = KeyStoreContent(
                file=BackupFile(name=KEYS_FILE, size=sealed.size, sha256=sealed.sha256),
                keys=store.keys,
                destroyed=store.destroyed,
                master=store.master,
            )
            manifest = msgspec.structs.replace(manifest, key_store=content)
            self._sign(draft, manifest)
        return self.target / _name(manifest), manifest

    @property
    def _owner(self) -> str:
        return owner_name(self.network, self.organisation)

    def _manifest(self, kind: Kind, taken_at: datetime) -> Manifest:
        return Manifest(
            type="backup",
            version=1,
            kind=kind,
            id=secrets.token_hex(16),
            network=self.network,
            organisation=self.organisation,
            program=self.program,
            taken_at=instant(taken_at),
            key_id=sealing_key_id(self.public_key),
        )

    async def _table(
        self, draft: Path, manifest: Manifest, snapshot: Snapshot, table: StoredTable
    ) -> BackupTable:
        made = BackupTable(name=table.name, of=table.of, columns=list(table.columns), rows=0)
        if not await snapshot.has_rows(table):
            return made
        name = f"{table.name}{SEALED}"
        with new_file(draft / name) as file:
            writer = SealedWriter(file, place_of(manifest, name), self.public_key)

            async def put(content: bytes) -> None:
                writer.write(content)

            rows = await snapshot.copy(table, put)
            sealed = writer.finish()
        self.made(table.name, rows)
        content = BackupFile(name=name, size=sealed.size, sha256=sealed.sha256)
        return msgspec.structs.replace(made, rows=rows, file=content)

    def _sign(self, draft: Path, manifest: Manifest) -> None:
        signer = self.signer_at(parse_instant(manifest.taken_at))
        raw = sign_manifest(msgspec.to_builtins(manifest), signer)
        with new_file(draft / MANIFEST) as file:
            file.write(raw)


def _name(manifest: Manifest) -> str:
    taken_at = parse_instant(manifest.taken_at)
    owner = owner_name(manifest.network, manifest.organisation)
    return backup_name(manifest.kind, owner, taken_at, manifest.id)


async def _content(
    snapshot: Snapshot, tables: list[BackupTable], archives: list[BackupArchive]
) -> DatabaseContent:
    return DatabaseContent(
        migrations=[
            BackupMigration(number=number, sha256=digest.hex())
            for number, digest in await snapshot.migrations()
        ],
        tables=tables,
        sequences=[
            BackupSequence(name=name, last_value=value)
            for name, value in (await snapshot.sequences()).items()
        ],
        slots=[
            BackupSlot(slot=one.slot, origin=one.origin, size=one.size, root=one.root.hex())
            for one in await snapshot.slots()
        ],
        archives=archives,
        gate=await snapshot.gate(),
    )
