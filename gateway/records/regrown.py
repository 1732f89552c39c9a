"""The tree of a slot grown again from what is stored of it, in order and in little memory.

Unlike `tiles`, nothing but the way to the root is kept, and whole subtrees may stand for entries
that were erased: a backup is held against its slots' roots by this.
"""

from gateway.records.errors import RecordsError
from gateway.records.tree import EMPTY_ROOT, node_hash


class RegrownTree:
    """Takes complete subtrees from the left; what it holds is one hash a level."""

    def __init__(self) -> None:
        self._size = 0
        self._stack: list[bytes] = []

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    def add(self, digest: bytes, *, level: int = 0) -> None:
        """Take the next 2^level leaves, given by the hash over them.

        Raises:
            RecordsError: bad-index if no such subtree begins here.
        """
        if self._size & ((1 << level) - 1):
            raise RecordsError("bad-index", f"no subtree of level {level} begins at {self._size}")
        carry = self._size >> level
        while carry & 1:
            digest = node_hash(self._stack.pop(), digest)
            carry >>= 1
        self._stack.append(digest)
        self._size += 1 << level

    def root(self) -> bytes:
        """Return the 32-byte root over all leaves."""
        if not self._stack:
            return EMPTY_ROOT
        digest = self._stack[-1]
        for left in reversed(self._stack[:-1]):
            digest = node_hash(left, digest)
        return digest
