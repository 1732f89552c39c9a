"""The one written form of JSON, bytes and instants on the network: strict both ways, no I/O.

Canonical JSON is RFC 8785 cut down to objects with ASCII member names, arrays, strings and
integers 0…2⁵³−1 (PROTOCOL §0): without floats and booleans there is nothing left to round or
to spell in two ways. Bytes are base64url without padding; instants are UTC with milliseconds.
"""

import binascii
import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from codes.errors import CanonicalError, MalformedError

ENTRY_BYTES_MAX: Final = 65_535
INTEGER_MAX: Final = 2**53 - 1
DEPTH_MAX: Final = 16
TOKYO: Final = ZoneInfo("Asia/Tokyo")

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder()
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
# The standard alphabet's own two characters become strangers.
_URL_TO_STANDARD: Final = bytes.maketrans(b"-_+/", b"+/!!")
_STANDARD_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_INSTANTS_REMEMBERED: Final = 4096


def canonical_json(value: object, *, bytes_max: int = ENTRY_BYTES_MAX) -> bytes:
    """Return the canonical bytes of `value` (equal to RFC 8785), or raise `CanonicalError`."""
    _check(value, DEPTH_MAX)
    try:
        raw = _ENCODER.encode(value)
    except UnicodeEncodeError:
        # `from None`: the original exception carries the refused text.
        raise CanonicalError("lone-surrogate", "canonical JSON") from None
    if len(raw) > bytes_max:
        raise CanonicalError("too-large", f"canonical JSON: {len(raw)} bytes, at most {bytes_max}")
    if b"\\u0000" in raw:
        _check_no_nul(value)
    return raw


def parse_canonical(raw: bytes, *, bytes_max: int = ENTRY_BYTES_MAX) -> dict[str, object]:
    """Return the object written in `raw`, or raise `CanonicalError` unless `raw` is canonical.

    Encoding what was parsed must give the same bytes: that ends duplicate members, floats,
    spare blanks and second spellings at once.
    """
    if len(raw) > bytes_max:
        raise CanonicalError("too-large", f"canonical JSON: {len(raw)} bytes, at most {bytes_max}")
    try:
        value = _DECODER.decode(raw)
    except RecursionError:
        raise CanonicalError("too-deep", f"canonical JSON: at most {DEPTH_MAX} levels") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CanonicalError("not-json", "canonical JSON") from None
    if type(value) is not dict:
        raise CanonicalError("not-an-object", "canonical JSON")
    if canonical_json(value, bytes_max=bytes_max) != raw:
        raise CanonicalError("not-canonical", "canonical JSON")
    return value


def b64(raw: bytes) -> str:
    """Return base64url without padding (RFC 4648 §5)."""
    standard = binascii.b2a_base64(raw, newline=False)
    return standard.rstrip(b"=").translate(_STANDARD_TO_URL).decode("ascii")


def unb64(text: str) -> bytes:
    """Return the bytes written in `text`, or raise `MalformedError` for any second spelling."""
    length, odd = len(text), len(text) % 4
    try:
        standard = text.encode("ascii").translate(_URL_TO_STANDARD)
        raw = binascii.a2b_base64(standard + b"=" * (-length % 4))
    except ValueError:  # covers binascii.Error and UnicodeEncodeError
        raise MalformedError("base64url", f"{length} characters") from None
    # The decoder skips strangers and ignores spare bits: then bytes are missing, or the last
    # characters come back as others.
    if len(raw) != length * 3 // 4 or (odd and b64(raw[1 - odd :]) != text[-odd:]):
        raise MalformedError("base64url", f"{length} characters")
    return raw


def instant(moment: datetime) -> str:
    """Return `2026-07-01T00:00:00.000Z`; digits below the millisecond are cut off.

    Raises `MalformedError` for a moment without a time zone.
    """
    if moment.utcoffset() is None:
        raise MalformedError("instant", "a moment without a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


@lru_cache(_INSTANTS_REMEMBERED)
def parse_instant(text: str) -> datetime:
    """Return the UTC moment written by `instant`, or raise `MalformedError`.

    A moment that has no day in Tokyo any more (the last hours of the year 9999) is none.
    """
    if not _INSTANT.fullmatch(text):
        raise MalformedError("instant", "expected YYYY-MM-DDThh:mm:ss.mmmZ")
    try:
        moment = datetime.fromisoformat(text)
        moment.astimezone(TOKYO)
    except (ValueError, OverflowError):
        raise MalformedError("instant", "no such day or time") from None
    return moment


def tokyo_day(moment: datetime) -> date:
    """Return the calendar day in Asia/Tokyo, by which the law counts."""
    if moment.utcoffset() is None:
        raise MalformedError("instant", "a moment without a time zone")
    return moment.astimezone(TOKYO).date()


def tokyo_month(moment: datetime) -> str:
    """Return the month in Asia/Tokyo as `2026-07`, by which records are kept and erased."""
    return tokyo_day(moment).isoformat()[:7]


def _check(
    value: Any,  # noqa: ANN401  # any value at all: its type is what is checked
    levels_left: int,
) -> None:
    kind = type(value)
    if kind is str:
        return
    if kind is int:
        if not 0 <= value <= INTEGER_MAX:
            raise CanonicalError("integer-out-of-range", "canonical JSON: 0 to 2**53-1")
        return
    if kind is not dict and kind is not list:
        raise CanonicalError("type-not-allowed", f"canonical JSON: {kind.__name__}")
    if not levels_left:
        raise CanonicalError("too-deep", f"canonical JSON: at most {DEPTH_MAX} levels")
    if kind is dict:
        _check_names(value)
        value = value.values()
    for part in value:
        # Most parts are strings: one comparison here saves most of the calls.
        if type(part) is not str:
            _check(part, levels_left - 1)


def _check_names(members: dict[object, object]) -> None:
    for name in members:
        if type(name) is not str or not name.isascii():
            raise CanonicalError("member-name", "canonical JSON: names are ASCII strings")


def _check_no_nul(value: object) -> None:
    # PostgreSQL cannot hold U+0000 in text, so it must not get into a record.
    parts: list[object] = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            if "\0" in part:
                raise CanonicalError("nul-character", "canonical JSON")
        elif isinstance(part, dict):
            parts += part.keys()
            parts += part.values()
        elif isinstance(part, list):
            parts += part
