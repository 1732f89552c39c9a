"""What the tests of backups share: a log with its keys, a place for backups, databases to fill."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import asyncpg

from certs.backup_keys import make_backup_key, read_backup_private
from certs.keysets import KeySet
from certs.keystore import KeyStore
from certs.log_keys import LogSigner
from certs.sealing_keys import SealingPrivateKey
from gateway.flows.back_up import BackupMaker
from gateway.flows.backup_folder import Backup, read_backup
from gateway.flows.key_store_copies import KeyStoreCopies
from gateway.flows.restore_backup import Restore, Restored
from gateway.flows.verify_backup import OpenBackup, Opened
from gateway.storage.copy_rows import CopyRows
from gateway.storage.dump import OwnerDatabase

WRITTEN_BY_A_RESTORE: Final = ("gate", "restores", "log_restored", "stop_switches")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backups:
    """Where backups go, what they are sealed to, and who signs them."""

    target: Path
    key: SealingPrivateKey = field(repr=False)
    network: str
    organisation: str
    key_sets: Sequence[KeySet]
    signer: LogSigner = field(repr=False)

    @classmethod
    def under(
        cls, folder: Path, *, network: str, organisation: str, key_set: KeySet, signer: LogSigner
    ) -> "Backups":
        make_backup_key(folder / "private", folder / "public")
        return cls(
            target=folder / "second-place",
            key=read_backup_private(folder / "private"),
            network=network,
            organisation=organisation,
            key_sets=(key_set,),
            signer=signer,
        )

    @property
    def archives(self) -> Path:
        return self.target.parent / "archives"

    @property
    def maker(self) -> BackupMaker:
        return self.maker_in(self.target)

    def maker_in(self, target: Path) -> BackupMaker:
        return BackupMaker(
            target=target,
            network=self.network,
            organisation=self.organisation,
            program="test",
            public_key=self.key.public,
            signer_at=lambda _: self.signer,
            archives=self.archives,
        )

    async def make(self, owner: str) -> Backup:
        folder, _ = await self.maker.database(OwnerDatabase(dsn=owner))
        return self.read(folder)

    def copies(self, data_dir: Path) -> KeyStoreCopies:
        return KeyStoreCopies(
            data_dir=data_dir,
            network=self.network,
            organisation=self.organisation,
            key_sets=lambda: self.key_sets,
            signer_at=lambda _: self.signer,
        )

    def copy_keys(self, keys: KeyStore, to: Path, *, now: datetime) -> Path:
        """Copy a key store to another place, and remember it beside the store."""
        copies = self.copies(keys.directory.parent)
        folder, _ = self.maker_in(to).key_store(
            keys.directory, now=now, begun=lambda begun: copies.begin(to, begun, now=now)
        )
        return folder

    def read(self, folder: Path) -> Backup:
        return read_backup(
            folder, self.key_sets, network=self.network, organisation=self.organisation
        )

    def look_through(self, backup: Backup) -> Opened:
        return OpenBackup(backup, self.key).look_through()

    async def restore(
        self, backup: Backup, owner: str, keys: Path, *, is_whole: bool = False
    ) -> Restored:
        restore = Restore(opened=OpenBackup(backup, self.key), is_whole=is_whole, stops=True)
        return await restore.database(
            OwnerDatabase(dsn=owner), key_store=keys, archives=keys.parent / "archives"
        )


async def digests(owner: str) -> dict[str, tuple[int, str]]:
    """Return rows and SHA-256 of every table that has any, as COPY gives them, in one order."""
    found = {}
    async with OwnerDatabase(dsn=owner).snapshot() as snapshot:
        for table in await snapshot.tables():
            if table.name in WRITTEN_BY_A_RESTORE or not await snapshot.has_rows(table):
                continue
            pieces: list[bytes] = []

            async def put(content: bytes, pieces: list[bytes] = pieces) -> None:
                pieces.append(content)

            count = await snapshot.copy(table, put)
            rows = sorted(repr(row) for row in CopyRows().feed(b"".join(pieces)))
            found[table.name] = (count, sha256("".join(rows).encode()).hexdigest())
    return found


async def execute(dsn: str, sql: str, *arguments: object) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql, *arguments)
    finally:
        await connection.close()
