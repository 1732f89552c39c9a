"""Sealing keys: ML-KEM-768 and X25519 together, in the suite of PROTOCOL §1.

Private halves print masked; what they open is only ever a message key.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from certs.errors import KeyMaterialError, SealingError
from certs.names import SEALING_PUBLIC_BYTES, SUITE
from codes.effort import counted

MLKEM_PUBLIC_BYTES: Final = 1184
MLKEM_SEED_BYTES: Final = 64
X25519_BYTES: Final = 32
PRIVATE_BYTES: Final = MLKEM_SEED_BYTES + X25519_BYTES
"""A private key is kept as the ML-KEM seed ‖ the X25519 scalar."""

_PUBLIC_REMEMBERED: Final = 256
_HPKE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealingPrivateKey:
    """The private half of a sealing key: opens what was sealed to its public half."""

    __slots__ = ("_key", "_raw", "key_id", "public")

    def __init__(self, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self._key = MLKEM768X25519PrivateKey(mlkem, x25519)
        self._raw = mlkem.private_bytes_raw() + x25519.private_bytes_raw()
        self.public: Final = (
            mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        )
        self.key_id: Final = sealing_key_id(self.public)

    @classmethod
    def generate(cls) -> Self:
        """Return a new random key."""
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Return the key of these 96 bytes (ML-KEM seed ‖ X25519 scalar), else raise.

        Raises:
            KeyMaterialError: key-malformed.
        """
        if len(raw) != PRIVATE_BYTES:
            raise KeyMaterialError("key-malformed", f"sealing key: {PRIVATE_BYTES} bytes")
        return cls(
            MLKEM768PrivateKey.from_seed_bytes(raw[:MLKEM_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(raw[MLKEM_SEED_BYTES:]),
        )

    def to_bytes(self) -> bytes:
        """Return the 96 bytes that `from_bytes` reads; a secret."""
        return self._raw

    @counted("hpke_open")
    def open(self, enc: bytes, info: bytes) -> bytes:
        """Return the message key inside an encapsulation, or raise `SealingError`."""
        try:
            return _HPKE.decrypt(enc, self._key, info=info)
        except (InvalidTag, ValueError):
            raise SealingError("does-not-open", "message key") from None

    def __repr__(self) -> str:
        return "SealingPrivateKey(***)"


def sealing_key_id(public_key: bytes) -> str:
    """Return SHA-256(suite id ‖ 0x00 ‖ public key) in hex: also the `reply_key` of an inquiry."""
    return sha256(SUITE.encode("ascii") + b"\x00" + public_key).hexdigest()


@counted("hpke_seal")
def encapsulate(message_key: bytes, public_key: bytes, info: bytes) -> bytes:
    """Return KEM ciphertext ‖ X25519 share ‖ sealed message key, or raise `KeyMaterialError`."""
    public = _public(public_key)
    try:
        return _HPKE.encrypt(message_key, public, info=info)
    except ValueError:
        # A public X25519 point of small order shows only here.
        raise KeyMaterialError("key-malformed", "sealing key: not a usable point") from None


@lru_cache(_PUBLIC_REMEMBERED)
def _public(raw: bytes) -> MLKEM768X25519PublicKey:
    if len(raw) != SEALING_PUBLIC_BYTES:
        raise KeyMaterialError("key-malformed", f"sealing key: {SEALING_PUBLIC_BYTES} bytes")
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(raw[:MLKEM_PUBLIC_BYTES])
    except ValueError:
        raise KeyMaterialError("key-malformed", "sealing key: not an ML-KEM-768 key") from None
    x25519 = X25519PublicKey.from_public_bytes(raw[MLKEM_PUBLIC_BYTES:])
    return MLKEM768X25519PublicKey(mlkem, x25519)
