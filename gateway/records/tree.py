"""The RFC 6962 Merkle tree: hashes, roots, proofs and multiproofs, no storage.

Nodes are named by (level, index): the complete subtree over the leaves
index x 2^level up to (index + 1) x 2^level. Where tiles come from is the caller's affair.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self, TypeAlias

from codes.effort import counted
from gateway.records.errors import RecordsError

HASH_BYTES: Final = 32
SIZE_MAX: Final = 2**63 - 1
EMPTY_ROOT: Final = sha256(b"").digest()

Node: TypeAlias = tuple[int, int]
NodeSource: TypeAlias = Callable[[int, int], bytes]
_Range: TypeAlias = tuple[int, int]


@counted("leaf_hash")
def leaf_hash(entry: bytes) -> bytes:
    """Return the 32-byte leaf hash of an entry's bytes (RFC 6962, section 2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node (RFC 6962, section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """The complete subtrees of a tree, largest first: enough to append and to know the root."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse hashes that cannot be those of this size."""
        if not 0 <= self.size <= SIZE_MAX:
            raise RecordsError("bad-size")
        if len(self.hashes) != self.size.bit_count():
            raise RecordsError("hash-count")
        _check_hashes(self.hashes)

    def append(self, leaf: bytes) -> Self:
        """Return the frontier after one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Sequence[bytes]) -> Self:
        """Return the frontier after more leaf hashes, in order."""
        size, stack = self.size, list(self.hashes)
        for leaf in leaves:
            merged, carry = leaf, size
            while carry & 1:
                merged = node_hash(stack.pop(), merged)
                carry >>= 1
            stack.append(merged)
            size += 1
        return type(self)(size=size, hashes=tuple(stack))

    def root(self) -> bytes:
        """Return the 32-byte root of the whole tree."""
        return _fold(self.hashes) if self.hashes else EMPTY_ROOT


def range_nodes(low: int, high: int) -> list[Node]:
    """Return the complete subtrees that make up one RFC 6962 subtree, left to right."""
    nodes = []
    while low < high:
        level = (high - low).bit_length() - 1
        nodes.append((level, low >> level))
        low += 1 << level
    return nodes


def root(size: int, node: NodeSource) -> bytes:
    """Return the root of the tree of this size, from its complete subtrees."""
    _check_size(size, least=0)
    return _range_hash(0, size, node) if size else EMPTY_ROOT


def subtree_walk(size: int, indexes: Sequence[int]) -> list[_Range]:
    """Return the subtrees [low, high) whose hashes a multiproof gives, in its order.

    PROTOCOL §2: from the root, left before right; a subtree without a listed index gives its
    hash, a listed leaf gives nothing, anything else splits.

    Raises:
        RecordsError: bad-size, bad-index, indexes-not-ascending.
    """
    _check_indexes(size, indexes)
    ranges = []
    stack = [(0, size, 0, len(indexes))]
    while stack:
        low, high, first, last = stack.pop()
        if first == last:
            ranges.append((low, high))
        elif last - first < high - low:
            middle = _split(low, high)
            between = bisect_left(indexes, middle, first, last)
            stack.append((middle, high, between, last))
            stack.append((low, middle, first, between))
    return ranges


def multiproof_nodes(size: int, indexes: Sequence[int]) -> list[Node]:
    """Return every node that `multiproof` will ask for, so that tiles can be read at once."""
    return _nodes_of(subtree_walk(size, indexes))


def multiproof(size: int, indexes: Sequence[int], node: NodeSource) -> list[bytes]:
    """Return the hashes that prove all the listed leaves together (PROTOCOL §2).

    Raises:
        RecordsError: bad-size, bad-index, indexes-not-ascending.
    """
    return [_range_hash(low, high, node) for low, high in subtree_walk(size, indexes)]


@counted("merkle_verify")
def root_from_multiproof(
    size: int, indexes: Sequence[int], leaf_hashes: Sequence[bytes], hashes: Sequence[bytes]
) -> bytes:
    """Return the root that these leaves and this multiproof lead to.

    Raises:
        RecordsError: bad-size, bad-index, indexes-not-ascending, hash-count, hash-length.
    """
    return _Rebuilt(size, indexes, leaf_hashes, hashes).root


def audit_paths(
    size: int, indexes: Sequence[int], leaf_hashes: Sequence[bytes], hashes: Sequence[bytes]
) -> list[list[bytes]]:
    """Return the RFC 6962 audit path of every listed leaf, derived from their multiproof.

    The paths lead to the root that `root_from_multiproof` returns; whoever compared that root
    with a signed one needs no further check.

    Raises:
        RecordsError: as `root_from_multiproof`.
    """
    rebuilt = _Rebuilt(size, indexes, leaf_hashes, hashes)
    return [rebuilt.path(index) for index in indexes]


def audit_path_nodes(size: int, index: int) -> list[Node]:
    """Return every node that `audit_path` will ask for."""
    return _nodes_of(_audit_ranges(size, index))


def audit_path(size: int, index: int, node: NodeSource) -> list[bytes]:
    """Return the audit path of one leaf, leaf to root (RFC 6962, section 2.1.1).

    Raises:
        RecordsError: bad-size, bad-index.
    """
    return [_range_hash(low, high, node) for low, high in _audit_ranges(size, index)]


def root_from_audit_path(size: int, index: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Return the root that this leaf hash and audit path lead to.

    Raises:
        RecordsError: bad-size, bad-index, hash-count, hash-length.
    """
    ranges = _audit_ranges(size, index)
    if len(path) != len(ranges):
        raise RecordsError("hash-count")
    _check_hashes((leaf, *path))
    digest = leaf
    for (low, _), sibling in zip(ranges, path, strict=True):
        digest = node_hash(digest, sibling) if index < low else node_hash(sibling, digest)
    return digest


