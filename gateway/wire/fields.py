"""The field types every message is built of; a value that fits its type needs no second look."""

from typing import Annotated, Final

import msgspec

from certs.terms import Count, Day, Hex32, Hex64, Instant, Mark, Name, Organisation, Slug, Text

__all__ = [
    "Base64Url",
    "Count",
    "Day",
    "Hex32",
    "Hex64",
    "Instant",
    "Mark",
    "Message",
    "Name",
    "Organisation",
    "Position",
    "Slug",
    "Text",
]

ITEMS_MAX: Final = 256
TOKENS_MAX: Final = 16
GROUPS_MAX: Final = 32
KEYS_MAX: Final = 256
BODY_BYTES_MAX: Final = 8 * 1024 * 1024
NOTE_CHARACTERS_MAX: Final = 64 * 1024
TOKEN_CHARACTERS_MAX: Final = 512 * 1024
ENTRY_CHARACTERS_MAX: Final = 87_380  # 65,535 bytes as base64url
HASHES_MAX: Final = 63 * ITEMS_MAX

# In Python a bare $ would let a trailing line feed through; other dialects read this alike.
END: Final = r"$(?!\n)"

Base64Url = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]*" + END)]
"""Bytes as base64url without padding."""

Position = Annotated[int, msgspec.Meta(ge=0, le=ITEMS_MAX - 1)]
"""A place in one of the lists of the same message."""


class Message(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The base of every message: immutable, complete, without unknown members, printed masked."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(masked)"
