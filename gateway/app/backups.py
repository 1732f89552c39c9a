"""Backups of one instance by its settings: made beside the running gateway, restored without it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from certs.backup_keys import read_backup_private, read_backup_public
from certs.errors import CertsError
from certs.keysets import KeySet
from certs.log_keys import LogSigner
from certs.own_keys import PrivateKeySet, read_own_key_sets, read_root
from codes.canonical import instant
from gateway.app.own_folder import own_folder
from gateway.app.owner_database import owner_database
from gateway.clock import SystemClock
from gateway.domain.backup import DATABASE, KEY_STORE, Manifest, owner_name
from gateway.errors import ConfigurationError
from gateway.flows.back_up import BackupMaker
from gateway.flows.backup_folder import Backup, forget_drafts, note_success, read_backup
from gateway.flows.backup_lock import alone
from gateway.flows.key_store_copies import KeyStoreCopies
from gateway.flows.restore_backup import Restore, Restored
from gateway.flows.verify_backup import OpenBackup
from gateway.settings import Settings
from gateway.storage.dump import OwnerDatabase

Told = Callable[[str, int], None]

_GATEWAY: Final = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that is there now, and old copies of the key store that are gone."""

    folder: Path
    manifest: Manifest
    removed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatories:
    """Whose backups are believed: an organisation's own key sets."""

    network: str
    organisation: str
    key_sets: Sequence[KeySet]

    @classmethod
    def of(cls, keys_dir: Path) -> "Signatories":
        """Return whoever this key directory is of; its public documents are enough."""
        network = read_root(keys_dir / "root.json").network
        key_sets = read_own_key_sets(keys_dir, network=network)
        return cls(network=network, organisation=key_sets[-1].organisation, key_sets=key_sets)

    def backup(self, folder: Path) -> Backup:
        """Return a backup of theirs, or raise `BackupError`."""
        return read_backup(
            folder, self.key_sets, network=self.network, organisation=self.organisation
        )


def make_backup(settings: Settings, target: Path, *, of_keys: bool, told: Told) -> Made:
    """Make a backup of the database, or a copy of the key store, in a folder of its own.

    Raises:
        ConfigurationError: there is no backup key, or the keys are not as the settings say.
        ConflictError: another run is at it.
        RefusedError: backups-not-apart.
        CertsError, SekishoError, OSError: as `BackupMaker`.
    """
    keys = _own_keys(settings)
    if settings.backup.public_key is None:
        raise ConfigurationError("backup.public_key: nothing to seal backups to")
    maker = BackupMaker(
        target=target,
        network=settings.network.name,
        organisation=settings.organisation,
        program=version("sekisho"),
        public_key=read_backup_public(settings.backup.public_key),
        signer_at=lambda moment: _signer_at(keys, moment),
        archives=settings.archives_dir,
        made=told,
    )
    now = SystemClock().now()
    owner = owner_name(settings.network.name, settings.organisation)
    with alone(settings.data_dir):
        if target.is_dir():
            forget_drafts(target, owner)
        if of_keys:
            copies = key_store_copies(settings, keys)
            folder, manifest = maker.key_store(
                settings.key_store_dir,
                now=now,
                begun=lambda begun: copies.begin(target, begun, now=now),
            )
            removed = copies.sweep(now=now).removed
        else:
            with owner_database(settings) as dsn:
                folder, manifest = asyncio.run(maker.database(OwnerDatabase(dsn=dsn)))
            removed = []
        note_success(settings.data_dir, KEY_STORE if of_keys else DATABASE, now)
    return Made(folder=folder, manifest=manifest, removed=removed)


def key_store_copies(settings: Settings, keys: PrivateKeySet) -> KeyStoreCopies:
    """Return the register of the instance's key-store copies, as its commands reach it."""
    return KeyStoreCopies(
        data_dir=settings.data_dir,
        network=settings.network.name,
        organisation=settings.organisation,
        key_sets=lambda: keys.key_sets,
        signer_at=lambda moment: _signer_at(keys, moment),
    )


def shown_copies(settings: Settings, *, gone: str | None) -> list[dict[str, object]]:
    """Return every copy that is remembered; before that, take a place to be `gone` for good."""
    copies = key_store_copies(settings, _own_keys(settings))
    if gone is not None:
        with alone(settings.data_dir):
            copies.give_up(gone, now=SystemClock().now())
    return [
        {
            "place": place.path,
            "is_there": copies.is_there(place),
            "copy": copy.name,
            "taken_at": copy.taken_at,
            "until": instant(copy.until),
            "ended": copy.how,
        }
        for place in copies.known().places
        for copy in place.copies
    ]


def restore_database(
    settings: Settings, backup: Backup, private_key: Path, *, is_whole: bool, told: Told
) -> Restored:
    """Put a database back into the empty one of the settings; the instance is not running.

    Raises:
        ConfigurationError: the instance is running.
        CertsError, SekishoError, OSError: as `Restore`.
    """
    restore = Restore(
        opened=OpenBackup(backup, read_backup_private(private_key)),
        is_whole=is_whole,
        stops=settings.role == _GATEWAY,
        done=told,
    )
    with own_folder(settings.data_dir), owner_database(settings) as dsn:
        return asyncio.run(
            restore.database(
                OwnerDatabase(dsn=dsn),
                key_store=settings.key_store_dir,
                archives=settings.archives_dir,
            )
        )


def restore_key_store(settings: Settings, backup: Backup, private_key: Path) -> int:
    """Put a copy of the key store back where none is; return how many keys it has."""
    opened = OpenBackup(backup, read_backup_private(private_key))
    restore = Restore(opened=opened, is_whole=False, stops=False)
    with own_folder(settings.data_dir):
        return restore.key_store(settings.key_store_dir, now=SystemClock().now())


def _own_keys(settings: Settings) -> PrivateKeySet:
    try:
        keys = PrivateKeySet.load(settings.network.keys_dir)
    except CertsError as error:
        raise ConfigurationError(f"{settings.network.keys_dir}: {error}") from None
    if (keys.network, keys.organisation) != (settings.network.name, settings.organisation):
        raise ConfigurationError(f"keys of {keys.organisation} on {keys.network}")
    return keys


def _signer_at(keys: PrivateKeySet, moment: datetime) -> LogSigner:
    for key_set in reversed(keys.key_sets):
        if key_set.not_before <= moment < key_set.not_after and key_set.log in keys.logs:
            return keys.logs[key_set.log]
    raise ConfigurationError("no log key of ours is in force: nobody could believe the backup")
