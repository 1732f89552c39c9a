"""The written forms of the log, fixed once: whoever changes one breaks every older proof."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.records import note as notes
from gateway.records import tree
from gateway.records.entry import open_private, parse_entry
from gateway.records.proof_files import read_proof, write_policy
from gateway.records.tiles import RightEdge
from tests.unit.records import made

VECTOR: Any = json.loads(  # JSON of a golden file
    (Path(__file__).parents[2] / "vectors" / "records" / "records.json").read_text()
)
LEAVES = [bytes.fromhex(leaf) for leaf in VECTOR["leaves"]]
SIZE = len(LEAVES)
MORE = frozenset({"correction-of-mark"})
"""A second vector of a kind, under a name of its own."""
STATE = RightEdge().extend(LEAVES)


@pytest.mark.parametrize("kind", sorted(VECTOR["entries"]))
def test_entries_keep_their_bytes(kind: str) -> None:
    vector = VECTOR["entries"][kind]

    of_kind, members = ("correction", made.MARKED) if kind in MORE else (kind, None)
    entry = made.an_entry(of_kind, members=members, private={"staff": "職員"})

    assert entry.raw == vector["raw"].encode()
    assert entry.leaf_hash.hex() == vector["leaf_hash"]
    assert entry.private_plaintext == vector["private"].encode()
    parsed = parse_entry(entry.raw)
    assert open_private(entry.private_plaintext, parsed.public.private) == {"staff": "職員"}


def test_trees_keep_their_roots() -> None:
    for size, root in VECTOR["roots"].items():
        assert RightEdge().extend(LEAVES[: int(size)]).root.hex() == root


def test_proofs_keep_their_hashes() -> None:
    vector = VECTOR["multiproof"]
    indexes = vector["indexes"]

    proof = tree.multiproof(SIZE, indexes, STATE.node)

    assert [digest.hex() for digest in proof] == vector["hashes"]
    chosen = [LEAVES[index] for index in indexes]
    assert tree.root_from_multiproof(SIZE, indexes, chosen, proof) == STATE.root
    consistency = tree.consistency_proof(7, SIZE, STATE.node)
    assert [digest.hex() for digest in consistency] == VECTOR["consistency"]


def test_the_golden_note_verifies() -> None:
    origin, public = VECTOR["origin"], made.a_signer().public
    parsed = notes.parse_note(VECTOR["note"])

    verified = notes.verify_checkpoint(parsed, origin=origin, keys=public)

    assert verified.checkpoint == notes.Checkpoint(origin, SIZE, STATE.root)
    assert verified.time == VECTOR["time"]
    assert (public.ed25519.hex(), public.mldsa44.hex()) == (VECTOR["ed25519"], VECTOR["mldsa44"])
    assert [line.key_id.hex() for line in parsed.lines[:2]] == VECTOR["key_ids"]
    message = notes.cosigned_message(parsed.checkpoint, name=origin, time=verified.time)
    assert message.hex() == VECTOR["cosigned_message"]
    witness = notes.witness_name(made.NETWORK, "core")
    key = made.a_witness().public
    assert notes.verify_cosignature(parsed, name=witness, key=key) == verified.time + 1


def test_the_golden_proof_and_policy_are_read_and_written() -> None:
    proof = read_proof(VECTOR["proof"])
    witness = (notes.witness_name(made.NETWORK, "core"), made.a_witness().public)

    tree.verify_inclusion(
        size=SIZE,
        index=proof.index,
        leaf=LEAVES[proof.index],
        path=proof.path,
        expected_root=STATE.root,
    )
    policy = write_policy(
        origin=VECTOR["origin"],
        keys=[made.a_signer().public],
        witnesses=[(witness[0], [witness[1]])],
        required=1,
    )
    assert policy == VECTOR["policy"]
