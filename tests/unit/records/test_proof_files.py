"""Proof, policy and witness files: what other tools read, and what we refuse to read."""

import pytest
from tlog_scales import signing
from tlog_scales.tlog import InclusionProof

from gateway.records import proof_files, tree
from gateway.records.errors import RecordsError
from gateway.records.note import verify_checkpoint, witness_name
from tests.unit.records import made


@pytest.fixture(scope="module")
def log() -> made.MadeLog:
    log = made.MadeLog()
    log.grow(21)
    return log


def test_a_proof_file_carries_one_entry_to_its_signed_root(log: made.MadeLog) -> None:
    note = log.note()
    path = tree.audit_path(log.size, 13, log.state.node)
    text = proof_files.write_proof(index=13, path=path, note=note)

    read = proof_files.read_proof(text)

    verified = verify_checkpoint(read.note, origin=log.origin, keys=log.signer.public)
    InclusionProof(read.index, verified.checkpoint.size, list(read.path)).check(
        log.entries[13].leaf_hash, verified.checkpoint.root
    )
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 13\n")
    assert read.note.text() == note


def test_a_proof_of_the_only_entry_has_no_hashes(log: made.MadeLog) -> None:
    text = proof_files.write_proof(index=0, path=[], note=log.note())

    assert proof_files.read_proof(text).path == ()
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 0\n\ntestnet/")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("proof@v1", "proof@v2", "bad-proof-file"),
        ("index 13", "extra AAAA\nindex 13", "bad-proof-file"),
        ("index 13", "index  13", "bad-proof-file"),
        ("index 13", "index 013", "bad-size"),
        ("index 13", "index -1", "bad-size"),
        ("index 13\n", "index 13\nAAAA\n", "bad-proof-file"),
        ("index 13\n", "index 13\n*\n", "bad-proof-file"),
        ("\n\n", "\n", "bad-proof-file"),
        ("\ntestnet", "\ntest net", "bad-name"),
        ("index 13\n", "index 13\n" + ("A" * 43 + "=\n") * 64, "bad-proof-file"),
        ("index 13\n", "index 13\n" + "A" * 80_000, "bad-proof-file"),
    ],
)
def test_a_proof_file_that_we_would_not_write_is_refused(
    log: made.MadeLog, old: str, new: str, reason: str
) -> None:
    path = tree.audit_path(log.size, 13, log.state.node)
    text = proof_files.write_proof(index=13, path=path, note=log.note())

    with pytest.raises(RecordsError) as caught:
        proof_files.read_proof(text.replace(old, new, 1))

    assert caught.value.reason == reason


def test_the_longest_path_there_can_be_is_read(log: made.MadeLog) -> None:
    path = [bytes([number]) * 32 for number in range(63)]

    read = proof_files.read_proof(
        proof_files.write_proof(index=2**63 - 1, path=path, note=log.note())
    )

    assert (read.index, list(read.path)) == (2**63 - 1, path)


def test_a_witness_request_comes_back(log: made.MadeLog) -> None:
    proof = tree.consistency_proof(7, log.size, log.state.node)
    note = log.note()

    read = proof_files.read_witness_request(
        proof_files.write_witness_request(old_size=7, proof=proof, note=note)
    )

    assert (read.old_size, list(read.proof), read.note.text()) == (7, proof, note)
    with pytest.raises(RecordsError) as caught:
        proof_files.read_witness_request("new 7\n\n" + note)
    assert caught.value.reason == "bad-witness-request"


def test_verifier_keys_are_read_by_another_implementation() -> None:
    name, public = witness_name("testnet", "core"), made.a_witness().public
    ours = proof_files.witness_vkey(name, public)

    theirs = signing.Vkey.from_string(ours)

    assert theirs.serialize() == ours  # type: ignore[no-untyped-call]  # as published
    assert (theirs.name, theirs.sig_type, theirs.pubkey) == (name, 6, public.mldsa44)
    assert theirs.key_id == signing.Vkey(name, None, 6, public.mldsa44).key_id


def test_a_policy_names_both_log_keys_and_the_quorum() -> None:
    origin, public = "testnet/nagaoka/log/0", made.a_signer().public
    witnesses = [(f"testnet/{name}/witness", [made.a_witness(name).public]) for name in ("a", "b")]

    text = proof_files.write_policy(origin=origin, keys=[public], witnesses=witnesses, required=1)

    lines = text.splitlines()
    vkeys = proof_files.log_vkeys(origin, public)
    assert lines[:2] == [f"log {vkeys[0]}", f"log {vkeys[1]}"]
    assert [line.split(" ")[:2] for line in lines[2:4]] == [
        ["witness", "testnet/a/witness"],
        ["witness", "testnet/b/witness"],
    ]
    assert lines[4:] == [
        "group witnesses 1 testnet/a/witness testnet/b/witness",
        "quorum witnesses",
    ]
    assert text.endswith("\n")


def test_every_key_there_ever_was_stands_in_a_policy_once() -> None:
    first, second = made.a_signer().public, made.a_signer("second").public
    name, keys = "testnet/a/witness", [made.a_witness(label).public for label in ("a", "b", "a")]

    lines = proof_files.write_policy(
        origin="o", keys=[first, second, first], witnesses=[(name, keys)], required=1
    ).splitlines()

    assert [line.split(" ")[0] for line in lines] == [
        *["log"] * 4,
        *["witness"] * 2,
        *["group"] * 2,
        "quorum",
    ]
    assert lines[6:8] == [f"group {name} any {name}/1 {name}/2", f"group witnesses 1 {name}"]


def test_a_policy_without_witnesses_says_so() -> None:
    public = made.a_signer().public

    text = proof_files.write_policy(origin="o", keys=[public], witnesses=[], required=0)

    assert text.endswith("quorum none\n")
    with pytest.raises(RecordsError, match="bad-quorum"):
        proof_files.write_policy(origin="o", keys=[public], witnesses=[], required=1)
