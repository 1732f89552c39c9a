"""Strict JSON for message bodies: whatever two readers could read differently is refused.

Unlike `codes.canonical` this takes any spelling a sender may choose (blanks, order, escapes),
with true, false, null and finite fractions; what the members mean is checked elsewhere.
"""

import json
import math
import re
from typing import Final, NoReturn

from codes.canonical import INTEGER_MAX
from codes.errors import MalformedError

_DEPTH_MAX: Final = 16
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_INTEGER_CHARACTERS_MAX: Final = 17  # a sign and the 16 digits of 2**53-1
# Only where one of these escapes stands can a string hold U+0000 or half of a pair.
_SUSPECT_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_BRACES_TO_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


class StrictJsonError(MalformedError):
    """A body is not strict JSON."""


def load_strict(raw: bytes, *, bytes_max: int, depth_max: int = _DEPTH_MAX) -> object:
    """Return the JSON value in `raw`, or raise `StrictJsonError`.

    Reasons: `too-large`, `byte-order-mark`, `not-utf-8`, `too-deep`, `not-json`,
    `duplicate-member`, `number-out-of-range`, `nul-character`, `lone-surrogate`.
    """
    if len(raw) > bytes_max:
        raise StrictJsonError("too-large", f"JSON: {len(raw)} bytes, at most {bytes_max}")
    if raw.startswith(_BYTE_ORDER_MARK):
        raise StrictJsonError("byte-order-mark", "JSON")
    _check_depth(raw, depth_max)
    value = _parse(raw)
    if _SUSPECT_ESCAPE.search(raw):
        _check_strings(value)
    return value


def _parse(raw: bytes) -> object:
    # `from None` throughout: the original exceptions carry the body.
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise StrictJsonError("not-utf-8", "JSON") from None
    except json.JSONDecodeError:
        raise StrictJsonError("not-json", "JSON") from None


def _check_depth(raw: bytes, depth_max: int) -> None:
    """Refuse too many open brackets before the parser recurses into them."""
    if raw.count(b"[") + raw.count(b"{") <= depth_max:
        return
    # Without escaped backslashes and quotes every second piece between quotes is outside strings.
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    brackets = b"".join(plain.split(b'"')[::2]).translate(_BRACES_TO_BRACKETS, _NO_BRACKETS)
    # Each pass takes the innermost level away, at the speed of memory.
    for _ in range(depth_max):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise StrictJsonError("too-deep", f"JSON: unbalanced, or more than {depth_max} levels")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJsonError("duplicate-member", "JSON")
    return members


def _integer(digits: str) -> int:
    if len(digits) <= _INTEGER_CHARACTERS_MAX:
        value = int(digits)
        if -INTEGER_MAX <= value <= INTEGER_MAX:
            return value
    raise StrictJsonError("number-out-of-range", "JSON: integers up to 2**53-1")


def _fraction(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise StrictJsonError("number-out-of-range", "JSON: a fraction too large for a double")
    return value


def _constant(_name: str) -> NoReturn:
    raise StrictJsonError("not-json", "JSON knows neither NaN nor Infinity")


def _check_strings(value: object) -> None:
    parts: list[object] = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            _check_string(part)
        elif isinstance(part, dict):
            parts += part.keys()
            parts += part.values()
        elif isinstance(part, list):
            parts += part


def _check_string(text: str) -> None:
    if "\0" in text:
        raise StrictJsonError("nul-character", "JSON")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise StrictJsonError("lone-surrogate", "JSON") from None


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_constant,
)
