"""Committed slots and hash tiles as stored: full ones are read, partial ones made when asked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, LiteralString

from gateway.records.tiles import (
    TILE_WIDTH,
    RightEdge,
    Tile,
    TileId,
    edge_sources,
    node_source,
    tiles_for,
)
from gateway.records.tree import prefix_nodes, prefix_roots, range_nodes, root
from gateway.storage.database import Connection, fetch
from gateway.storage.slots import SlotState, slot_state

_SLOTS: Final[LiteralString] = """
    SELECT slot, s.origin, s.epoch, s.size, s.root, s.frontier, s.last_time, s.signed_size,
           s.signed_root, s.seal, s.is_frozen,
           NOT s.is_frozen OR coalesce(l.is_prefix, false) AS is_prefix
      FROM log_slots AS s
      LEFT JOIN log_losses AS l USING (slot)
     WHERE slot = ANY ($1::smallint[]) OR $1 IS NULL
     ORDER BY slot
"""


async def read_slots(
    connection: Connection, slots: Sequence[int] | None = None
) -> dict[int, SlotState]:
    """Return the committed state of these slots, or of all."""
    rows = await fetch(connection, _SLOTS, slots)
    return {row["slot"]: slot_state(row) for row in rows}


_FULL: Final[LiteralString] = """
    SELECT level, number, hashes
      FROM log_tiles
      JOIN unnest($2::smallint[], $3::bigint[]) AS w (level, number) USING (level, number)
     WHERE slot = $1 AND hashes IS NOT NULL
"""


async def read_tiles(
    connection: Connection, slot: int, wanted: Sequence[TileId]
) -> Mapping[tuple[int, int], Tile]:
    """Return these tiles by (level, number), each at least as wide as wanted.

    A tile that was wanted but is not there is left out: erased, or never committed.
    """
    rows = await fetch(
        connection, _FULL, slot, [tile.level for tile in wanted], [tile.number for tile in wanted]
    )
    tiles = {(row["level"], row["number"]): Tile.parse(row["hashes"]) for row in rows}
    for tile in wanted:
        if (tile.level, tile.number) not in tiles and tile.width < TILE_WIDTH:
            hashes = await _partial(connection, slot, tile)
            if len(hashes) == tile.width:
                tiles[tile.level, tile.number] = Tile.parse(b"".join(hashes))
    return tiles


async def read_edge(connection: Connection, state: SlotState) -> RightEdge:
    """Return the right edge of a slot's committed tree.

    Raises:
        RecordsError: bad-tile if what it is made from is not all there.
    """
    partials = [
        b"".join(await _partial(connection, state.slot, tile)) if tile.width else b""
        for tile in edge_sources(state.size)
    ]
    return RightEdge.load(state.size, partials)


async def roots_within(
    connection: Connection, slot: int, sizes: Iterable[int], size: int
) -> dict[int, tuple[bytes, bytes]]:
    """Return for each of these sizes the root there was, and the root of `size` by the same nodes.

    If the second is one that is vouched for, so is the first, whatever else the database says.

    Raises:
        RecordsError: node-not-held if what they are made from is not all there.
    """
    wanted = {old for old in sizes if 0 < old < size}
    nodes = {node for old in wanted for node in prefix_nodes(old, size)}
    tiles = await read_tiles(connection, slot, tiles_for(size, nodes))
    node = node_source(lambda level, number: tiles.get((level, number)))
    return {old: prefix_roots(old, size, node) for old in wanted}


async def root_at(connection: Connection, slot: int, size: int) -> bytes:
    """Return the root of the first `size` committed entries of a slot, from tiles.

    Raises:
        RecordsError: node-not-held if what it is made from is not all there.
    """
    tiles = await read_tiles(connection, slot, tiles_for(size, range_nodes(0, size)))
    return root(size, node_source(lambda level, number: tiles.get((level, number))))


_LEAVES: Final[LiteralString] = """
    SELECT hash
      FROM (SELECT index, leaf_hash AS hash FROM log_entries
             WHERE slot = $1 AND index >= $2 AND index < $3
             UNION ALL
            SELECT index, leaf_hash FROM log_erased_leaves
             WHERE slot = $1 AND index >= $2 AND index < $3) AS leaves
     ORDER BY index
"""
_ROOTS: Final[LiteralString] = """
    SELECT root AS hash
      FROM log_tiles
     WHERE slot = $1 AND level = $4 AND number >= $2 AND number < $3
     ORDER BY number
"""


async def _partial(connection: Connection, slot: int, tile: TileId) -> list[bytes]:
    """Return the hashes of a partial tile from what stands below it."""
    first = tile.number * TILE_WIDTH
    bounds = (slot, first, first + tile.width)
    if tile.level == 0:
        rows = await fetch(connection, _LEAVES, *bounds)
    else:
        rows = await fetch(connection, _ROOTS, *bounds, tile.level - 1)
    return [row["hash"] for row in rows]
