"""Hash tiles of a log (C2SP tlog-tiles): coordinates, inner nodes, the growing right edge.

A tile is 256 hashes of one tile level; only full ones are stored. The right edge holds the
partial tile of every level, so a writer appends without reading anything back.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple, Self, TypeAlias

from codes.effort import counted
from gateway.records import tree
from gateway.records.errors import RecordsError

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
TILE_BYTES: Final = TILE_WIDTH * tree.HASH_BYTES
TILE_LEVEL_MAX: Final = 7  # 2^63 leaves need no more

_PATH = re.compile(
    r"tile/(?P<level>entries|[0-7])/(?P<number>(?:x\d{3}/)*\d{3})(?:\.p/(?P<width>[1-9]\d{0,2}))?",
    re.ASCII,
)
ENTRIES: Final = "entries"


class TileId(NamedTuple):
    """Where a tile stands: its level, its number within the level, how many hashes it holds."""

    level: int
    number: int
    width: int = TILE_WIDTH


TileLookup: TypeAlias = Callable[[int, int], "Tile | None"]


@dataclass(frozen=True, slots=True)
class Tile:
    """Up to 256 hashes of one level, and every complete node above them inside the tile.

    `levels[h]` is the concatenation of the nodes at height h; the last is the root of a full one.
    """

    levels: tuple[bytes, ...] = (b"",) * (TILE_HEIGHT + 1)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Return the tile of these concatenated hashes; refuse a wrong length (bad-tile)."""
        if not raw or len(raw) > TILE_BYTES or len(raw) % tree.HASH_BYTES:
            raise RecordsError("bad-tile")
        return cls().extend(raw)

    @property
    def hashes(self) -> bytes:
        """The tile as stored: its hashes, concatenated."""
        return self.levels[0]

    @property
    def width(self) -> int:
        """How many hashes the tile holds."""
        return len(self.levels[0]) // tree.HASH_BYTES

    @property
    def is_full(self) -> bool:
        """Whether 256 hashes are here."""
        return len(self.levels[0]) == TILE_BYTES

    @property
    def root(self) -> bytes:
        """The hash of a full tile, empty for a partial one."""
        return self.levels[TILE_HEIGHT]

    def extend(self, hashes: bytes) -> Self:
        """Return the tile with more hashes; the caller keeps it within 256."""
        levels = [self.levels[0] + hashes]
        for above in self.levels[1:]:
            below = levels[-1]
            starts = range(2 * len(above), len(below) - 63, 64)
            fresh = [sha256(b"\x01" + below[start : start + 64]).digest() for start in starts]
            levels.append(above + b"".join(fresh))
        return type(self)(tuple(levels))

    def node(self, height: int, position: int) -> bytes:
        """Return the node at a height (0 to 8) inside the tile, or empty bytes if not complete."""
        start = position * tree.HASH_BYTES
        return self.levels[height][start : start + tree.HASH_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What an append would make true: nothing has changed until the caller takes `edge`."""

    edge: "RightEdge"
    root: bytes
    full_tiles: Mapping[tuple[int, int], Tile]

    def tile(self, level: int, number: int) -> Tile | None:
        """Return a tile that this append completed or that the new edge holds."""
        return self.full_tiles.get((level, number)) or self.edge.tile(level, number)

    def node(self, level: int, index: int) -> bytes:
        """Return a complete subtree's hash (node-not-held if it lies too far left)."""
        return node_from(self.tile, level, index)


@dataclass(frozen=True, slots=True)
class _EdgeLevel:
    number: int = 0
    current: Tile = Tile()
    previous: Tile | None = None


@dataclass(frozen=True, slots=True)
class RightEdge:
    """The partial tile of every level and the full one before it: all that appending needs."""

    size: int = 0
    _levels: tuple[_EdgeLevel, ...] = ()

    @classmethod
    def load(cls, size: int, partials: Sequence[bytes]) -> Self:
        """Return the edge of a tree from its partial tiles (see `edge_sources`).

        `partials[level]` is the concatenated hashes of that level's partial tile, empty where
        the size leaves none.

        Raises:
            RecordsError: bad-size, bad-tile if a level is missing or has another width.
        """
        if not 0 <= size <= tree.SIZE_MAX:
            raise RecordsError("bad-size")
        sources = edge_sources(size)
        if len(partials) != len(sources):
            raise RecordsError("bad-tile")
        levels = []
        for (_, number, width), raw in zip(sources, partials, strict=True):
            if len(raw) != width * tree.HASH_BYTES:
                raise RecordsError("bad-tile")
            levels.append(_EdgeLevel(number, Tile().extend(raw)))
        return cls(size, tuple(levels))

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        return tree.root(self.size, self.node)

    @counted("merkle_extend")
    def extend(self, leaf_hashes: Sequence[bytes]) -> Extension:
        """Return what appending these leaves would make: new edge, new root, tiles now full."""
        levels = list(self._levels)
        full: dict[tuple[int, int], Tile] = {}
        carry, level = b"".join(leaf_hashes), 0
        while carry:
            if level == len(levels):
                levels.append(_EdgeLevel())
            levels[level], completed = _grow(levels[level], carry)
            first = levels[level].number - len(completed)
            for number, tile in enumerate(completed, start=first):
                full[level, number] = tile
            carry = b"".join(tile.root for tile in completed)
            level += 1
        edge = type(self)(self.size + len(leaf_hashes), tuple(levels))
        return Extension(edge=edge, root=edge.root(), full_tiles=full)

    def tile(self, level: int, number: int) -> Tile | None:
        """Return the current or the previous tile of a level, `None` for any other."""
        if level >= len(self._levels):
            return None
        held = self._levels[level]
        if number == held.number:
            return held.current
        return held.previous if number == held.number - 1 else None

    def node(self, level: int, index: int) -> bytes:
        """Return a complete subtree's hash (node-not-held if it lies too far left)."""
        return node_from(self.tile, level, index)


def node_tile(level: int, index: int) -> tuple[int, int]:
    """Return (tile level, tile number) of the tile that shows a node."""
    tile_level, height = divmod(level, TILE_HEIGHT)
    return tile_level, index >> (TILE_HEIGHT - height)


def node_from(lookup: TileLookup, level: int, index: int) -> bytes:
    """Return a node out of the tile that shows it, or raise node-not-held."""
    tile_level, height = divmod(level, TILE_HEIGHT)
    span = TILE_HEIGHT - height
    tile = lookup(tile_level, index >> span)
    found = tile.node(height, index & ((1 << span) - 1)) if tile is not None else b""
    if not found:
        raise RecordsError("node-not-held", f"level {level} index {index}")
    return found


def node_source(*lookups: TileLookup) -> tree.NodeSource:
    """Return a node source over several tile lookups, asked in order."""

    def lookup(level: int, number: int) -> Tile | None:
        for ask in lookups:
            tile = ask(level, number)
            if tile is not None:
                return tile
        return None

    return lambda level, index: node_from(lookup, level, index)


def tiles_for(size: int, nodes: Iterable[tree.Node]) -> list[TileId]:
    """Return the tiles, each once and sorted, that show these nodes of a tree of this size."""
    wanted = {node_tile(level, index) for level, index in nodes}
    return [
        TileId(
            level, number, min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - number * TILE_WIDTH)
        )
        for level, number in sorted(wanted)
    ]


