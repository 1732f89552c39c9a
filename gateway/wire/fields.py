"""The field types every message is built of; a value that fits its type needs no second look."""

from typing import Annotated, Final

import msgspec

ITEMS_MAX: Final = 256
TOKENS_MAX: Final = 16
GROUPS_MAX: Final = 32
KEYS_MAX: Final = 256
BODY_BYTES_MAX: Final = 8 * 1024 * 1024
NOTE_CHARACTERS_MAX: Final = 64 * 1024
TOKEN_CHARACTERS_MAX: Final = 512 * 1024
ENTRY_CHARACTERS_MAX: Final = 87_380  # 65,535 bytes as base64url
HASHES_MAX: Final = 63 * ITEMS_MAX

Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
"""An id: 128 random bits in lower-case hex (PROTOCOL §0)."""

Hex64 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 hash or a key id in lower-case hex."""

Instant = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")
]
"""An RFC 3339 instant in UTC with milliseconds."""

Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
"""A calendar day in Asia/Tokyo."""

Organisation = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""An organisation's name on the network."""

Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
"""A stable word: a kind, a reason, an outcome."""

Base64Url = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]*$")]
"""Bytes as base64url without padding."""

Mark = Annotated[int, msgspec.Meta(ge=0, le=1)]
"""A yes or no as 1 or 0: entries know no booleans."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""A non-negative integer that every JSON reader keeps exactly."""

Position = Annotated[int, msgspec.Meta(ge=0, le=ITEMS_MAX - 1)]
"""A place in one of the lists of the same message."""


class Message(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The base of every message: immutable, complete, and without unknown members."""
