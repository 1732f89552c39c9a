"""A tree grown again from the left, whole subtrees standing for what is gone."""

import pytest

from gateway.records.errors import RecordsError
from gateway.records.regrown import RegrownTree
from gateway.records.tiles import TILE_HEIGHT, TILE_WIDTH, RightEdge
from gateway.records.tree import EMPTY_ROOT, leaf_hash

LEAVES = [leaf_hash(str(number).encode()) for number in range(700)]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 700])
def test_leaves_lead_to_the_root_that_the_log_has(size: int) -> None:
    tree = RegrownTree()
    for leaf in LEAVES[:size]:
        tree.add(leaf)

    expected = RightEdge().extend(LEAVES[:size]).root if size else EMPTY_ROOT
    assert (tree.size, tree.root()) == (size, expected)


def test_the_root_of_a_tile_stands_for_its_leaves() -> None:
    whole = RightEdge().extend(LEAVES)
    tree = RegrownTree()
    for number in range(2):
        tile = whole.full_tiles[0, number]
        tree.add(tile.root, level=TILE_HEIGHT)
    for leaf in LEAVES[2 * TILE_WIDTH :]:
        tree.add(leaf)

    assert tree.root() == whole.root


def test_a_subtree_that_cannot_begin_here_is_refused() -> None:
    tree = RegrownTree()
    tree.add(LEAVES[0])

    with pytest.raises(RecordsError, match="no subtree of level 8 begins at 1") as refused:
        tree.add(LEAVES[1], level=TILE_HEIGHT)

    assert refused.value.reason == "bad-index"
