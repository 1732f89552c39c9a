"""`sekisho backup`: sealed and signed copies in a second place, looked through, and put back."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from certs.backup_keys import make_backup_key, read_backup_private
from certs.errors import BackupError
from gateway.app.backups import (
    Made,
    Signatories,
    make_backup,
    restore_database,
    restore_key_store,
    shown_copies,
)
from gateway.cli.output import ExitCode, errors, print_fields, print_json, print_one, print_rows
from gateway.domain.backup import KEY_STORE, Manifest
from gateway.errors import InvalidRequestError
from gateway.flows.backup_folder import Backup, Fault
from gateway.flows.verify_backup import OpenBackup, Opened
from gateway.settings import config_path, load_settings

Config = Annotated[Path | None, Parameter(name=["--config", "-c"])]
Json = Annotated[bool, Parameter(name="--json", negative="")]
Yes = Annotated[bool, Parameter(negative="")]

_COPY_COLUMNS: Final = ("place", "is_there", "copy", "until", "ended")
_SWITCH: Final = (
    "a stop switch for everything stands: set flags and switches of since again, then lift it"
)

app = App(name="backup", help="Sealed backups in a second place: made, looked through, put back.")


@app.command(name="make-key")
def make_key(private: Path, public: Path, *, json: Json = False) -> None:
    """Make the key that backups are sealed to.

    Args:
        private: Where the private half goes; keep it off every machine that makes backups.
        public: Where the public half goes, for [backup] public_key.
        json: Print one JSON document.
    """
    print_one({"key_id": make_backup_key(private, public)}, as_json=json)


@app.command
def create(*, to: Path, key_store: Yes = False, config: Config = None, json: Json = False) -> None:
    """Back up the database as it is now; the gateway may run meanwhile.

    Args:
        to: A folder in the second place; the backup is a folder of its own in it. Database and
            key store never go to one place, nor one into a folder of the other.
        key_store: Copy the key store instead, and remove copies of it older than 35 days wherever
            they were made.
        config: The settings of the instance.
        json: Print one JSON document.
    """
    settings = load_settings(config_path(config))
    told = _silent if json else _tell_table
    made: Made = make_backup(settings, to, of_keys=key_store, told=told)
    shown = {"folder": str(made.folder), **_shown(made.manifest), "removed": made.removed}
    print_one(shown, as_json=json)


@app.command
def copies(*, gone: str | None = None, config: Config = None, json: Json = False) -> None:
    """List the copies of the key store that were made: where, until when, how they ended.

    Args:
        gone: A place, as listed, that was destroyed with every copy in it: your word, which the
            evidence of erasures repeats.
        config: The settings of the instance.
        json: Print one JSON document.
    """
    rows = shown_copies(load_settings(config_path(config)), gone=gone)
    if json:
        print_json({"copies": rows})
    else:
        print_rows(rows, columns=_COPY_COLUMNS)


@app.command
def verify(
    folder: Path,
    *,
    private_key: Path | None = None,
    keys: Path | None = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Tell whether a backup is whole and ours; with the private key also what is in it.

    Args:
        folder: The backup.
        private_key: The private half of the backup key: opens everything, counts every row, leads
            every slot's entries to its root.
        keys: A `keys` folder of the organisation, whose public documents are enough; else the one
            that the settings name.
        config: The settings of the instance.
        json: Print one JSON document.
    """
    keys_dir = keys or load_settings(config_path(config)).network.keys_dir
    shown: dict[str, object] = {"folder": str(folder), "opened": private_key is not None}
    try:
        backup = Signatories.of(keys_dir).backup(folder)
        shown |= _shown(backup.manifest)
        faults: Sequence[Fault] = backup.faults()
        if private_key is not None and not faults:
            opened = _open(backup, private_key)
            shown["plain_bytes"] = opened.plain
            faults = opened.faults
    except BackupError as error:
        faults = [Fault(reason=error.reason, where=error.message)]
    shown |= {"sound": not faults, "faults": [asdict(fault) for fault in faults]}
    if json:
        print_json(shown)
    else:
        print_fields({name: value for name, value in shown.items() if name != "faults"})
        for fault in faults:
            errors.print(f"sekisho: {fault.reason}: {fault.where}", markup=False)
    return ExitCode.FAILED if faults else ExitCode.DONE


@app.command
def restore(
    folder: Path,
    *,
    private_key: Path,
    nothing_lost: Yes = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Put a backup back: into an empty database, or where no key store is. All or nothing.

    Args:
        folder: The backup.
        private_key: The private half of the backup key.
        nothing_lost: Your word that the instance did nothing after this backup, as when it was
            stopped before. Without it permits of before are refused, everything is stopped until
            somebody lifts the switch, and slots that no mark of this machine vouches for are
            frozen.
        config: The settings of the instance, which is not running.
        json: Print one JSON document.
    """
    settings = load_settings(config_path(config))
    backup = Signatories.of(settings.network.keys_dir).backup(folder)
    if backup.manifest.organisation != settings.organisation:
        raise BackupError("of-another-organisation", backup.manifest.organisation)
    if backup.manifest.kind == KEY_STORE:
        if nothing_lost:
            raise InvalidRequestError("--nothing-lost is said of a database")
        count = restore_key_store(settings, backup, private_key)
        print_one({"restored": KEY_STORE, "keys": count}, as_json=json)
        return
    told = _silent if json else _tell_table
    done = restore_database(settings, backup, private_key, is_whole=nothing_lost, told=told)
    shown: dict[str, object] = {
        "restored": backup.manifest.kind,
        "taken_at": backup.manifest.taken_at,
        "rows": done.rows,
        "damaged": [fault.where for fault in done.faults],
        "erased_months": done.erased_months,
        "nothing_lost": nothing_lost,
    }
    print_one(shown, as_json=json)
    if done.is_stopped:
        errors.print(f"sekisho: {_SWITCH}", markup=False)


def _open(backup: Backup, private_key: Path) -> Opened:
    return OpenBackup(backup, read_backup_private(private_key)).look_through()


def _shown(manifest: Manifest) -> dict[str, object]:
    shown: dict[str, object] = {
        "kind": manifest.kind,
        "organisation": manifest.organisation,
        "taken_at": manifest.taken_at,
        "backup_key": manifest.key_id[:16],
        "bytes": sum(file.size for file in manifest.files),
    }
    if manifest.database is not None:
        shown["rows"] = sum(table.rows for table in manifest.database.tables)
        shown["slots"] = {str(one.slot): one.size for one in manifest.database.slots}
    if manifest.key_store is not None:
        shown["keys"] = manifest.key_store.keys
    return shown


def _tell_table(name: str, rows: int) -> None:
    errors.print(f"{name}: {rows}", markup=False)


def _silent(_name: str, _rows: int) -> None:
    """Say nothing: one document follows."""
