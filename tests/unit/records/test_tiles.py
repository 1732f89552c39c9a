"""Tiles: what they refuse and what the right edge holds."""

import pytest

from gateway.records import tiles, tree
from gateway.records.errors import RecordsError

LEAVES = [tree.leaf_hash(b"%d" % number) for number in range(1100)]


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33), bytes(257 * 32)])
def test_a_tile_of_another_length_is_refused(raw: bytes) -> None:
    with pytest.raises(RecordsError) as caught:
        tiles.Tile.parse(raw)

    assert caught.value.reason == "bad-tile"


def test_extending_changes_nothing_until_the_new_edge_is_taken() -> None:
    edge = tiles.RightEdge().extend(LEAVES[:300]).edge
    before = edge.root()

    extension = edge.extend(LEAVES[300:600])

    assert edge.size == 300
    assert edge.root() == before != extension.root


def test_the_edge_holds_the_current_and_the_previous_tile_and_no_more() -> None:
    extension = tiles.RightEdge().extend(LEAVES)
    edge = extension.edge

    assert edge.node(0, 1099) == LEAVES[1099]
    assert edge.node(0, 768) == LEAVES[768]
    assert edge.tile(0, 5) is None
    assert edge.tile(4, 0) is None
    with pytest.raises(RecordsError) as caught:
        edge.node(0, 767)
    assert caught.value.reason == "node-not-held"
    with pytest.raises(RecordsError) as caught:
        edge.node(0, 1100)
    assert caught.value.reason == "node-not-held"
    assert extension.node(0, 767) == LEAVES[767]


def test_tiles_may_come_from_several_places() -> None:
    extension = tiles.RightEdge().extend(LEAVES)
    node = tiles.node_source(extension.edge.tile, extension.tile)

    path = tree.audit_path(1100, 3, node)

    tree.verify_inclusion(
        size=1100, index=3, leaf=LEAVES[3], path=path, expected_root=extension.root
    )
    with pytest.raises(RecordsError) as caught:
        tiles.node_source(extension.edge.tile)(0, 3)
    assert caught.value.reason == "node-not-held"


@pytest.mark.parametrize(
    ("size", "partials", "reason"),
    [
        (-1, [], "bad-size"),
        (2**63, [], "bad-size"),
        (1, [], "bad-tile"),
        (1, [bytes(64)], "bad-tile"),
        (256, [b"", b""], "bad-tile"),
        (256, [bytes(32), bytes(32)], "bad-tile"),
    ],
)
def test_an_edge_is_not_loaded_from_tiles_of_another_size(
    size: int, partials: list[bytes], reason: str
) -> None:
    with pytest.raises(RecordsError) as caught:
        tiles.RightEdge.load(size, partials)

    assert caught.value.reason == reason


def test_the_standard_names_its_own_examples() -> None:
    assert tiles.tile_path(tiles.TileId(0, 1234067)) == "tile/0/x001/x234/067"
    assert tiles.tile_path(tiles.TileId(1, 1, 17)) == "tile/1/001.p/17"
    assert tiles.tile_path(tiles.TileId(0, 0), entries=True) == "tile/entries/000"
    widths = {tile.level: tile.width for tile in tiles.edge_sources(70_000)}
    assert widths == {0: 112, 1: 17, 2: 1}
    assert len(tiles.full_tiles_between(0, 70_000)) == 273 + 1


def test_a_tree_has_a_partial_tile_on_every_level_it_reaches() -> None:
    levels = {size: len(tiles.edge_sources(size)) for size in (0, 1, 127, 128, 255, 256, 65_536)}

    assert levels == {0: 0, 1: 1, 127: 1, 128: 1, 255: 1, 256: 2, 65_536: 3}
    assert len(tiles.edge_sources(tree.SIZE_MAX)) == 8


def test_the_largest_number_still_has_a_path() -> None:
    tile = tiles.TileId(7, 2**63 - 1)

    assert tiles.parse_tile_path(tiles.tile_path(tile)) == (tile, False)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/8/000",
        "tile/00/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/1234",
        "tile/0/001/002",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001\n",
        "tile/0/٠٠١",
        "tile/entries/001.p/999",
        "tile/0/" + "x999/" * 7 + "999",
    ],
)
def test_a_path_that_we_would_not_write_is_refused(path: str) -> None:
    with pytest.raises(RecordsError) as caught:
        tiles.parse_tile_path(path)

    assert caught.value.reason == "bad-tile-path"
