"""Whatever the tree says agrees with two independent oracles, and no altered proof passes."""

import contextlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_scales.tlog import ConsistencyProof, InclusionProof

from gateway.records import tree
from gateway.records.errors import RecordsError
from tests.properties.records import rfc6962

sizes = st.one_of(st.integers(1, 40), st.integers(1, 300))
hashes = st.binary(min_size=32, max_size=32)


def entries_of(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def leaves_of(size: int) -> list[bytes]:
    return [tree.leaf_hash(entry) for entry in entries_of(size)]


@st.composite
def trees_with_indexes(draw: st.DrawFn) -> tuple[int, list[int]]:
    size = draw(sizes)
    return size, sorted(draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=20)))


@given(st.integers(0, 300), st.data())
def test_a_frontier_grown_in_pieces_has_the_root_of_the_whole(
    size: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, size))
    leaves = leaves_of(size)

    grown = tree.Frontier().extend(leaves[:cut]).extend(leaves[cut:])

    assert grown.root() == rfc6962.mth(entries_of(size))
    assert tree.Frontier(size=size, hashes=grown.hashes) == grown


@given(trees_with_indexes())
def test_a_multiproof_is_the_walk_of_the_protocol(case: tuple[int, list[int]]) -> None:
    size, indexes = case
    entries = entries_of(size)

    proof = tree.multiproof(size, indexes, partial(rfc6962.node, entries))

    assert proof == rfc6962.multiproof(entries, set(indexes))
    leaves = [tree.leaf_hash(entries[index]) for index in indexes]
    assert tree.root_from_multiproof(size, indexes, leaves, proof) == rfc6962.mth(entries)


@given(trees_with_indexes())
def test_every_single_path_follows_from_a_multiproof(case: tuple[int, list[int]]) -> None:
    size, indexes = case
    entries = entries_of(size)
    proof = rfc6962.multiproof(entries, set(indexes))
    leaves = [tree.leaf_hash(entries[index]) for index in indexes]

    paths = tree.audit_paths(size, indexes, leaves, proof)

    assert paths == [rfc6962.path(index, entries) for index in indexes]
    for index, leaf, path in zip(indexes, leaves, paths, strict=True):
        InclusionProof(index, size, path).check(leaf, rfc6962.mth(entries))
        tree.verify_inclusion(
            size=size, index=index, leaf=leaf, path=path, expected_root=rfc6962.mth(entries)
        )


@given(trees_with_indexes())
def test_the_announced_nodes_are_the_ones_asked_for(case: tuple[int, list[int]]) -> None:
    size, indexes = case
    asked: list[tree.Node] = []

    def node(level: int, index: int) -> bytes:
        asked.append((level, index))
        return bytes(32)

    tree.multiproof(size, indexes, node)
    assert asked == tree.multiproof_nodes(size, indexes)
    asked.clear()
    tree.audit_path(size, indexes[0], node)
    assert asked == tree.audit_path_nodes(size, indexes[0])
    asked.clear()
    tree.consistency_proof(indexes[-1], size, node)
    assert asked == tree.consistency_nodes(indexes[-1], size)


@given(st.integers(0, 200), st.data())
def test_consistency_proofs_agree_with_both_oracles(new_size: int, data: st.DataObject) -> None:
    old_size = data.draw(st.integers(0, new_size))
    entries = entries_of(new_size)
    old_root, new_root = rfc6962.mth(entries[:old_size]), rfc6962.mth(entries)

    proof = tree.consistency_proof(old_size, new_size, partial(rfc6962.node, entries))

    assert proof == rfc6962.proof(old_size, entries)
    ConsistencyProof(old_size, new_size, proof).check(old_root, new_root)
    tree.verify_consistency(
        old_size=old_size, new_size=new_size, old_root=old_root, new_root=new_root, proof=proof
    )


@given(st.integers(1, 200), st.data())
def test_one_set_of_nodes_leads_to_the_roots_of_a_tree_and_of_its_beginning(
    new_size: int, data: st.DataObject
) -> None:
    old_size = data.draw(st.integers(1, new_size))
    entries = entries_of(new_size)
    asked: list[tree.Node] = []

    def node(level: int, index: int) -> bytes:
        asked.append((level, index))
        return rfc6962.node(entries, level, index)

    roots = tree.prefix_roots(old_size, new_size, node)

    assert roots == (rfc6962.mth(entries[:old_size]), rfc6962.mth(entries))
    assert set(asked) == set(tree.prefix_nodes(old_size, new_size))


