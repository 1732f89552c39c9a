"""A naive RFC 6962 tree, straight from the text, as an oracle: slow, recursive, obvious."""

from hashlib import sha256


def mth(entries: list[bytes]) -> bytes:
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def proof(m: int, entries: list[bytes]) -> list[bytes]:
    return subproof(m, entries, whole=True) if m else []


def subproof(m: int, entries: list[bytes], *, whole: bool) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole=whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], whole=False), mth(entries[:k])]


def multiproof(entries: list[bytes], indexes: set[int], start: int = 0) -> list[bytes]:
    """The walk of PROTOCOL §2."""
    here = range(start, start + len(entries))
    if not indexes.intersection(here):
        return [mth(entries)]
    if len(entries) == 1:
        return []
    k = split(len(entries))
    return [
        *multiproof(entries[:k], indexes, start),
        *multiproof(entries[k:], indexes, start + k),
    ]


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def node(entries: list[bytes], level: int, index: int) -> bytes:
    part = entries[index << level : (index + 1) << level]
    assert len(part) == 1 << level
    return mth(part)
