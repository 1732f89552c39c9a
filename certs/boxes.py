"""Data at rest under a storage key: AES-256-GCM boxes bound to their place, and blind indexes.

A box moved to another organisation, table, column, row or generation does not open. One key
seals at most 2³² boxes (random 96-bit nonces), which a key a table and year stays far below.
"""

import hashlib
import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from certs.errors import KeyStoreError
from codes.effort import counted

BOX_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16

_SEARCH_LABEL: Final = b"sekisho/search/v1\0"


class SecretKey:
    """Secret bytes with the id they are kept under; masked in print, compared in constant time."""

    __slots__ = ("key_id", "raw")

    def __init__(self, key_id: str, raw: bytes) -> None:
        self.key_id: Final = key_id
        self.raw: Final = raw

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretKey):
            return NotImplemented
        return self.key_id == other.key_id and hmac.compare_digest(self.raw, other.raw)

    def __hash__(self) -> int:
        return hash(self.key_id)

    def __repr__(self) -> str:
        return f"SecretKey({self.key_id}, masked)"


class Box:
    """Seals and opens under one key; make it once and keep it, the key schedule costs most."""

    __slots__ = ("_aead", "_key_id")

    def __init__(self, key: SecretKey) -> None:
        if len(key.raw) != BOX_KEY_BYTES:
            raise KeyStoreError("key-length", f"{key.key_id}: expected {BOX_KEY_BYTES} bytes")
        self._aead: Final = AESGCM(key.raw)
        self._key_id: Final = key.key_id

    @counted("box_seal")
    def seal(self, plaintext: bytes, ad: bytes) -> bytes:
        """Return nonce (12) ‖ ciphertext ‖ tag (16), bound to `ad`: see `row_ad`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plaintext, ad)

    @counted("box_open")
    def open(self, sealed: bytes, ad: bytes) -> bytes:
        """Return the plaintext, or raise `KeyStoreError` (`box-does-not-open`)."""
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise KeyStoreError("box-too-short", f"under {self._key_id}")
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], ad)
        except InvalidTag:
            raise KeyStoreError("box-does-not-open", f"under {self._key_id}") from None

    def __repr__(self) -> str:
        return f"Box({self._key_id}, masked)"


def row_ad(organisation: str, table: str, column: str, row_id: str, generation: int) -> bytes:
    """Return the associated data of one value: where it stands and which generation it is.

    Only `row_id` may hold U+0000, and what surrounds it may not, so no two places read alike.
    """
    return f"{organisation}\0{table}\0{column}\0{row_id}\0{generation}".encode()


class BlindIndex:
    """Finds values of one field among what lies under one key; make it once and keep it."""

    __slots__ = ("_field_key", "_key_id")

    def __init__(self, key: SecretKey, field: str) -> None:
        self._field_key: Final = _field_key(key, field)
        self._key_id: Final = key.key_id

    @counted("blind_index")
    def of(self, value: bytes) -> bytes:
        """Return the 32 bytes by which `value` is found; without the key they say nothing."""
        return hmac.digest(self._field_key, value, hashlib.sha256)

    def __repr__(self) -> str:
        return f"BlindIndex({self._key_id}, masked)"


@counted("blind_index")
def blind_index(month_key: SecretKey, field: str, value: bytes) -> bytes:
    """Return the 32 bytes by which a search finds `value` in `field` among one month's records."""
    return hmac.digest(_field_key(month_key, field), value, hashlib.sha256)


def _field_key(key: SecretKey, field: str) -> bytes:
    return hmac.digest(key.raw, _SEARCH_LABEL + field.encode("ascii"), hashlib.sha256)