@given(st.integers(1, 120), st.data())
def test_no_nodes_lead_to_the_signed_root_and_to_another_beginning(
    new_size: int, data: st.DataObject
) -> None:
    old_size = data.draw(st.integers(1, new_size))
    entries = entries_of(new_size)
    wrong = data.draw(st.sampled_from(tree.prefix_nodes(old_size, new_size)))

    def node(level: int, index: int) -> bytes:
        return bytes(32) if (level, index) == wrong else rfc6962.node(entries, level, index)

    assert tree.prefix_roots(old_size, new_size, node)[1] != rfc6962.mth(entries)


@pytest.mark.parametrize(("old_size", "new_size"), [(0, 3), (4, 3), (-1, 3)])
def test_the_beginning_has_a_leaf_and_is_no_larger(old_size: int, new_size: int) -> None:
    with pytest.raises(RecordsError, match="bad-size"):
        tree.prefix_roots(old_size, new_size, lambda _level, _index: bytes(32))


@given(st.integers(1, 120), st.data())
def test_a_rewritten_history_is_inconsistent(new_size: int, data: st.DataObject) -> None:
    old_size = data.draw(st.integers(1, new_size))
    entries = entries_of(new_size)
    forged = entries.copy()
    forged[data.draw(st.integers(0, old_size - 1))] = b"rewritten"
    proof = rfc6962.proof(old_size, forged)

    with pytest.raises(RecordsError, match="inconsistent"):
        tree.verify_consistency(
            old_size=old_size,
            new_size=new_size,
            old_root=rfc6962.mth(entries[:old_size]),
            new_root=rfc6962.mth(forged),
            proof=proof,
        )


@given(trees_with_indexes(), st.data())
def test_no_changed_hash_leads_to_the_same_root(
    case: tuple[int, list[int]], data: st.DataObject
) -> None:
    size, indexes = case
    entries = entries_of(size)
    proof = rfc6962.multiproof(entries, set(indexes))
    leaves = [tree.leaf_hash(entries[index]) for index in indexes]
    target = data.draw(st.sampled_from([leaves, proof] if proof else [leaves]))
    position = data.draw(st.integers(0, len(target) - 1))
    target[position] = data.draw(hashes.filter(lambda found: found != target[position]))

    assert tree.root_from_multiproof(size, indexes, leaves, proof) != rfc6962.mth(entries)


@given(
    st.integers(-(2**70), 2**70) | st.integers(-1, 20),
    st.lists(st.integers(-(2**70), 2**70) | st.integers(-1, 20), max_size=6),
    st.lists(hashes | st.binary(max_size=40), max_size=6),
    st.lists(hashes | st.binary(max_size=40), max_size=70),
)
def test_rebuilding_a_root_is_total(
    size: int, indexes: list[int], leaves: list[bytes], proof: list[bytes]
) -> None:
    with contextlib.suppress(RecordsError):
        assert len(tree.root_from_multiproof(size, indexes, leaves, proof)) == 32
    with contextlib.suppress(RecordsError):
        tree.audit_paths(size, indexes, leaves, proof)
    for index in indexes:
        with contextlib.suppress(RecordsError):
            tree.root_from_audit_path(size, index, b"".join(leaves), proof)
        with contextlib.suppress(RecordsError):
            tree.verify_consistency(
                old_size=index, new_size=size, old_root=bytes(32), new_root=bytes(32), proof=proof
            )


@given(trees_with_indexes(), st.data())
def test_one_hash_too_few_or_too_many_is_refused(
    case: tuple[int, list[int]], data: st.DataObject
) -> None:
    size, indexes = case
    entries = entries_of(size)
    proof = rfc6962.multiproof(entries, set(indexes))
    leaves = [tree.leaf_hash(entries[index]) for index in indexes]
    cut = data.draw(st.integers(0, len(proof)))
    longer = [*proof[:cut], bytes(32), *proof[cut:]]

    with pytest.raises(RecordsError, match="hash-count"):
        tree.root_from_multiproof(size, indexes, leaves, longer)
    if proof:
        with pytest.raises(RecordsError, match="hash-count"):
            tree.root_from_multiproof(size, indexes, leaves, proof[1:])
    with pytest.raises(RecordsError, match="hash-count"):
        tree.root_from_multiproof(size, indexes, leaves[1:], proof)
