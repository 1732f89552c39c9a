"""The right edge serves the same tree as the oracle, whatever the batches were."""

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from tlog_scales import tiles as oracle

from gateway.records import tiles, tree
from tests.properties.records import rfc6962

LEAVES = [tree.leaf_hash(b"%d" % number) for number in range(70_000)]

batches = st.lists(st.integers(1, 5) | st.integers(1, 700), max_size=6)


@given(batches)
def test_batches_grow_the_same_tree(widths: list[int]) -> None:
    edge, frontier = tiles.RightEdge(), tree.Frontier()
    full: dict[tuple[int, int], tiles.Tile] = {}
    for width in widths:
        leaves = LEAVES[edge.size : edge.size + width]
        extension = edge.extend(leaves)
        frontier = frontier.extend(leaves)
        expected = tiles.full_tiles_between(edge.size, extension.edge.size)
        assert sorted(extension.full_tiles) == [(tile.level, tile.number) for tile in expected]
        full.update(extension.full_tiles)
        edge = extension.edge

        assert extension.root == edge.root() == frontier.root()

    for (level, number), tile in full.items():
        assert tile.is_full
        assert tile.width == 256
        assert tiles.Tile.parse(tile.hashes) == tile
        if level == 0:
            assert tile.hashes == b"".join(LEAVES[number * 256 : number * 256 + 256])


@given(st.integers(0, 66_000), st.integers(0, 600))
@settings(max_examples=25)
def test_an_edge_loaded_from_partial_tiles_goes_on_as_if_never_stopped(
    size: int, more: int
) -> None:
    never_stopped = tiles.RightEdge().extend(LEAVES[:size])
    partials = []
    for source in tiles.edge_sources(size):
        tile = never_stopped.edge.tile(source.level, source.number)
        partials.append(tile.hashes if tile else b"")

    loaded = tiles.RightEdge.load(size, partials)

    assert loaded.root() == never_stopped.root
    fresh = LEAVES[size : size + more]
    assert loaded.extend(fresh).root == never_stopped.edge.extend(fresh).root


@given(st.integers(1, 1200), st.data())
def test_proofs_out_of_tiles_equal_proofs_out_of_the_whole_tree(
    size: int, data: st.DataObject
) -> None:
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=8)))
    extension = tiles.RightEdge().extend(LEAVES[:size])
    entries = [b"%d" % number for number in range(size)]

    proof = tree.multiproof(size, indexes, extension.node)

    assert proof == tree.multiproof(size, indexes, partial(rfc6962.node, entries))


@given(st.integers(1, 70_000), st.data())
def test_the_tiles_of_a_proof_are_tiles_the_log_has(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))

    for tile in tiles.tiles_for(size, tree.audit_path_nodes(size, index)):
        complete, rest = oracle.level_tiles(size, tile.level)
        width = tiles.TILE_WIDTH if tile.number < complete else rest
        assert tile.width == width
        assert 0 < width <= tiles.TILE_WIDTH


@given(
    level=st.integers(0, 7),
    number=st.integers(0, 2**40),
    width=st.integers(0, 255),
    entries=st.booleans(),
)
def test_paths_are_those_of_the_other_implementation_and_come_back(
    *, level: int, number: int, width: int, entries: bool
) -> None:
    level = 0 if entries else level
    tile = tiles.TileId(level, number, width or 256)

    path = tiles.tile_path(tile, entries=entries)

    assert path.split("/") == oracle.tile_path(-1 if entries else level, number, width)
    assert tiles.parse_tile_path(path) == (tile, entries)
