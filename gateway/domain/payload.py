"""What a provider sealed, read by the one who asked: exactly the agreed shape, nothing unasked.

Pure. A commitment only proves that the provider meant these bytes, not that they answer the
question; what was not asked for must not reach a back office.
"""

from collections.abc import Collection
from typing import Annotated, Final

import msgspec

from certs.terms import Day
from codes.canonical import parse_canonical
from codes.errors import CodesError

PAYLOAD_BYTES_MAX: Final = 1024 * 1024

SHAPE: Final = "payload-shape"
OTHER_INFORMATION: Final = "other-information"


class PayloadError(ValueError):
    """The payload is not what was asked for; `reason` says how it differs, never what it holds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: Final = reason


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key: str
    items: Annotated[dict[str, str | int | dict[str, str]], msgspec.Meta(min_length=1)]
    first: Day | None = msgspec.field(name="from", default=None)
    last: Day | None = msgspec.field(name="to", default=None)


class _Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    term: str
    scope: str
    records: Annotated[list[_Record], msgspec.Meta(min_length=1)]


def require_asked(raw: bytes, *, term: str, scope: str, items: Collection[str]) -> None:
    """Return quietly if the payload gives nothing but these items of this term and scope.

    Raises:
        PayloadError: payload-shape, or other-information.
    """
    try:
        payload = msgspec.convert(parse_canonical(raw, bytes_max=PAYLOAD_BYTES_MAX), _Payload)
    except (CodesError, msgspec.ValidationError):
        raise PayloadError(SHAPE) from None
    given: set[str] = set().union(*(record.items for record in payload.records))
    if (payload.term, payload.scope) != (term, scope) or not given <= set(items):
        raise PayloadError(OTHER_INFORMATION)
