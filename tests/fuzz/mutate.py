"""Small changes of inputs, drawn with a seed: the same run finds the same thing again."""

from collections.abc import Sequence
from random import Random
from typing import Final

_WORDS: Final = (
    *(b"\x00", b"\xff", b"\n", b"\r\n", b" ", b'"', b"\\u0000", b"\\ud800", b"{", b"[" * 40),
    *(b"0", b"-1", b"1e9", b"9007199254740992", b"true", b"null", b"=", b"+", b"\xe2\x80\x94 "),
    *(b"99999999999999999999", b"\xef\xbb\xbf", b"..", b"A" * 300),
)


def mutated(raw: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return the input with one to four changes."""
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
