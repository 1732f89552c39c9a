"""The master key under a passphrase: Argon2id (RFC 9106) makes the key that wraps it.

The parameters stand in the file, bounded on reading, so that they can grow with the machines.
"""

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from certs.boxes import BOX_KEY_BYTES, Box, SecretKey
from certs.errors import KeyMaterialError, KeyStoreError
from certs.master_file import Header, WrappedMasterKey
from certs.master_key import MasterKey
from certs.passwords import ONE_ARGON2_AT_A_TIME
from certs.typed_secret import TypedSecret, zero
from codes.canonical import b64, unb64
from codes.errors import CodesError

PASSPHRASE_CHARACTERS_MIN: Final = 16
MEMORY_KIB: Final = range(64 * 1024, 1024 * 1024 + 1)  # 64 MiB to 1 GiB
PASSES: Final = range(3, 17)
LANES: Final = range(1, 17)
SALT_BYTES: Final = 16

_MEMBERS: Final = frozenset({"kdf", "lanes", "memory_kib", "passes", "salt"})
_KDF: Final = "argon2id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """What one guess costs; the default is twice the memory of RFC 9106's second choice."""

    memory_kib: int = 128 * 1024
    passes: int = 3
    lanes: int = 4


USUAL_COST: Final = Argon2Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Derivation:
    """How a passphrase becomes a key."""

    cost: Argon2Cost
    salt: bytes

    @classmethod
    def parse(cls, members: Mapping[str, object]) -> Self:
        if members.keys() != _MEMBERS or members["kdf"] != _KDF:
            raise KeyMaterialError("master-key-malformed", "wrapping: unknown or missing members")
        cost = Argon2Cost(
            memory_kib=_bounded(members, "memory_kib", MEMORY_KIB),
            passes=_bounded(members, "passes", PASSES),
            lanes=_bounded(members, "lanes", LANES),
        )
        try:
            salt = unb64(str(members["salt"]))
        except CodesError:
            salt = b""
        if len(salt) != SALT_BYTES:
            raise KeyMaterialError("master-key-malformed", "wrapping: salt")
        return cls(cost=cost, salt=salt)

    def members(self) -> dict[str, object]:
        cost = self.cost
        return {
            "kdf": _KDF,
            "lanes": cost.lanes,
            "memory_kib": cost.memory_kib,
            "passes": cost.passes,
            "salt": b64(self.salt),
        }

    def box(self, secret: TypedSecret) -> Box:
        """Return what wraps under this passphrase; takes about a second."""
        argon2 = Argon2id(
            salt=self.salt,
            length=BOX_KEY_BYTES,
            iterations=self.cost.passes,
            lanes=self.cost.lanes,
            memory_cost=self.cost.memory_kib,
        )
        typed = secret.passphrase()
        try:
            with ONE_ARGON2_AT_A_TIME:
                # It takes any buffer, whatever its types say.
                return Box(SecretKey(_KDF, argon2.derive(typed)))  # type: ignore[arg-type]
        finally:
            zero(typed)


def wrap_by_passphrase(
    master: MasterKey, secret: TypedSecret, *, cost: Argon2Cost = USUAL_COST
) -> WrappedMasterKey:
    """Return the master key under a new salt and this passphrase.

    Raises `KeyMaterialError` (`passphrase-too-short`, fewer than 16 characters).
    """
    if len(unicodedata.normalize("NFKC", secret.pin())) < PASSPHRASE_CHARACTERS_MIN:
        raise KeyMaterialError(
            "passphrase-too-short", f"at least {PASSPHRASE_CHARACTERS_MIN} characters"
        )
    derivation = _Derivation(cost=cost, salt=os.urandom(SALT_BYTES))
    header = Header(source="passphrase", key_id=master.key_id, wrapping=derivation.members())
    return WrappedMasterKey(header, derivation.box(secret).seal(master.to_bytes(), header.ad))


def check_derivation(found: WrappedMasterKey) -> None:
    """Raise `KeyMaterialError` unless the file says in bounds how a passphrase becomes its key."""
    _Derivation.parse(found.header.wrapping)


def unwrap_by_passphrase(found: WrappedMasterKey, secret: TypedSecret) -> MasterKey:
    """Return the master key, or raise `KeyMaterialError`.

    Reasons: `wrong-passphrase`; `master-key-malformed`, `master-key-cost` before any work is done.
    """
    box = _Derivation.parse(found.header.wrapping).box(secret)
    try:
        return MasterKey.from_bytes(box.open(found.wrapped, found.header.ad))
    except KeyStoreError:
        raise KeyMaterialError("wrong-passphrase") from None


def _bounded(members: Mapping[str, object], name: str, bounds: range) -> int:
    value = members[name]
    if not isinstance(value, int):
        raise KeyMaterialError("master-key-malformed", f"wrapping: {name}")
    if value not in bounds:
        raise KeyMaterialError(
            "master-key-cost", f"{name}: {bounds.start} to {bounds.stop - 1}, not {value}"
        )
    return value
