"""The key store: a directory outside PostgreSQL, so that no database backup can undo an erasure.

Each key is one file of mode 0600, wrapped by the master key and bound to network, organisation
and key id. Keys are random, made when first needed and destroyed one by one; what a destroyed
key sealed is gone for good, and its id is never given to another key.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from fcntl import LOCK_EX, LOCK_SH, flock
from pathlib import Path
from typing import Final, Self

from certs.boxes import Box, SecretKey, blind_index, row_ad
from certs.errors import KeyMaterialError, KeyStoreError
from certs.key_files import (
    make_private_directory,
    overwrite_and_unlink,
    read_private,
    sync_directory,
    write_private,
)
from certs.master_key import MasterKey, MasterWrapper
from codes.canonical import b64, canonical_json, parse_canonical, unb64
from codes.errors import CodesError

__all__ = [
    "Box",
    "KeyStore",
    "MasterKey",
    "MasterWrapper",
    "SecretKey",
    "blind_index",
    "row_ad",
]

STORE_FORMAT: Final = 1
KEY_BYTES: Final = 32
LONG_KEY_BYTES: Final = 64  # AES-SIV takes two keys of 256 bits

STORAGE: Final = "storage"
DAY: Final = "day"
STORE_FILE: Final = "store.json"
LOCK_FILE: Final = "lock"
KEY_SUFFIX: Final = ".key"
DESTROYED_SUFFIX: Final = ".destroyed"
_DRAFT_SUFFIX: Final = ".new"
_MAGIC: Final = b"sekisho-key/1 "
_AD_LABEL: Final = "sekisho/key-store/v1"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_KEY_IDS: Final = (
    (re.compile(r"storage/[a-z0-9_]{1,63}/\d{4}(?:0[1-9]|1[0-2])?", re.ASCII), KEY_BYTES),
    (re.compile(r"month/\d{4}-(?:0[1-9]|1[0-2])", re.ASCII), KEY_BYTES),
    (
        re.compile(
            r"day/[a-z0-9_]{1,63}/\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])", re.ASCII
        ),
        KEY_BYTES,
    ),
    (re.compile(r"column/[a-z0-9_]{1,63}", re.ASCII), LONG_KEY_BYTES),
    (re.compile(r"secret/[a-z0-9][a-z0-9-]{0,95}", re.ASCII), LONG_KEY_BYTES),
)


class KeyStore:
    """The storage keys of one organisation; keys already read are kept in memory."""

    def __init__(
        self, directory: Path, master: MasterWrapper, *, network: str, organisation: str
    ) -> None:
        self.directory: Final = directory
        self.network: Final = network
        self.organisation: Final = organisation
        self._master = master
        self._known: dict[str, SecretKey] = {}

    @classmethod
    def create(
        cls, directory: Path, master: MasterWrapper, *, network: str, organisation: str
    ) -> Self:
        """Lay an empty store into `directory` (mode 0700); refuse where one already is."""
        if not (_NAME.fullmatch(network) and _NAME.fullmatch(organisation)):
            raise KeyStoreError("name", "network and organisation: [a-z0-9][a-z0-9-]{0,62}")
        make_private_directory(directory)
        store = cls(directory, master, network=network, organisation=organisation)
        with store._locked(LOCK_EX):
            if (directory / STORE_FILE).exists():
                raise KeyStoreError("already-a-store", directory.name)
            store._write_description(master)
        return store

    @classmethod
    def open(cls, directory: Path, master: MasterWrapper) -> Self:
        """Return the store in `directory`, or raise `KeyStoreError` (missing, other master)."""
        network, organisation = _read_description(directory, master)
        return cls(directory, master, network=network, organisation=organisation)

    def storage(self, table: str, period: int, *, create: bool = True) -> SecretKey:
        """Return the key of one table and period, the year 2026 or the month 202607 (32 bytes)."""
        return self.key(f"{STORAGE}/{table}/{period:04d}", create=create)

    def column(self, name: str, *, create: bool = True) -> SecretKey:
        """Return the AES-SIV key of one column of network codes (64 bytes)."""
        return self.key(f"column/{name}", create=create)

    def month(self, month: str, *, create: bool = True) -> SecretKey:
        """Return the key of the records of one month, `2026-07` in Asia/Tokyo (32 bytes)."""
        return self.key(f"month/{month}", create=create)

    def day(self, table: str, day: date, *, create: bool = True) -> SecretKey:
        """Return the key of what one table keeps of one day (32 bytes)."""
        return self.key(f"{DAY}/{table}/{day.isoformat()}", create=create)

    def secret(self, name: str, *, create: bool = True) -> SecretKey:
        """Return a named secret, such as the core's code secret or a code key (64 bytes)."""
        return self.key(f"secret/{name}", create=create)

    def key(self, key_id: str, *, create: bool = True) -> SecretKey:
        """Return the key of that id, made now if need be; two processes get the same one.

        Raises `KeyStoreError`: `key-id`, `no-such-key`, `key-destroyed`, `key-damaged`,
        `other-master`.
        """
        known = self._known.get(key_id)
        if known is not None and self._path(key_id, DESTROYED_SUFFIX).exists():
            self.forget(key_id)  # another process destroyed it
            known = None
        if known is None:
            length = _key_length(key_id)
            known = self._read(key_id, length) or (self._make(key_id, length) if create else None)
            if known is None:
                raise KeyStoreError("no-such-key", key_id)
            self._known[key_id] = known
        return known

    def key_ids(self) -> tuple[str, ...]:
        """Return the ids of all keys that exist, sorted."""
        return tuple(sorted(_key_id(path) for path in self.directory.glob(f"*{KEY_SUFFIX}")))

    def destroy(self, key_id: str) -> None:
        """Destroy a key for good; its id stays taken. Doing it again does nothing.

        Other processes forget it at their next turn (`forget_destroyed`) and refuse it at once;
        copies of the directory live 35 days at most.
        """
        _key_length(key_id)
        path = self._path(key_id, KEY_SUFFIX)
        with self._locked(LOCK_EX):
            # The mark comes first: a crash between the two must not let a new key take the id.
            write_private(self._path(key_id, DESTROYED_SUFFIX), b"")
            drafts = self.directory.glob(f"*{path.name}.*{_DRAFT_SUFFIX}")
            for leftover in (path, *drafts):
                overwrite_and_unlink(leftover)
            sync_directory(self.directory)
        self.forget(key_id)

    def forget(self, key_id: str) -> None:
        """Drop the key from this process's memory."""
        self._known.pop(key_id, None)

    def forget_destroyed(self) -> tuple[str, ...]:
        """Drop from memory what another process destroyed; return the ids of those keys."""
        destroyed = tuple(
            key_id for key_id in list(self._known) if self._path(key_id, DESTROYED_SUFFIX).exists()
        )
        for key_id in destroyed:
            self.forget(key_id)
        return destroyed

    def rewrap(self, new_master: MasterWrapper) -> None:
        """Put every key under a new master key; after a crash the same call finishes the work.

        Processes that still hold the old master keep the keys they read, but open no others.
        """
        with self._locked(LOCK_EX):
            for key_id in self.key_ids():
                path = self._path(key_id, KEY_SUFFIX)
                master_id, _ = _split(read_private(path), key_id)
                if master_id != new_master.key_id:
                    raw = self._unwrap(path, key_id)
                    write_private(path, self._wrapped(new_master, key_id, raw))
            self._write_description(new_master)
            self._master = new_master

    def __repr__(self) -> str:
        return f"KeyStore({self.network}/{self.organisation}, masked)"

    def _read(self, key_id: str, length: int) -> SecretKey | None:
        path = self._path(key_id, KEY_SUFFIX)
        # The mark before the key: `destroy` writes them in this order.
        if self._path(key_id, DESTROYED_SUFFIX).exists():
            raise KeyStoreError("key-destroyed", key_id)
        if not path.exists():
            return None
        raw = self._unwrap(path, key_id)
        if len(raw) != length:
            raise KeyStoreError("key-damaged", key_id)
        return SecretKey(key_id, raw)

    def _make(self, key_id: str, length: int) -> SecretKey | None:
        """Make a key unless another process was faster; return the one that stands."""
        path = self._path(key_id, KEY_SUFFIX)
        draft = self.directory / f".{path.name}.{secrets.token_hex(8)}{_DRAFT_SUFFIX}"
        with self._locked(LOCK_SH):
            # A rotation or an erasure may have happened since this process looked.
            _read_description(self.directory, self._master)
            if self._path(key_id, DESTROYED_SUFFIX).exists():
                raise KeyStoreError("key-destroyed", key_id)
            write_private(draft, self._wrapped(self._master, key_id, os.urandom(length)))
            try:
                # A link never replaces: of two processes one wins and both read its key.
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
            sync_directory(self.directory)
        return self._read(key_id, length)

    def _unwrap(self, path: Path, key_id: str) -> bytes:
        master_id, wrapped = _split(read_private(path), key_id)
        if master_id != self._master.key_id:
            raise KeyStoreError("other-master", key_id)
        try:
            return self._master.unwrap(wrapped, self._ad(key_id))
        except KeyMaterialError as error:
            raise KeyStoreError("key-damaged", key_id) from error

    def _wrapped(self, master: MasterWrapper, key_id: str, raw: bytes) -> bytes:
        # The id of the master key tells a half-finished rotation what is left to do.
        return _MAGIC + master.key_id.encode("ascii") + b"\n" + master.wrap(raw, self._ad(key_id))

    def _ad(self, key_id: str) -> bytes:
        return _ad(self.network, self.organisation, key_id)

    def _path(self, key_id: str, suffix: str) -> Path:
        return self.directory / (key_id.replace("/", ".") + suffix)

    def _write_description(self, master: MasterWrapper) -> None:
        description = {
            "format": STORE_FORMAT,
            "master": master.key_id,
            "network": self.network,
            "organisation": self.organisation,
            "check": b64(master.wrap(b"", self._ad(STORE_FILE))),
        }
        write_private(self.directory / STORE_FILE, canonical_json(description))

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        handle = os.open(self.directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            flock(handle, how)
            yield
        finally:
            os.close(handle)


def _read_description(directory: Path, master: MasterWrapper) -> tuple[str, str]:
    """Return network and organisation of a store that this master key opens."""
    try:
        description = parse_canonical(read_private(directory / STORE_FILE))
    except (KeyMaterialError, CodesError) as error:
        raise KeyStoreError("no-store", f"{directory.name}: {error.reason}") from error
    if description.get("format") != STORE_FORMAT:
        raise KeyStoreError("store-format", directory.name)
    if description.get("master") != master.key_id:
        raise KeyStoreError("other-master", directory.name)
    network, organisation = str(description.get("network")), str(description.get("organisation"))
    try:
        check = unb64(str(description.get("check")))
        master.unwrap(check, _ad(network, organisation, STORE_FILE))
    except (KeyMaterialError, CodesError) as error:
        raise KeyStoreError("store-damaged", directory.name) from error
    return network, organisation


def _key_length(key_id: str) -> int:
    for form, length in _KEY_IDS:
        if form.fullmatch(key_id):
            return length
    raise KeyStoreError("key-id", f"{len(key_id)} characters")


def _key_id(path: Path) -> str:
    return path.name.removesuffix(KEY_SUFFIX).replace(".", "/")


def _ad(network: str, organisation: str, key_id: str) -> bytes:
    # None of the parts can hold U+0000, so the joined bytes have one reading.
    return f"{_AD_LABEL}\0{network}\0{organisation}\0{key_id}".encode()


def _split(content: bytes, key_id: str) -> tuple[str, bytes]:
    """Return the id of the master key and the wrapped key of one key file."""
    header, line_end, wrapped = content.partition(b"\n")
    if not (header.startswith(_MAGIC) and header.isascii() and line_end):
        raise KeyStoreError("key-damaged", key_id)
    return header.removeprefix(_MAGIC).decode("ascii"), wrapped
