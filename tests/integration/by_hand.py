"""A backup opened by hand: without our restore, and with every key that somebody may have.

Whoever wants to read what was erased does not ask `sekisho backup restore`. They take the backup
key, the master key and every key store they find, and try.
"""

from collections.abc import Sequence
from pathlib import Path

from certs.errors import KeyStoreError
from certs.key_store_copy import lay_down
from certs.keystore import KEY_BYTES, Box, KeyStore, MasterKey, SecretKey
from gateway.flows.back_up import KEYS_FILE
from gateway.flows.backed_up_log import BackedUpLog
from gateway.flows.backup_folder import Backup
from gateway.flows.record_seal import private_ad
from gateway.flows.verify_backup import OpenBackup
from gateway.storage.copy_rows import CopyRows
from tests.integration.backups import Backups

Sealed = tuple[str, bytes]
"""An entry's id, and its private part as stored."""


def sealed_in(backup: Backup, backups: Backups, month: int) -> list[Sealed]:
    """Return the private parts of a month that lie in a backup of the database."""
    opened = OpenBackup(backup, backups.key)
    table = next(
        one for one in opened.content_of_database.tables if one.name == f"log_entries_{month}"
    )
    entry_id, private = table.columns.index("entry_id"), table.columns.index("private")
    raw = b"".join(opened.content(table, BackedUpLog()))
    return [((row[entry_id] or b"").hex(), row[private] or b"") for row in CopyRows().feed(raw)]


def copied_stores(places: Path, backups: Backups, master: MasterKey) -> list[KeyStore]:
    """Return every key store of which a copy lies anywhere under a folder, whatever its age."""
    stores = []
    for file in sorted(places.rglob(KEYS_FILE)):
        stored = OpenBackup(backups.read(file.parent), backups.key).key_store()
        folder = backups.target.parent / f"laid-down-{file.parent.name}"
        if not folder.exists():
            lay_down(stored, folder)
        stores.append(KeyStore.open(folder, master))
    return stores


def opened_by_trying(
    sealed: Sequence[Sealed], stores: Sequence[KeyStore], organisation: str
) -> list[bytes]:
    """Return what any key of any of these stores opens."""
    keys = [key for store in stores for key in _keys(store)]
    return [
        plaintext
        for entry_id, box in sealed
        for key in keys
        if (plaintext := _opened(key, box, private_ad(organisation, entry_id))) is not None
    ]


def _keys(store: KeyStore) -> list[SecretKey]:
    found = [store.key(key_id, create=False) for key_id in store.key_ids()]
    return [key for key in found if len(key.raw) == KEY_BYTES]


def _opened(key: SecretKey, box: bytes, ad: bytes) -> bytes | None:
    try:
        return Box(key).open(box, ad)
    except KeyStoreError:
        return None
