"""A passphrase or PIN that a person typed, kept in memory for as short as Python allows."""

import unicodedata
from typing import Final

from certs.errors import KeyMaterialError

TYPED_CHARACTERS_MAX: Final = 1_024


class TypedSecret:
    """What somebody typed, as bytes that can be zeroed; prints masked.

    Zeroing is an effort, not a promise: the text it was made from, and copies that libraries made,
    stay where they were until their memory is used again. Processes that hold one are closed to
    core dumps and ptrace (`gateway/app/hardening.py`).
    """

    __slots__ = ("_raw",)

    def __init__(self, text: str) -> None:
        if not 0 < len(text) <= TYPED_CHARACTERS_MAX:
            raise KeyMaterialError("typed-length", f"1 to {TYPED_CHARACTERS_MAX} characters")
        try:
            self._raw: Final = bytearray(text.encode("utf-8"))
        except UnicodeEncodeError:
            # `from None`: the original exception carries the text.
            raise KeyMaterialError("typed-text", "no lone surrogates") from None

    def passphrase(self) -> bytearray:
        """Return the bytes to derive a key from, the same however a keyboard composed them.

        The caller wipes them.
        """
        return bytearray(unicodedata.normalize("NFKC", self._raw.decode("utf-8")).encode("utf-8"))

    def pin(self) -> str:
        """Return the text as it was typed, for the one call that takes it."""
        return self._raw.decode("utf-8")

    def wipe(self) -> None:
        """Zero what is held; it is of no use afterwards."""
        zero(self._raw)

    def __repr__(self) -> str:
        return "TypedSecret(masked)"


def zero(buffer: bytearray) -> None:
    """Overwrite a buffer by zeros where it stands."""
    buffer[:] = bytes(len(buffer))
