"""Pairs of an Ed25519 and an ML-DSA-44 key: how their halves are read, kept and made.

What a pair signs is for the kinds made of it: documents, and checkpoints of a record log. A key of
one kind never serves as the other.
"""

from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from certs.errors import KeyMaterialError

ED25519_PUBLIC_BYTES: Final = 32
MLDSA44_PUBLIC_BYTES: Final = 1312
SEED_BYTES: Final = 32
"""Both private keys are kept as their 32-byte seeds."""


class KeyPair:
    """Both private halves; prints masked."""

    __slots__ = ("_ed25519", "_mldsa44")

    def __init__(self, ed25519: Ed25519PrivateKey, mldsa44: MLDSA44PrivateKey) -> None:
        self._ed25519 = ed25519
        self._mldsa44 = mldsa44

    @classmethod
    def generate(cls) -> Self:
        """Return a new random pair."""
        return cls(Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Return the pair of 64 bytes (Ed25519 seed ‖ ML-DSA seed), else `KeyMaterialError`."""
        ed25519_seed, mldsa44_seed = split_seeds(raw)
        return cls(
            Ed25519PrivateKey.from_private_bytes(ed25519_seed),
            MLDSA44PrivateKey.from_seed_bytes(mldsa44_seed),
        )

    def to_bytes(self) -> bytes:
        """Return the 64 bytes that `from_bytes` reads; a secret."""
        return self._ed25519.private_bytes_raw() + self._mldsa44.private_bytes_raw()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


def ed25519_public(raw: bytes) -> Ed25519PublicKey:
    """Return the public key of these 32 bytes, or raise `KeyMaterialError`."""
    if len(raw) != ED25519_PUBLIC_BYTES:
        raise KeyMaterialError(
            "key-malformed", f"ed25519 public key: {ED25519_PUBLIC_BYTES} bytes, got {len(raw)}"
        )
    return Ed25519PublicKey.from_public_bytes(raw)


def mldsa44_public(raw: bytes) -> MLDSA44PublicKey:
    """Return the public key of these 1,312 bytes, or raise `KeyMaterialError`."""
    if len(raw) != MLDSA44_PUBLIC_BYTES:
        raise KeyMaterialError(
            "key-malformed", f"ml-dsa-44 public key: {MLDSA44_PUBLIC_BYTES} bytes, got {len(raw)}"
        )
    return MLDSA44PublicKey.from_public_bytes(raw)


def split_seeds(raw: bytes) -> tuple[bytes, bytes]:
    """Return the Ed25519 and the ML-DSA-44 seed of a stored pair, or raise `KeyMaterialError`."""
    if len(raw) != 2 * SEED_BYTES:
        raise KeyMaterialError("key-malformed", f"key pair: {2 * SEED_BYTES} bytes, got {len(raw)}")
    return raw[:SEED_BYTES], raw[SEED_BYTES:]
