"""A backup as a folder: made beside its name and renamed when it is whole, never overwritten.

    sekisho-database-NETWORK.nagaoka-20261123T020000Z-1f2e3d4c/
      manifest.json     what it holds, signed by the organisation's log key
      *.sealed          the tables, sealed to the backup key

A folder without its manifest, or under a name that begins with a full stop, is no backup.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from certs.backup_manifest import MANIFEST_BYTES_MAX, read_manifest, verify_manifest
from certs.errors import BackupError
from certs.key_files import PRIVATE_DIRECTORY_MODE, PRIVATE_FILE_MODE, sync_directory
from certs.keysets import KeySet
from certs.sealed_files import FilePlace, read_header
from codes.canonical import parse_instant
from gateway.domain.backup import BackupFile, Kind, Manifest
from gateway.errors import ConflictError

MANIFEST: Final = "manifest.json"
_NAME: Final = re.compile(
    r"(?P<draft>\.?)sekisho-(?P<kind>database|key-store)-(?P<owner>[a-z0-9-]+\.[a-z0-9-]+)-"
    r"(?P<taken_at>\d{8}T\d{6}Z)-[0-9a-f]{8}(?:\.new)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a backup, and where."""

    reason: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup whose manifest its organisation signed; its files have not been looked at."""

    folder: Path
    manifest: Manifest

    @property
    def taken_at(self) -> datetime:
        """Return the instant it shows."""
        return parse_instant(self.manifest.taken_at)

    def place(self, name: str) -> FilePlace:
        """Return what a file of this backup is bound to."""
        return place_of(self.manifest, name)

    def open(self, file: BackupFile) -> BufferedReader:
        """Return one of its files, opened to be read, or raise `BackupError` (file-missing)."""
        try:
            return (self.folder / file.name).open("rb")
        except OSError as error:
            raise BackupError("file-missing", f"{file.name}: {error.strerror}") from error

    def faults(self) -> list[Fault]:
        """Return what is wrong with its files as they lie there, without opening any."""
        files = self.manifest.files
        expected = {MANIFEST, *(file.name for file in files)}
        found = {path.name for path in self.folder.iterdir()}
        return [
            *(Fault(reason="unexpected-file", where=name) for name in sorted(found - expected)),
            *(fault for file in files if (fault := self._fault(file)) is not None),
        ]

    def require_sound(self) -> None:
        """Raise `BackupError` for the first fault of its files."""
        for fault in self.faults():
            raise BackupError(fault.reason, fault.where)

    def _fault(self, file: BackupFile) -> Fault | None:
        try:
            with self.open(file) as content:
                header = read_header(content)
                if header.backup_id != self.manifest.id:
                    return Fault(reason="of-another-backup", where=file.name)
                if header.name != file.name:
                    return Fault(reason="another-file", where=file.name)
                size = os.fstat(content.fileno()).st_size
                if size != file.size:
                    reason = "truncated" if size < file.size else "runs-on"
                    return Fault(reason=reason, where=file.name)
                content.seek(0)
                if file_digest(content, "sha256").hexdigest() != file.sha256:
                    return Fault(reason="altered", where=file.name)
        except BackupError as error:
            return Fault(reason=error.reason, where=file.name)
        return None


def read_backup(
    folder: Path, key_sets: Sequence[KeySet], *, network: str, organisation: str
) -> Backup:
    """Return a backup of this organisation by its signed manifest.

    Raises:
        BackupError: no-manifest, manifest-unreadable, of-another-organisation,
            manifest-unsigned, manifest-altered.
    """
    try:
        with (folder / MANIFEST).open("rb") as file:
            raw = file.read(MANIFEST_BYTES_MAX + 1)
    except OSError as error:
        raise BackupError("no-manifest", f"{folder.name}: no whole backup") from error
    try:
        manifest = msgspec.convert(read_manifest(raw), Manifest, strict=True)
        taken_at = parse_instant(manifest.taken_at)
    except msgspec.ValidationError as error:
        raise BackupError("manifest-unreadable", str(error)) from None
    if (manifest.network, manifest.organisation) != (network, organisation):
        of_whom = f"{manifest.organisation} on {manifest.network}"
        raise BackupError("of-another-organisation", of_whom)
    verify_manifest(raw, key_sets, made_at=taken_at)
    return Backup(folder=folder, manifest=manifest)


@contextmanager
def new_folder(target: Path, name: str) -> Iterator[Path]:
    """Lend an empty folder that stands under its name, durably, if the context ends well.

    Raises:
        ConflictError: there is something of that name.
    """
    target.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
    if (target / name).exists():
        raise ConflictError(f"{target / name}: is there already")
    draft = target / f".{name}.new"
    draft.mkdir(mode=PRIVATE_DIRECTORY_MODE)
    try:
        yield draft
        sync_directory(draft)
        draft.rename(target / name)
        sync_directory(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Lend a new file, durable when the context ends well."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        yield file
        file.flush()
        os.fsync(handle)


def forget_drafts(target: Path, owner: str) -> None:
    """Remove what runs of ours left behind that were killed; only one runs at a time."""
    for path, match in named_ours(target, owner):
        if match["draft"]:
            shutil.rmtree(path)


def place_of(manifest: Manifest, name: str) -> FilePlace:
    """Return what a file of this manifest's backup is bound to."""
    return FilePlace(
        network=manifest.network,
        organisation=manifest.organisation,
        backup_id=manifest.id,
        name=name,
    )


def note_success(data_dir: Path, kind: Kind, taken_at: datetime) -> None:
    """Leave a sign for the running instance that a backup of this kind is there."""
    from_name = data_dir / f"{_SIGN}{kind}"
    from_name.touch(mode=PRIVATE_FILE_MODE)
    os.utime(from_name, (taken_at.timestamp(), taken_at.timestamp()))


def last_successes(data_dir: Path, kinds: Sequence[Kind]) -> Mapping[Kind, float]:
    """Return when the last backup of each kind was taken (POSIX seconds), where there is one."""
    signs: dict[Kind, Path] = {kind: data_dir / f"{_SIGN}{kind}" for kind in kinds}
    return {kind: path.stat().st_mtime for kind, path in signs.items() if path.exists()}


_SIGN: Final = "last-backup-of-"


def named_ours(target: Path, owner: str) -> Iterator[tuple[Path, re.Match[str]]]:
    """Yield what lies there under a name of this owner's backups: kind, draft, taken_at."""
    for path in sorted(target.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match is not None and match["owner"] == owner and path.is_dir():
            yield path, match


def named_time(match: re.Match[str]) -> datetime:
    """Return the time that a backup's name tells."""
    return datetime.strptime(match["taken_at"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
