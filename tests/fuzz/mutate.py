"""Small changes of inputs, drawn with a seed: the same run finds the same thing again.

Changed bytes rarely stay canonical JSON or base64, so half of the changes are made to what the
bytes say, which is then written again as it should be: those get past the first check.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from codes.canonical import b64, unb64
from codes.errors import CodesError

_WORDS: Final = (
    *(b"\x00", b"\xff", b"\n", b"\r\n", b" ", b'"', b"\\u0000", b"\\ud800", b"{", b"[" * 40),
    *(b"0", b"-1", b"1e9", b"9007199254740992", b"true", b"null", b"=", b"+", b"\xe2\x80\x94 "),
    *(b"99999999999999999999", b"\xef\xbb\xbf", b"..", b"A" * 300),
)


_VALUES: Final[tuple[Any, ...]] = (
    *(0, 1, -1, 2**53 - 1, 2**53, 2**63, 10**30, 1.5, True, False, None, "", "x", "\x00", "\ud800"),
    *([], {}, [[]], {"": {}}, "0" * 64, "a" * 32, "2026-07-01", "2026-02-30", "9999-12-31"),
    *("2026-07-01T00:00:00.000Z", "2026-07-01T24:00:00.000Z", "9999-12-31T23:59:59.999Z"),
    *("opened", "receipt", "year", "period", "latest", "提" * 300, "\x7f", "\\", '"'),
)
_PARTS_OF_A_TOKEN: Final = 3


def mutated(raw: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return the input with one to four changes, of its bytes or of what they say."""
    if random.randrange(2):
        reshaped = _reshaped(raw, random)
        if reshaped is not None:
            return reshaped
    for _ in range(random.randint(1, 4)):
        raw = _changed(raw, random, others)
    return raw


def _changed(raw: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(raw))
    length = min(random.choice((1, 1, 1, 2, 4, 32, 64, 700)), len(raw) - at)
    piece = raw[at : at + length]
    match random.randrange(7):
        case 0:
            piece = bytes(byte ^ (1 << random.randrange(8)) for byte in piece[:1]) + piece[1:]
        case 1:
            piece = b""
        case 2:
            piece = piece + piece
        case 3:
            piece = random.choice(_WORDS) + piece
        case 4:
            piece = random.choice(_WORDS)
        case 5:
            piece = random.randbytes(len(piece))
        case _:
            other = random.choice(others) if others else raw
            start = random.randint(0, len(other))
            piece = other[start : start + random.choice((1, 8, 32, 200))]
    return raw[:at] + piece + raw[at + length :]


def _reshaped(raw: bytes, random: Random) -> bytes | None:
    """Return JSON, a token or a note with one thing in it another, none if it is none of these."""
    parts = raw.split(b".")
    if len(parts) == _PARTS_OF_A_TOKEN:
        place = random.randrange(2)
        inner = _of_base64url(parts[place], random)
        return None if inner is None else b".".join([*parts[:place], inner, *parts[place + 1 :]])
    if raw[:1] == b"{":
        return _of_json(raw, random)
    return _of_lines(raw, random)


def _of_base64url(part: bytes, random: Random) -> bytes | None:
    try:
        inner = _of_json(unb64(part.decode("ascii")), random)
    except (CodesError, UnicodeError):
        return None
    return None if inner is None else b64(inner).encode("ascii")


def _of_json(raw: bytes, random: Random) -> bytes | None:
    try:
        value = json.loads(raw)
        _change_inside(value, random)
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError, TypeError):
        return None
    return text.encode("utf-8", "surrogatepass")


def _change_inside(value: Any, random: Random) -> None:
    """Change one member or part, ever deeper with one chance in two."""
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not places:
        return
    place = random.choice(places)
    inner = value[place]
    if isinstance(inner, dict | list) and inner and random.randrange(4):
        _change_inside(inner, random)
        return
    match random.randrange(5):
        case 0:
            del value[place]
        case 1 if isinstance(value, dict):
            value[random.choice((*places, "x", "é"))] = inner
        case 1:
            value.insert(place, inner)
        case 2 if isinstance(inner, int) and not isinstance(inner, bool):
            value[place] = inner + random.choice((-1, 1))
        case 2 if isinstance(inner, str):
            value[place] = inner[::-1] if random.randrange(2) else inner[:-1]
        case 3:
            value[place] = value[random.choice(places)]
        case _:
            value[place] = random.choice(_VALUES)


def _of_lines(raw: bytes, random: Random) -> bytes | None:
    """Return lines of which one moved, or has other bytes in its base64."""
    lines = raw.split(b"\n")
    place = random.randrange(len(lines))
    head, blank, last = lines[place].rpartition(b" ")
    try:
        inner = bytearray(b64decode(last, validate=True))
    except (Base64Error, ValueError):
        inner = bytearray()
    if not inner or not random.randrange(3):
        lines.insert(random.randrange(len(lines) + 1), lines[place])
        return b"\n".join(lines)
    inner[random.randrange(len(inner))] ^= 1 << random.randrange(8)
    lines[place] = head + blank + b64encode(bytes(inner))
    return b"\n".join(lines)
