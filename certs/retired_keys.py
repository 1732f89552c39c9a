"""Private halves whose place another has taken: since when, and how they are destroyed.

A retired key opens or signs what nobody has to open or sign any more; whoever finds it later must
find nothing.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from certs.directory import VALIDITY
from certs.key_files import sync_directory
from certs.keysets import KeySet
from certs.own_keys import (
    ID_DIGITS,
    LOG,
    WITNESS,
    PrivateKeySet,
    log_key_place,
    witness_key_place,
)

SEALING: Final = "sealing"
TLS: Final = "tls"
KEPT_MIN: Final = VALIDITY
"""So long somebody may still follow a directory that lists a replaced key as the one in force."""
SEALING_KEPT_MAX: Final = timedelta(days=30)
"""PROTOCOL §1: after that it goes, whatever is still under way."""
_GONE: Final = ".gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredKey:
    """One private half of ours that no key set in force uses any more."""

    what: str
    """`sealing`, `log`, `witness` or `tls`."""
    name: str
    """Its public id: for a sealing key the key id, else the first digits of it."""
    paths: tuple[Path, ...] = field(repr=False)
    """Files or folders; a certificate goes with its key."""
    retired_at: datetime


def retired_keys(own: PrivateKeySet, listed: Sequence[KeySet]) -> list[RetiredKey]:
    """Return what was replaced in the chain of key sets that the directory lists of us.

    What no listed set ever used may be on its way to the core, and is none of them.
    """
    found = []
    in_use = [_in_use(key_set, own) for key_set in listed]
    for what, name, paths in _halves(own):
        used = [number for number, names in enumerate(in_use) if names[what] == name]
        if used and used[-1] + 1 < len(listed):
            retired_at = listed[used[-1] + 1].not_before
            found.append(RetiredKey(what=what, name=name, paths=paths, retired_at=retired_at))
    return found


def destroy(key: RetiredKey) -> None:
    """Overwrite and unlink a private half, durably; raises `FileNotFoundError` if it is gone.

    It is set aside as a whole first: a break leaves nothing that looks like a key, and `finish`
    ends what it left. A file system that writes elsewhere than it was told, and every backup of
    the folder, keep what they have.
    """
    for path in key.paths:
        aside = path.with_name(f".{path.name}{_GONE}")
        path.rename(aside)
        sync_directory(aside.parent)
        _erase(aside)


def finish(keys: Path) -> int:
    """Destroy what a break left half destroyed under a `keys` directory; return how many."""
    left = sorted(keys.glob(f"*/.*{_GONE}"))
    for path in left:
        with suppress(FileNotFoundError):  # a worker beside this one is at it
            _erase(path)
    return len(left)


def _erase(path: Path) -> None:
    if path.is_dir():
        for inside in sorted(path.iterdir()):
            _erase(inside)
        path.rmdir()
    else:
        with path.open("r+b", buffering=0) as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            os.fsync(file.fileno())
        path.unlink()
    sync_directory(path.parent)


def _halves(own: PrivateKeySet) -> Iterator[tuple[str, str, tuple[Path, ...]]]:
    for key_id in own.sealing:
        yield SEALING, key_id, (own.directory / SEALING / f"{key_id}.key",)
    for log in own.logs:
        place = log_key_place(own.directory, log)
        yield LOG, place.name, (place,)
    for witness in own.witnesses:
        place = witness_key_place(own.directory, witness)
        yield WITNESS, place.name, (place,)
    for sha256, files in own.certificates.items():
        yield TLS, sha256[:ID_DIGITS], (files.key, files.certificate)


def _in_use(key_set: KeySet, own: PrivateKeySet) -> dict[str, str]:
    """Return the name of the key of each kind that is used while this set is in force."""
    return {
        SEALING: key_set.newest_sealing.key_id,
        LOG: log_key_place(own.directory, key_set.log).name,
        WITNESS: witness_key_place(own.directory, key_set.witness).name,
        TLS: key_set.tls[0].sha256[:ID_DIGITS],
    }
