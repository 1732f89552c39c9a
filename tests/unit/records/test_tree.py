"""The Merkle tree: what it refuses, and by which name."""

import pytest

from gateway.records import tree
from gateway.records.errors import RecordsError

LEAF = tree.leaf_hash(b"one")
OTHER = tree.leaf_hash(b"two")
ROOT = tree.node_hash(LEAF, OTHER)


def reason_of(caught: pytest.ExceptionInfo[RecordsError]) -> str:
    return caught.value.reason


def test_the_empty_tree_and_the_leaf_have_the_hashes_of_rfc_6962() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    leaf_of_nothing = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"

    assert tree.EMPTY_ROOT.hex() == empty
    assert tree.root(0, lambda _level, _index: b"") == tree.EMPTY_ROOT
    assert tree.Frontier().root() == tree.EMPTY_ROOT
    assert tree.leaf_hash(b"").hex() == leaf_of_nothing


def test_appending_leaves_the_older_frontier_as_it_was() -> None:
    before = tree.Frontier().append(LEAF)

    after = before.append(OTHER)

    assert before.root() == LEAF
    assert after.root() == ROOT
    assert after.size == 2


@pytest.mark.parametrize(
    ("size", "hashes", "reason"),
    [
        (-1, (), "bad-size"),
        (2**63, (LEAF,), "bad-size"),
        (3, (LEAF,), "hash-count"),
        (0, (LEAF,), "hash-count"),
        (1, (LEAF[:31],), "hash-length"),
    ],
)
def test_a_frontier_refuses_hashes_of_another_size(
    size: int, hashes: tuple[bytes, ...], reason: str
) -> None:
    with pytest.raises(RecordsError) as caught:
        tree.Frontier(size=size, hashes=hashes)

    assert reason_of(caught) == reason


@pytest.mark.parametrize(
    ("size", "indexes", "reason"),
    [
        (0, [0], "bad-size"),
        (-5, [0], "bad-size"),
        (2**63, [0], "bad-size"),
        (2, [], "bad-index"),
        (2, [2], "bad-index"),
        (2, [-1], "bad-index"),
        (2, [-1, 1], "bad-index"),
        (9, [3, 3], "indexes-not-ascending"),
        (9, [1, 5, 4, 8], "indexes-not-ascending"),
        (9, [5, 4], "bad-index"),
    ],
)
def test_a_walk_refuses_impossible_indexes(size: int, indexes: list[int], reason: str) -> None:
    with pytest.raises(RecordsError) as caught:
        tree.root_from_multiproof(size, indexes, [LEAF] * len(indexes), [])

    assert reason_of(caught) == reason


def test_a_multiproof_of_short_hashes_is_refused() -> None:
    with pytest.raises(RecordsError) as caught:
        tree.root_from_multiproof(2, [0], [LEAF], [OTHER[:31]])
    assert reason_of(caught) == "hash-length"

    with pytest.raises(RecordsError) as caught:
        tree.root_from_multiproof(2, [0], [LEAF + b"x"], [OTHER])
    assert reason_of(caught) == "hash-length"


def test_inclusion_is_refused_by_name() -> None:
    tree.verify_inclusion(size=2, index=1, leaf=OTHER, path=[LEAF], expected_root=ROOT)

    with pytest.raises(RecordsError) as caught:
        tree.verify_inclusion(size=2, index=0, leaf=OTHER, path=[LEAF], expected_root=ROOT)
    assert reason_of(caught) == "root-mismatch"
    with pytest.raises(RecordsError) as caught:
        tree.verify_inclusion(size=2, index=0, leaf=LEAF, path=[], expected_root=ROOT)
    assert reason_of(caught) == "hash-count"
    with pytest.raises(RecordsError) as caught:
        tree.verify_inclusion(size=2, index=0, leaf=LEAF, path=[b""], expected_root=ROOT)
    assert reason_of(caught) == "hash-length"


@pytest.mark.parametrize(
    ("old_size", "new_size", "old_root", "proof", "reason"),
    [
        (3, 2, ROOT, [], "bad-size"),
        (-1, 2, ROOT, [], "bad-size"),
        (1, 2**63, ROOT, [], "bad-size"),
        (1, 2, LEAF, [], "hash-count"),
        (1, 2, LEAF, [OTHER, OTHER], "hash-count"),
        (1, 2, LEAF, [b"short"], "hash-length"),
        (1, 2, OTHER, [OTHER], "inconsistent"),
        (2, 2, LEAF, [], "inconsistent"),
        (0, 2, LEAF, [], "inconsistent"),
        (0, 2, tree.EMPTY_ROOT, [LEAF], "hash-count"),
    ],
)
def test_consistency_is_refused_by_name(
    old_size: int, new_size: int, old_root: bytes, proof: list[bytes], reason: str
) -> None:
    with pytest.raises(RecordsError) as caught:
        tree.verify_consistency(
            old_size=old_size, new_size=new_size, old_root=old_root, new_root=ROOT, proof=proof
        )

    assert reason_of(caught) == reason


def test_the_empty_and_the_same_tree_need_no_proof() -> None:
    tree.verify_consistency(
        old_size=0, new_size=2, old_root=tree.EMPTY_ROOT, new_root=ROOT, proof=[]
    )
    tree.verify_consistency(old_size=2, new_size=2, old_root=ROOT, new_root=ROOT, proof=[])
    tree.verify_consistency(
        old_size=0, new_size=0, old_root=tree.EMPTY_ROOT, new_root=tree.EMPTY_ROOT, proof=[]
    )


def test_neighbours_in_the_largest_tree_stay_within_the_promised_hashes() -> None:
    size = 2**63 - 1
    assert size == tree.SIZE_MAX
    first = size // 2 - 20

    walk = tree.subtree_walk(size, range(first, first + 40))

    assert len(walk) <= 2 * 63


def test_an_error_carries_its_reason_and_detail() -> None:
    assert str(RecordsError("bad-size")) == "bad-size"
    assert str(RecordsError("bad-size", "slot 3")) == "bad-size: slot 3"
