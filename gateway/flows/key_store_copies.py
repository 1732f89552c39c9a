"""Copies of the key store are known from before they are made until they are gone.

The register lies in the instance's data folder, signed by the log key; each place bears a small
file with its id, so that a disk that is not there is told from one on which nothing lies. It never
opens a copy: what it judges by is the signed manifest's time.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from certs.backup_manifest import MANIFEST_BYTES_MAX, read_manifest, sign_manifest, verify_manifest
from certs.errors import BackupError
from certs.key_files import write_file, write_private
from certs.keysets import KeySet
from certs.log_keys import LogSigner
from codes.canonical import instant, parse_instant
from gateway.domain.backup import KEY_STORE, Manifest, backup_name, owner_name
from gateway.domain.key_store_copies import CopyPlace, CopyRegister, KeyStoreCopy, Swept
from gateway.errors import NotFoundError, UnavailableError
from gateway.flows.backup_folder import read_backup
from gateway.flows.key_store_places import look_through
from gateway.logs import get_logger

REGISTER: Final = "key-store-copies.json"
_SIGN: Final = ".sekisho-key-store-copies-"
_SIGN_BYTES_MAX: Final = 64
_NEVER: Final = "1970-01-01T00:00:00.000Z"

log = get_logger()


class CopiesUnknownError(UnavailableError):
    """The register of key-store copies is not what was written: which there are, nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStoreCopies:
    """The register of one instance's copies, and what ends them.

    Whoever changes it holds the instance's backups alone (`backup_lock.alone`).
    """

    data_dir: Path
    network: str
    organisation: str
    key_sets: Callable[[], Sequence[KeySet]] = field(repr=False)
    signer_at: Callable[[datetime], LogSigner] = field(repr=False)

    def known(self) -> CopyRegister:
        """Return the register; an instance that never made a copy has an empty one.

        Raises:
            CopiesUnknownError: it was changed, is of somebody else, or cannot be read.
        """
        try:
            with (self.data_dir / REGISTER).open("rb") as file:
                raw = file.read(MANIFEST_BYTES_MAX + 1)
        except FileNotFoundError:
            return CopyRegister(
                type="key-store-copies",
                version=1,
                network=self.network,
                organisation=self.organisation,
                written_at=_NEVER,
                places=[],
            )
        except OSError as error:
            raise CopiesUnknownError(f"{REGISTER}: {error.strerror}") from None
        try:
            register = msgspec.convert(read_manifest(raw), CopyRegister, strict=True)
            verify_manifest(raw, self.key_sets(), made_at=parse_instant(register.written_at))
        except (BackupError, msgspec.ValidationError) as error:
            raise CopiesUnknownError(f"{REGISTER}: {error}") from None
        if (register.network, register.organisation) != (self.network, self.organisation):
            raise CopiesUnknownError(f"{REGISTER}: of {register.organisation}")
        return register

    def begin(self, target: Path, manifest: Manifest, *, now: datetime) -> None:
        """Remember a copy that is about to be made in a folder, before any key is read.

        Whoever erases a month destroys its key and reads the register afterwards: a copy that got
        the key stands in it.
        """
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        register, path = self.known(), target.resolve()
        place_id = self._place_id(path) or secrets.token_hex(16)
        copies = [
            copy for place in register.places if place.id == place_id for copy in place.copies
        ]
        taken_at = parse_instant(manifest.taken_at)
        copy = KeyStoreCopy(
            id=manifest.id,
            name=backup_name(KEY_STORE, self._owner, taken_at, manifest.id),
            taken_at=manifest.taken_at,
        )
        write_file(self._sign(path), place_id.encode())
        place = CopyPlace(id=place_id, path=str(path), copies=[*copies, copy])
        self._write(register.with_place(place), now)

    def sweep(self, *, now: datetime) -> Swept:
        """Remove what is overdue or was never finished, in every place that can be reached."""
        register, removed, left = self.known(), list[str](), 0
        places = list[CopyPlace]()
        for place in register.places:
            if not self.is_there(place):
                places.append(place)
                continue
            looked = look_through(place, self._owner, self._manifest_of, now=now)
            places.append(looked.place)
            removed += looked.removed
            left += looked.failed
        after = msgspec.structs.replace(register, places=places).tidied(now)
        if after != register:
            self._write(after, now)
        for name in removed:
            log.info("key_store_copy_removed", what=name)
        return Swept(removed=removed, left=max(left, len(after.overdue(now))))

    def give_up(self, path: str, *, now: datetime) -> int:
        """Take the operator's word that a place was destroyed; return how many copies it had.

        Raises:
            NotFoundError: no copy was made there.
        """
        register = self.known()
        place = next((one for one in register.places if one.path == path), None)
        if place is None:
            raise NotFoundError(f"{path}: no copy of the key store was made there")
        ended = [copy.ended("place-gone", now) for copy in place.copies]
        count = sum(copy.how is None for copy in place.copies)
        self._write(register.with_place(msgspec.structs.replace(place, copies=ended)), now)
        return count

    def is_there(self, place: CopyPlace) -> bool:
        """Tell whether a place can be reached."""
        return self._place_id(Path(place.path)) == place.id

    def _manifest_of(self, folder: Path) -> Manifest | None:
        """Return the signed manifest of a copy of ours, if this folder is one."""
        try:
            backup = read_backup(
                folder, self.key_sets(), network=self.network, organisation=self.organisation
            )
        except BackupError:
            return None
        return backup.manifest if backup.manifest.kind == KEY_STORE else None

    @property
    def _owner(self) -> str:
        return owner_name(self.network, self.organisation)

    def _sign(self, path: Path) -> Path:
        return path / f"{_SIGN}{self._owner}"

    def _place_id(self, path: Path) -> str | None:
        try:
            with self._sign(path).open("rb") as file:
                return file.read(_SIGN_BYTES_MAX).decode("ascii", "replace").strip()
        except OSError:
            return None

    def _write(self, register: CopyRegister, now: datetime) -> None:
        written = msgspec.structs.replace(register, written_at=instant(now))
        raw = sign_manifest(msgspec.to_builtins(written), self.signer_at(now))
        write_private(self.data_dir / REGISTER, raw)
