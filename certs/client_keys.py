"""The client's side of signing in: a key pair for assertions, made, stored and used to sign."""

from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import get_algorithm_by_name

from certs.key_files import private_pem, read_p256, write_private
from certs.tokens import AssertionAlgorithm


class AssertionKey:
    """A client's private key (P-256, ES256) for its assertions; prints masked."""

    __slots__ = ("_key",)

    algorithm: Final = AssertionAlgorithm.ES256

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key: Final = key

    @classmethod
    def generate(cls) -> Self:
        """Return a new key."""
        return cls(generate_private_key(SECP256R1()))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the key in a PEM file of mode 0600, or raise `KeyMaterialError`."""
        return cls(read_p256(path))

    def store(self, path: Path) -> None:
        """Write the key as PEM, mode 0600."""
        write_private(path, private_pem(self._key))

    @property
    def public_pem(self) -> str:
        """Return the public key (SubjectPublicKeyInfo) to register at a gateway."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def sign(self, signed: bytes) -> bytes:
        """Return the signature of a JWT's signed bytes (RFC 7518 §3.4: r ‖ s)."""
        algorithm = get_algorithm_by_name(self.algorithm.value)
        return algorithm.sign(signed, self._key)

    def __repr__(self) -> str:
        return "AssertionKey(masked)"