def full_tiles_between(old_size: int, new_size: int) -> list[TileId]:
    """Return the tiles that become full while a tree grows, by level and number."""
    tiles = []
    for level in range(TILE_LEVEL_MAX + 1):
        shift = TILE_HEIGHT * (level + 1)
        tiles += [TileId(level, n) for n in range(old_size >> shift, new_size >> shift)]
    return tiles


def edge_sources(size: int) -> list[TileId]:
    """Return the partial tile of every level of a tree (width 0 where there is none).

    Its hashes are at level 0 the leaf hashes from number x 256 on, above it the roots of the
    full tiles one level below, from number x 256 on.
    """
    levels = range((size.bit_length() + TILE_HEIGHT - 1) // TILE_HEIGHT)
    return [TileId(level, *divmod(size >> (TILE_HEIGHT * level), TILE_WIDTH)) for level in levels]


def tile_path(tile: TileId, *, entries: bool = False) -> str:
    """Return the path of a tile, or of the entry bundle beside a level-0 tile."""
    digits = f"{tile.number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    partial = f".p/{tile.width}" if tile.width < TILE_WIDTH else ""
    return f"tile/{ENTRIES if entries else tile.level}/{number}{partial}"


def parse_tile_path(path: str) -> tuple[TileId, bool]:
    """Return the tile a path names and whether it names the entry bundle.

    Raises:
        RecordsError: bad-tile-path unless it is exactly what `tile_path` writes.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise RecordsError("bad-tile-path")
    entries = match["level"] == ENTRIES
    number = int(match["number"].replace("x", "").replace("/", ""))
    tile = TileId(0 if entries else int(match["level"]), number, int(match["width"] or TILE_WIDTH))
    if number > tree.SIZE_MAX or tile_path(tile, entries=entries) != path:
        raise RecordsError("bad-tile-path")
    return tile, entries


def _grow(held: _EdgeLevel, hashes: bytes) -> tuple[_EdgeLevel, list[Tile]]:
    """Return a level with more hashes, and the tiles that became full on the way."""
    number, current, previous = held.number, held.current, held.previous
    completed: list[Tile] = []
    while hashes:
        room = TILE_BYTES - len(current.hashes)
        current, hashes = current.extend(hashes[:room]), hashes[room:]
        if current.is_full:
            completed.append(current)
            number, previous, current = number + 1, current, Tile()
    return _EdgeLevel(number, current, previous), completed
