"""A backup put back: into an empty database, or where no key store is; all of it or nothing.

What follows is the gateway's: before it writes a slot it compares (PROTOCOL §5, ADR 15), and what
it may have answered since the backup it does not answer again (`restores`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from certs.errors import BackupError
from certs.key_store_copy import lay_down
from certs.keystore import DESTROYED_SUFFIX, KEY_SUFFIX
from gateway.domain.backup import BackupTable, is_too_old
from gateway.errors import RefusedError
from gateway.flows.backed_up_log import SLOTS, BackedUpLog
from gateway.flows.backup_folder import Fault
from gateway.flows.operation_files import write_archive
from gateway.flows.slot_seals import SLOT_SEAL
from gateway.flows.verify_backup import OpenBackup
from gateway.storage.dump import LOG_ENTRIES, OwnerDatabase
from gateway.storage.load import RestoreOrder, loading

SEAL_KEY: Final = f"secret.{SLOT_SEAL}{KEY_SUFFIX}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back, and what an operator has to see to."""

    rows: int
    faults: list[Fault]
    """Slots whose entries were damaged when the backup was made: the gateway will freeze them."""
    erased_months: list[str]
    """Months that came back though their keys are destroyed: two people agree to them again."""
    is_stopped: bool
    """Whether the stop switch was set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """One backup on its way back; `done` is told of every table that is in: its name and rows."""

    opened: OpenBackup
    is_whole: bool
    stops: bool
    done: Callable[[str, int], None] = lambda _name, _rows: None

    async def database(self, owner: OwnerDatabase, *, key_store: Path, archives: Path) -> Restored:
        """Put a database back, and the archives of operation records beside it.

        `key_store` is the folder of the instance's keys, `archives` the one of its archives.

        Raises:
            BackupError: the backup is not whole, or does not open.
            SchemaError: it is of another release, or the database is.
            RefusedError: database-not-empty; no-month-key or no-seal-key where the key store is
                older than the backup: what is recorded under a month's key that is gone nobody
                reads again, and nothing is signed of slots whose seals nobody can verify.
            UnavailableError: the database is not there.
        """
        content, backup = self.opened.content_of_database, self.opened.backup
        backup.require_sound()
        erased = _without_keys(content.tables, key_store)
        order = RestoreOrder(
            backup_id=backup.manifest.id,
            taken_at=backup.taken_at,
            is_whole=self.is_whole,
            stops=self.stops,
        )
        log = BackedUpLog()
        async with loading(owner, content.migrations) as into:
            for table in content.tables:
                if table.file is not None:
                    await into.table(table, self.opened.stream(table, log))
                    self.done(table.name, table.rows)
            for sequence in content.sequences:
                await into.sequence(sequence)
            # Before the rows count: an archive without its row is no harm, a row without is.
            self._lay(archives)
            await into.finish(order)
        rows = sum(table.rows for table in content.tables)
        return Restored(
            rows=rows,
            faults=log.faults(content.slots),
            erased_months=erased,
            is_stopped=self.stops and not self.is_whole,
        )

    def _lay(self, archives: Path) -> None:
        for archive, raw in self.opened.archives():
            if raw is not None:
                write_archive(archives, archive.month, raw)

    def key_store(self, folder: Path, *, now: datetime) -> int:
        """Put a copy of the key store back where none is; return how many keys it has.

        Raises:
            BackupError: the backup is not whole, or does not open.
            RefusedError: key-store-copy-too-old after 35 days.
            KeyStoreError: already-a-store.
        """
        content, backup = self.opened.content_of_key_store, self.opened.backup
        if is_too_old(backup.manifest.kind, backup.taken_at, now):
            raise RefusedError(
                "a copy of the key store lives 35 days: this one may undo an erasure",
                reason="key-store-copy-too-old",
            )
        backup.require_sound()
        stored = self.opened.key_store()
        if stored.keys != content.keys:
            raise BackupError("row-count", content.file.name)
        lay_down(stored, folder)
        return stored.keys


def _without_keys(tables: list[BackupTable], key_store: Path) -> list[str]:
    """Return the months with entries whose keys are destroyed; refuse where a key is not."""
    erased = []
    for table in tables:
        if table.of != LOG_ENTRIES or not table.rows:
            continue
        digits = table.name.removeprefix(f"{LOG_ENTRIES}_")
        month = f"{digits[:4]}-{digits[4:]}"
        if (key_store / f"month.{month}{DESTROYED_SUFFIX}").exists():
            erased.append(month)
        elif not (key_store / f"month.{month}{KEY_SUFFIX}").exists():
            raise RefusedError(
                f"the key store has no key of {month}: restore its newest copy first",
                reason="no-month-key",
            )
    has_slots = any(table.name == SLOTS and table.rows for table in tables)
    if has_slots and not (key_store / SEAL_KEY).exists():
        raise RefusedError(
            "the key store has no key of the slots' seals: restore its newest copy first",
            reason="no-seal-key",
        )
    return erased
