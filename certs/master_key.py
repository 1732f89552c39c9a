"""The master key: wraps all storage keys of one gateway, opened once by the parent process.

It lies in a file, in clear or wrapped (`certs/master_places.py`); opened, it is 32 bytes in memory,
whatever it was wrapped by. The key store asks for nothing but an id, `wrap` and `unwrap`.
"""

import hashlib
import os
from pathlib import Path
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from certs.errors import KeyMaterialError
from certs.key_files import read_private, write_new_private
from codes.canonical import b64, unb64
from codes.errors import MalformedError

MASTER_KEY_BYTES: Final = 32
MASTER_KEY_ID_CHARACTERS: Final = 16

_NONCE_BYTES: Final = 12
_ID_LABEL: Final = b"sekisho/master-key-id/v1\0"


class MasterWrapper(Protocol):
    """What wraps storage keys, wherever its own key lives."""

    @property
    def key_id(self) -> str:
        """16 hex digits that name the master key and tell nothing about it."""
        ...

    def wrap(self, plaintext: bytes, ad: bytes) -> bytes:
        """Return `plaintext` encrypted and bound to `ad`."""
        ...

    def unwrap(self, wrapped: bytes, ad: bytes) -> bytes:
        """Return what `wrap` was given, or raise `KeyMaterialError`."""
        ...


class MasterKey:
    """A 256-bit master key held in memory; prints masked."""

    __slots__ = ("_aead", "_key_id", "_raw")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != MASTER_KEY_BYTES:
            raise KeyMaterialError("master-key-length", f"expected {MASTER_KEY_BYTES} bytes")
        self._raw: Final = raw
        self._aead: Final = AESGCM(raw)
        self._key_id: Final = hashlib.sha256(_ID_LABEL + raw).hexdigest()[:MASTER_KEY_ID_CHARACTERS]

    @classmethod
    def generate(cls) -> Self:
        """Return a new random master key."""
        return cls(os.urandom(MASTER_KEY_BYTES))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Return the master key that another process handed over (32 bytes)."""
        return cls(raw)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Return the key in `path` (base64url, mode 0600), or raise `KeyMaterialError`."""
        try:
            return cls(unb64(read_private(path).decode("ascii").removesuffix("\n")))
        except (MalformedError, UnicodeDecodeError):
            raise KeyMaterialError("master-key-malformed", path.name) from None

    def to_bytes(self) -> bytes:
        """Return the 32 bytes, for an inherited pipe only."""
        return self._raw

    def to_file(self, path: Path) -> None:
        """Write the key where `from_file` reads it; refuse to replace a file."""
        write_new_private(path, b64(self._raw).encode("ascii") + b"\n")

    @property
    def key_id(self) -> str:
        """16 hex digits that name the key."""
        return self._key_id

    def wrap(self, plaintext: bytes, ad: bytes) -> bytes:
        """Return nonce (12) ‖ AES-256-GCM ciphertext and tag, bound to `ad`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plaintext, ad)

    def unwrap(self, wrapped: bytes, ad: bytes) -> bytes:
        """Return what was wrapped, or raise `KeyMaterialError` (`does-not-unwrap`)."""
        try:
            return self._aead.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], ad)
        except (InvalidTag, ValueError):
            raise KeyMaterialError("does-not-unwrap", "wrapped key") from None

    def __repr__(self) -> str:
        return "MasterKey(masked)"
