"""Keys that sign a record log: its own pair and the witness key, used for nothing else.

Private halves print masked. Verifying raises; it never answers with a boolean.
"""

from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from certs.errors import KeyMaterialError, SignatureError
from certs.key_pairs import SEED_BYTES, KeyPair, ed25519_public, mldsa44_public


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPublicKeys:
    """Public halves of a log key pair: Ed25519 (32 bytes) and ML-DSA-44 (1,312 bytes)."""

    ed25519: bytes
    mldsa44: bytes = field(repr=False)
    _ed25519: Ed25519PublicKey = field(init=False, repr=False, compare=False)
    _mldsa44: MLDSA44PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ed25519", ed25519_public(self.ed25519))
        object.__setattr__(self, "_mldsa44", mldsa44_public(self.mldsa44))

    def verify_ed25519(self, signature: bytes, message: bytes) -> None:
        """Return quietly if the Ed25519 half signed `message`, else raise `SignatureError`."""
        try:
            self._ed25519.verify(signature, message)
        except InvalidSignature as error:
            raise SignatureError(
                "log-signature-invalid", "ed25519 log signature does not verify"
            ) from error

    def verify_mldsa44(self, signature: bytes, message: bytes) -> None:
        """Return quietly if the ML-DSA-44 half signed `message`, else raise `SignatureError`.

        Pure ML-DSA with the empty context, as PROTOCOL.md section 5 and FIPS 204 algorithm 3 say.
        """
        _verify_mldsa44(self._mldsa44, signature, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessPublicKey:
    """Public half of a witness key: ML-DSA-44 (1,312 bytes), used for cosignatures alone."""

    mldsa44: bytes = field(repr=False)
    _mldsa44: MLDSA44PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_mldsa44", mldsa44_public(self.mldsa44))

    def verify_mldsa44(self, signature: bytes, message: bytes) -> None:
        """Return quietly if this witness signed `message`, else raise `SignatureError`."""
        _verify_mldsa44(self._mldsa44, signature, message)


class LogSigner(KeyPair):
    """Private log key pair: signs checkpoints of one organisation's streams."""

    __slots__ = ("public",)

    def __init__(self, ed25519: Ed25519PrivateKey, mldsa44: MLDSA44PrivateKey) -> None:
        super().__init__(ed25519, mldsa44)
        self.public: Final = LogPublicKeys(
            ed25519=ed25519.public_key().public_bytes_raw(),
            mldsa44=mldsa44.public_key().public_bytes_raw(),
        )

    def sign_ed25519(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over `message`."""
        return self._ed25519.sign(message)

    def sign_mldsa44(self, message: bytes) -> bytes:
        """Return a 2,420-byte ML-DSA-44 signature over `message` (pure, empty context)."""
        return self._mldsa44.sign(message)


class WitnessKey:
    """Private witness key: cosigns other organisations' checkpoints."""

    __slots__ = ("_mldsa44", "public")

    def __init__(self, mldsa44: MLDSA44PrivateKey) -> None:
        self._mldsa44 = mldsa44
        self.public: Final = WitnessPublicKey(mldsa44=mldsa44.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """Return a new random key."""
        return cls(MLDSA44PrivateKey.generate())

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Return the key of this 32-byte seed, else `KeyMaterialError`."""
        if len(raw) != SEED_BYTES:
            raise KeyMaterialError(
                "key-malformed", f"witness key: {SEED_BYTES} bytes, got {len(raw)}"
            )
        return cls(MLDSA44PrivateKey.from_seed_bytes(raw))

    def to_bytes(self) -> bytes:
        """Return the 32-byte seed; a secret."""
        return self._mldsa44.private_bytes_raw()

    def sign_mldsa44(self, message: bytes) -> bytes:
        """Return a 2,420-byte ML-DSA-44 signature over `message` (pure, empty context)."""
        return self._mldsa44.sign(message)

    def __repr__(self) -> str:
        return "WitnessKey(***)"


def _verify_mldsa44(key: MLDSA44PublicKey, signature: bytes, message: bytes) -> None:
    try:
        key.verify(signature, message)
    except InvalidSignature as error:
        raise SignatureError(
            "log-signature-invalid", "ml-dsa-44 log signature does not verify"
        ) from error
