"""What people prove themselves by: a password (Argon2id) and a time-based one-time password.

Limits of attempts and second use of a one-time password are the caller's: it gets the time step.
"""

import hmac
import os
import re
import threading
import unicodedata
from base64 import b32decode, b32encode
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from certs.errors import KeyMaterialError, PasswordError

PASSWORD_CHARACTERS_MIN: Final = 12
PASSWORD_CHARACTERS_MAX: Final = 256
TOTP_DIGITS: Final = 6
TOTP_STEP_S: Final = 30
TOTP_STEPS_AROUND: Final = 1

# RFC 9106 §4, the second recommended choice: 64 MiB, three passes, four lanes.
_MEMORY_KIB: Final = 64 * 1024
_PASSES: Final = 3
_LANES: Final = 4
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
# OpenSSL shares as many threads as there are cores among all derivations of a process; two at once
# each take some, wait for the rest, and never end (tried with OpenSSL of cryptography 50).
ONE_ARGON2_AT_A_TIME: Final = threading.Lock()
# A stored string decides how much work a log-in costs, so its numbers are bounded.
_PHC: Final = re.compile(
    r"\$argon2id\$v=19\$m=[1-9]\d{0,5},t=[1-9]\d?,p=[1-9]\d?\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+",
    re.ASCII,
)
# Salt and hash of zeros: costs the same work as a real one, and no known password fits it.
_NOBODY: Final = f"{'A' * 22}${'A' * 43}"


def hash_password(password: str) -> str:
    """Return a PHC string to store; `PasswordError` for a password too short or too long."""
    if len(password) > PASSWORD_CHARACTERS_MAX:
        raise PasswordError("password-too-long", f"at most {PASSWORD_CHARACTERS_MAX}")
    normal = unicodedata.normalize("NFKC", password)
    if len(normal) < PASSWORD_CHARACTERS_MIN:
        raise PasswordError("password-too-short", f"at least {PASSWORD_CHARACTERS_MIN}")
    argon2 = Argon2id(
        salt=os.urandom(_SALT_BYTES),
        length=_HASH_BYTES,
        iterations=_PASSES,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    with ONE_ARGON2_AT_A_TIME:
        return argon2.derive_phc_encoded(_encode(normal))


def verify_password(password: str, stored: str | None) -> None:
    """Raise `PasswordError` (`wrong-password`) unless the password is the stored one.

    `None` stands for a user who does not exist: the same work, always the same refusal.
    """
    if len(password) > PASSWORD_CHARACTERS_MAX:
        raise PasswordError("wrong-password")
    normal = unicodedata.normalize("NFKC", password)
    phc = _ours() + _NOBODY if stored is None else stored
    if not _PHC.fullmatch(phc):
        raise PasswordError("stored-password-malformed")
    try:
        with ONE_ARGON2_AT_A_TIME:
            Argon2id.verify_phc_encoded(_encode(normal), phc)
        fits = stored is not None
    except InvalidKey:
        fits = False
    if not fits:
        raise PasswordError("wrong-password")


def needs_rehash(stored: str) -> bool:
    """Tell whether a stored string was made with other parameters than today's."""
    return not stored.startswith(_ours())


def _ours() -> str:
    return f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$"


class TotpAlgorithm(StrEnum):
    """The hash inside a one-time password; many authenticator apps know only SHA-1."""

    SHA1 = "SHA1"
    SHA256 = "SHA256"


_SECRET_BYTES: Final = {TotpAlgorithm.SHA1: 20, TotpAlgorithm.SHA256: 32}


class Totp:
    """One person's second factor (RFC 6238: 30 s, six digits); prints masked."""

    __slots__ = ("_totp", "algorithm", "secret")

    def __init__(self, secret: bytes, algorithm: TotpAlgorithm = TotpAlgorithm.SHA1) -> None:
        if len(secret) != _SECRET_BYTES[algorithm]:
            raise KeyMaterialError("totp-secret-length", f"expected {_SECRET_BYTES[algorithm]}")
        self.secret: Final = secret
        self.algorithm: Final = algorithm
        digest = SHA1() if algorithm is TotpAlgorithm.SHA1 else SHA256()  # noqa: S303
        self._totp: Final = TOTP(secret, TOTP_DIGITS, digest, TOTP_STEP_S)

    @classmethod
    def generate(cls, algorithm: TotpAlgorithm = TotpAlgorithm.SHA1) -> Self:
        """Return a new second factor."""
        return cls(os.urandom(_SECRET_BYTES[algorithm]), algorithm)

    @classmethod
    def from_base32(cls, text: str, algorithm: TotpAlgorithm = TotpAlgorithm.SHA1) -> Self:
        """Return the factor whose secret a person typed over, or raise `KeyMaterialError`."""
        compact = text.replace(" ", "").rstrip("=").upper()
        try:
            return cls(b32decode(compact + "=" * (-len(compact) % 8)), algorithm)
        except ValueError:
            raise KeyMaterialError("totp-secret-malformed") from None

    def code(self, now: datetime) -> str:
        """Return the six digits of this moment: what an authenticator would show."""
        return self._code_of(_step(now))

    def verify(self, code: str, *, now: datetime) -> int:
        """Return the time step of `code`, or raise `PasswordError` (`wrong-one-time-password`).

        One step of clock difference either way is allowed. A step already used, or an earlier
        one, is the caller's to refuse.
        """
        present = _step(now)
        shown = code.encode("utf-8", "replace")
        found: int | None = None
        # All steps are computed and compared, so that time tells nothing about which fits.
        for step in range(present - TOTP_STEPS_AROUND, present + TOTP_STEPS_AROUND + 1):
            if hmac.compare_digest(self._code_of(step).encode("ascii"), shown):
                found = step
        if found is None:
            raise PasswordError("wrong-one-time-password")
        return found

    def base32(self) -> str:
        """Return the secret as people type it; shown once, at enrolment."""
        return b32encode(self.secret).decode("ascii").rstrip("=")

    def uri(self, *, account: str, issuer: str) -> str:
        """Return the `otpauth://` URI for an authenticator; as secret as the secret."""
        return self._totp.get_provisioning_uri(account, issuer)

    def _code_of(self, step: int) -> str:
        return self._totp.generate(step * TOTP_STEP_S).decode("ascii")

    def __repr__(self) -> str:
        return f"Totp({self.algorithm}, masked)"


def _step(now: datetime) -> int:
    return int(now.timestamp()) // TOTP_STEP_S


def _encode(password: str) -> bytes:
    # A lone surrogate cannot be typed; it hashes to something rather than raising with the text.
    return password.encode("utf-8", "surrogatepass")
