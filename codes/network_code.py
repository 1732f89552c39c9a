"""符号, the 32 bytes by which one organisation's network knows one person.

The core derives and translates codes here; everybody keeps them encrypted here. A code never
prints, compares in constant time, and one made for another organisation does not open.
"""

import hashlib
import hmac
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from codes.effort import counted
from codes.errors import ForeignCodeError, MalformedError
from codes.numbers import ResidentCode

NETWORK_CODE_BYTES: Final = 32
INTERNAL_ID_BYTES: Final = 16
SECRET_BYTES_MIN: Final = 32
SIV_KEY_BYTES: Final = 64

_LOOKUP_LABEL: Final = b"sekisho/resident-code-lookup/v1\0"
_INTERNAL_ID_LABEL: Final = b"sekisho/internal-id/v1\0"
_ENCRYPTED_CODE_BYTES: Final = NETWORK_CODE_BYTES + 16


class NetworkCode:
    """One person inside one organisation, on the network; masked wherever it is printed."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        if type(raw) is not bytes or len(raw) != NETWORK_CODE_BYTES:
            raise MalformedError("network-code", f"expected {NETWORK_CODE_BYTES} bytes")
        self._raw: Final = raw

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Return the code, or raise `MalformedError` without repeating the bytes."""
        return cls(raw)

    @property
    def raw(self) -> bytes:
        """The 32 bytes, for sealing, commitments and encryption only."""
        return self._raw

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NetworkCode):
            return NotImplemented
        return hmac.compare_digest(self._raw, other._raw)

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        return "NetworkCode(masked)"


class CodeColumn:
    """Network codes at rest: AES-SIV under one key for one column of one organisation.

    Equal codes in one column look equal, so that a column can be searched and made unique.
    """

    __slots__ = ("_associated", "_siv")

    def __init__(self, key: bytes, *, organisation: str, column: str) -> None:
        self._siv = _siv(key)
        self._associated = [organisation.encode("ascii"), column.encode("ascii")]

    @counted("code_at_rest")
    def encrypt(self, code: NetworkCode) -> bytes:
        """Return the 48 bytes to store or to search for."""
        return self._siv.encrypt(code.raw, self._associated)

    @counted("code_at_rest")
    def decrypt(self, stored: bytes) -> NetworkCode:
        """Return the code; `ForeignCodeError` for bytes of another key, column or organisation."""
        if len(stored) != _ENCRYPTED_CODE_BYTES:
            raise MalformedError("stored-code", f"{len(stored)} bytes")
        try:
            return NetworkCode(self._siv.decrypt(stored, self._associated))
        except InvalidTag:
            raise ForeignCodeError("foreign-code", "stored under another key or column") from None

    def __repr__(self) -> str:
        return "CodeColumn(masked)"


class CodeDeriver:
    """The core's keyed one-way functions of a resident-record code (令27⑤一・二)."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise MalformedError("code-secret", f"at least {SECRET_BYTES_MIN} bytes")
        self._secret: Final = secret

    def lookup(self, resident_code: ResidentCode) -> bytes:
        """Return the 32 bytes under which the core's secret table finds a person.

        A person whose resident-record code changed has two look-ups and keeps one internal id.
        """
        message = _LOOKUP_LABEL + resident_code.text.encode("ascii")
        return hmac.digest(self._secret, message, hashlib.sha256)

    def internal_id(self, resident_code: ResidentCode) -> bytes:
        """Return the 16 bytes that a person first met under this code gets."""
        message = _INTERNAL_ID_LABEL + resident_code.text.encode("ascii")
        return hmac.digest(self._secret, message, hashlib.sha256)[:INTERNAL_ID_BYTES]

    def __repr__(self) -> str:
        return "CodeDeriver(masked)"


class OrganisationCodes:
    """Translation between internal ids and one organisation's codes, inside the core only."""

    __slots__ = ("_associated", "_siv")

    def __init__(self, key: bytes, organisation: str) -> None:
        self._siv = _siv(key)
        self._associated = [organisation.encode("ascii")]

    @counted("make_code")
    def code(self, internal_id: bytes) -> NetworkCode:
        """Return this organisation's code for the person."""
        if len(internal_id) != INTERNAL_ID_BYTES:
            raise MalformedError("internal-id", f"expected {INTERNAL_ID_BYTES} bytes")
        return NetworkCode(self._siv.encrypt(internal_id, self._associated))

    @counted("translate_code")
    def internal_id(self, code: NetworkCode) -> bytes:
        """Return the 16-byte id; `ForeignCodeError` for another organisation's or invented code."""
        try:
            return self._siv.decrypt(code.raw, self._associated)
        except InvalidTag:
            raise ForeignCodeError("foreign-code", "not a code of this organisation") from None

    def __repr__(self) -> str:
        return "OrganisationCodes(masked)"


def _siv(key: bytes) -> AESSIV:
    if len(key) != SIV_KEY_BYTES:
        raise MalformedError("siv-key", f"expected {SIV_KEY_BYTES} bytes")
    return AESSIV(key)
