"""What an auditor is told of an erased month (functions SYM-09, NIST SP 800-88).

By which method, agreed by which entries, what was tried, from which day on nothing opens it. It
holds nothing of anybody: an export shows it opened.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from certs.errors import KeyStoreError
from certs.keystore import Box, KeyStore
from codes.canonical import instant, parse_instant
from gateway.domain.key_store_copies import CopyRegister
from gateway.errors import SekishoError
from gateway.flows.operation_files import has_archives
from gateway.flows.record_seal import private_ad
from gateway.storage.erasures import KnownCopy, Sample

METHOD: Final[Mapping[str, object]] = {
    "standard": "NIST SP 800-88",
    "category": "purge",
    "technique": "cryptographic-erase",
    "cipher": "AES-256-GCM",
    "also": ["entries-dropped", "hash-tiles-dropped", "archive-removed"],
}
_MONTHS: Final = "month/"


class NotErasedError(SekishoError):
    """What should be gone is not: the erasure is not told until it is."""


def verified(
    keys: KeyStore, archives: Path, *, month: str, key_id: str, sample: Sample | None
) -> dict[str, object]:
    """Look whether key and archive are gone, and try every month's key on what was sealed.

    Without a sample the entries went in an earlier turn that was cut off.

    Raises:
        NotErasedError: something is there still, or opens.
    """
    standing = keys.key_ids()
    if key_id in standing:
        raise NotErasedError(f"{key_id}: the key is still there")
    try:
        keys.key(key_id, create=False)
    except KeyStoreError as error:
        state = error.reason
    else:
        raise NotErasedError(f"{key_id}: the key is still known")
    if has_archives(archives, month):
        raise NotErasedError(f"{month}: the archive is still there")
    found: dict[str, object] = {"key": state, "archive": "none"}
    if sample is None:
        return found | {"sample": "none-left"}
    tried = [key for key in standing if key.startswith(_MONTHS)]
    ad = private_ad(keys.organisation, sample.entry_id)
    if any(_opens(keys, one, sample.private, ad) for one in tried):
        raise NotErasedError(f"{month}: a private part still opens")
    digest = sha256(sample.private).hexdigest()
    result = {"sha256": digest, "result": "does-not-open", "keys_tried": len(tried)}
    return found | {"sample": result}


def copies_of(register: CopyRegister) -> list[KnownCopy]:
    """Return the copies that may hold a key which was destroyed before the register was read."""
    return [
        KnownCopy(id=copy.id, taken_at=copy.taken_at, until=instant(copy.until))
        for copy in register.living
    ]


def unreadable_from(copies: Sequence[KnownCopy], now: datetime) -> str:
    """Return from when on no key is left that opens the month."""
    return max((copy.until for copy in copies), default=instant(now))


def fates(
    copies: Sequence[KnownCopy], register: CopyRegister, now: datetime
) -> list[dict[str, object]] | None:
    """Return how each copy ended; None while one of them may still be there."""
    found = list[dict[str, object]]()
    for known in copies:
        copy = register.copy(known.id)
        if copy is not None and copy.how is not None:
            how, ended_at = str(copy.how), copy.ended_at or known.until
        elif copy is None and now >= parse_instant(known.until):
            # Another machine's: its register is gone with it.
            how, ended_at = "not-known", known.until
        else:
            return None
        found.append({"id": known.id, "taken_at": known.taken_at, "ended_at": ended_at, "how": how})
    return found


def _opens(keys: KeyStore, key_id: str, box: bytes, ad: bytes) -> bool:
    try:
        Box(keys.key(key_id, create=False)).open(box, ad)
    except KeyStoreError:
        return False
    return True
