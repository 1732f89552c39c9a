"""A key store as files: read whole to be copied apart, and laid down again where none is.

The keys stay wrapped by the master key; nothing here opens one. Marks of destroyed keys are part
of a copy: an id that was taken stays taken.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fcntl import LOCK_SH, flock
from pathlib import Path
from typing import Final

from certs.errors import KeyMaterialError, KeyStoreError
from certs.key_files import make_private_directory, read_private, sync_directory, write_private
from certs.keystore import DESTROYED_SUFFIX, KEY_SUFFIX, LOCK_FILE, STORE_FILE
from codes.canonical import parse_canonical
from codes.errors import CodesError

_FILE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}\.(?:key|destroyed)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFiles:
    """The files of a key store by name, and what they come to."""

    files: Mapping[str, bytes] = field(repr=False)
    master: str
    """Id of the master key that opens them."""

    @property
    def keys(self) -> int:
        """How many keys there are."""
        return sum(name.endswith(KEY_SUFFIX) for name in self.files)

    @property
    def destroyed(self) -> int:
        """How many keys there were that are destroyed."""
        return sum(name.endswith(DESTROYED_SUFFIX) for name in self.files)


def stored_files(directory: Path, *, network: str, organisation: str) -> StoredFiles:
    """Return the files of an organisation's key store, while nothing is rotated or destroyed.

    Raises:
        KeyStoreError: no-store, other-organisation.
    """
    try:
        handle = os.open(directory / LOCK_FILE, os.O_RDWR)
    except OSError as error:
        raise KeyStoreError("no-store", directory.name) from error
    try:
        flock(handle, LOCK_SH)
        files = {
            path.name: read_private(path)
            for path in sorted(directory.iterdir())
            if path.name == STORE_FILE or _FILE.fullmatch(path.name)
        }
    except KeyMaterialError as error:
        raise KeyStoreError("no-store", str(error)) from error
    finally:
        os.close(handle)
    return described(files, network=network, organisation=organisation)


def described(files: Mapping[str, bytes], *, network: str, organisation: str) -> StoredFiles:
    """Return files as those of this organisation's key store.

    Raises:
        KeyStoreError: no-store, other-organisation, store-damaged where a name is none of a key's.
    """
    try:
        description = parse_canonical(files[STORE_FILE])
    except (KeyError, CodesError) as error:
        raise KeyStoreError("no-store", "no description") from error
    if (description.get("network"), description.get("organisation")) != (network, organisation):
        raise KeyStoreError("other-organisation", "key store")
    if any(name != STORE_FILE and not _FILE.fullmatch(name) for name in files):
        raise KeyStoreError("store-damaged", "a file that is no key")
    return StoredFiles(files=files, master=str(description.get("master")))


def lay_down(stored: StoredFiles, directory: Path) -> None:
    """Write the files into a folder where no key store is; its description comes last.

    Raises:
        KeyStoreError: already-a-store where anything is in the folder.
    """
    make_private_directory(directory)
    if any(directory.iterdir()):
        raise KeyStoreError("already-a-store", directory.name)
    for name, content in stored.files.items():
        if name != STORE_FILE:
            write_private(directory / name, content)
    write_private(directory / STORE_FILE, stored.files[STORE_FILE])
    sync_directory(directory)