def verify_inclusion(
    *, size: int, index: int, leaf: bytes, path: Sequence[bytes], expected_root: bytes
) -> None:
    """Refuse a leaf that is not at this index of the tree (RFC 9162, section 2.1.3.2).

    Raises:
        RecordsError: root-mismatch, or as `root_from_audit_path`.
    """
    if root_from_audit_path(size, index, leaf, path) != expected_root:
        raise RecordsError("root-mismatch")


def consistency_nodes(old_size: int, new_size: int) -> list[Node]:
    """Return every node that `consistency_proof` will ask for."""
    start, siblings = _consistency_walk(old_size, new_size)
    return _nodes_of([*start, *siblings])


def consistency_proof(old_size: int, new_size: int, node: NodeSource) -> list[bytes]:
    """Return the proof that the new tree only appends to the old (RFC 6962, section 2.1.2).

    Raises:
        RecordsError: bad-size if the old size is larger than the new or out of range.
    """
    start, siblings = _consistency_walk(old_size, new_size)
    return [_range_hash(low, high, node) for low, high in (*start, *siblings)]


def verify_consistency(
    *, old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Refuse a new tree that does not begin with the old (RFC 9162, section 2.1.4.2).

    The empty tree is consistent with every tree, and a tree with itself, by the empty proof.

    Raises:
        RecordsError: bad-size, hash-count, hash-length, inconsistent.
    """
    start, siblings = _consistency_walk(old_size, new_size)
    if len(proof) != len(start) + len(siblings):
        raise RecordsError("hash-count")
    _check_hashes((old_root, new_root, *proof))
    if old_size == 0:
        roots = EMPTY_ROOT, new_root
    else:
        begin = proof[0] if start else old_root
        roots = _climb(old_size, begin, siblings, proof[len(start) :])
    if roots != (old_root, new_root):
        raise RecordsError("inconsistent")


def prefix_nodes(old_size: int, new_size: int) -> list[Node]:
    """Return every node that `prefix_roots` will ask for."""
    start, siblings = _prefix_walk(old_size, new_size)
    return _nodes_of([start, *siblings])


def prefix_roots(old_size: int, new_size: int, node: NodeSource) -> tuple[bytes, bytes]:
    """Return the roots of a tree and of its first `old_size` leaves, by the same nodes.

    If the second is the root that a log signed, then so is the first the root of that tree's
    beginning, whoever gave the nodes: another signed root of that size is a fork.

    Raises:
        RecordsError: bad-size unless 0 < old size <= new size.
    """
    start, siblings = _prefix_walk(old_size, new_size)
    hashes = [_range_hash(low, high, node) for low, high in siblings]
    return _climb(old_size, _range_hash(*start, node), siblings, hashes)


class _Rebuilt:
    """The part of a tree that a multiproof shows: hashes by subtree."""

    __slots__ = ("_hashes", "_size", "root")

    def __init__(
        self,
        size: int,
        indexes: Sequence[int],
        leaf_hashes: Sequence[bytes],
        hashes: Sequence[bytes],
    ) -> None:
        ranges = subtree_walk(size, indexes)
        if len(leaf_hashes) != len(indexes) or len(hashes) != len(ranges):
            raise RecordsError("hash-count")
        _check_hashes(leaf_hashes)
        _check_hashes(hashes)
        self._size = size
        self._hashes: dict[_Range, bytes] = dict(zip(ranges, hashes, strict=True))
        leaves = zip(indexes, leaf_hashes, strict=True)
        self._hashes.update(((index, index + 1), leaf) for index, leaf in leaves)
        self.root = self._rebuild(0, size)

    def path(self, index: int) -> list[bytes]:
        """Return the audit path of a leaf that the proof covers."""
        return [self._hashes[sibling] for sibling in _audit_ranges(self._size, index)]

    def _rebuild(self, low: int, high: int) -> bytes:
        known = self._hashes.get((low, high))
        if known is not None:
            return known
        middle = _split(low, high)
        digest = node_hash(self._rebuild(low, middle), self._rebuild(middle, high))
        self._hashes[low, high] = digest
        return digest


def _audit_ranges(size: int, index: int) -> list[_Range]:
    """Return the siblings on the way from a leaf to the root."""
    _check_indexes(size, (index,))
    siblings = []
    low, high = 0, size
    while high - low > 1:
        middle = _split(low, high)
        if index < middle:
            siblings.append((middle, high))
            high = middle
        else:
            siblings.append((low, middle))
            low = middle
    siblings.reverse()
    return siblings


def _consistency_walk(old_size: int, new_size: int) -> tuple[list[_Range], list[_Range]]:
    """Return where the fold starts (nothing if at the old root) and the siblings above it."""
    _check_size(new_size, least=0)
    if not 0 <= old_size <= new_size:
        raise RecordsError("bad-size")
    if old_size == 0:
        return [], []
    siblings = []
    low, high = 0, new_size
    while high != old_size:
        middle = _split(low, high)
        if old_size <= middle:
            siblings.append((middle, high))
            high = middle
        else:
            siblings.append((low, middle))
            low = middle
    siblings.reverse()
    return ([(low, high)] if low else []), siblings


def _prefix_walk(old_size: int, new_size: int) -> tuple[_Range, list[_Range]]:
    """Return where the climb starts and the siblings above, the start never left out."""
    _check_size(old_size, least=1)
    start, siblings = _consistency_walk(old_size, new_size)
    return (start[0] if start else (0, old_size)), siblings


def _climb(
    old_size: int, begin: bytes, siblings: Sequence[_Range], hashes: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Return old and new root from the last complete subtree of the old and what stands beside."""
    old = new = begin
    for (low, _), sibling in zip(siblings, hashes, strict=True):
        if low >= old_size:
            new = node_hash(new, sibling)
        else:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
    return old, new


def _nodes_of(ranges: Sequence[_Range]) -> list[Node]:
    return [node for low, high in ranges for node in range_nodes(low, high)]


def _range_hash(low: int, high: int, node: NodeSource) -> bytes:
    return _fold([node(level, index) for level, index in range_nodes(low, high)])


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over complete subtrees, largest first, folded from the right."""
    backwards: Iterator[bytes] = reversed(hashes)
    digest = next(backwards)
    for left in backwards:
        digest = node_hash(left, digest)
    return digest


def _split(low: int, high: int) -> int:
    """Return where a subtree splits: the largest power of two smaller than its width."""
    return low + (1 << ((high - low - 1).bit_length() - 1))


def _check_size(size: int, *, least: int) -> None:
    if not least <= size <= SIZE_MAX:
        raise RecordsError("bad-size")


def _check_indexes(size: int, indexes: Sequence[int]) -> None:
    _check_size(size, least=1)
    if not indexes or not 0 <= indexes[0] <= indexes[-1] < size:
        raise RecordsError("bad-index")
    previous = -1
    for index in indexes:
        if index <= previous:
            raise RecordsError("indexes-not-ascending")
        previous = index


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for digest in hashes:
        if len(digest) != HASH_BYTES:
            raise RecordsError("hash-length")
