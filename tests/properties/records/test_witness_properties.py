"""Every request to a witness reads back, and what reads at all reads in one spelling only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.records import tree
from gateway.records.errors import RecordsError
from gateway.records.note import Checkpoint, parse_note, sign_checkpoint
from gateway.records.proof_files import (
    PATH_HASHES_MAX,
    WitnessRequest,
    read_witness_request,
    write_witness_request,
)
from tests.unit.records import made

NOTES = [
    parse_note(
        sign_checkpoint(
            Checkpoint("testnet/nagaoka/log/0", size, bytes(32)), made.a_signer(), time=1
        )
    )
    for size in (0, 3, 2**63 - 1)
]
requests = st.builds(
    WitnessRequest,
    old_size=st.integers(0, tree.SIZE_MAX),
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=PATH_HASHES_MAX).map(tuple),
    note=st.sampled_from(NOTES),
)


def text_of(one: WitnessRequest) -> str:
    return write_witness_request(old_size=one.old_size, proof=one.proof, note=one.note.text())


@given(requests)
def test_a_written_request_reads_back(request_: WitnessRequest) -> None:
    assert read_witness_request(text_of(request_)) == request_


@given(requests, st.data())
def test_a_changed_request_is_refused_or_says_something_else(
    request_: WitnessRequest, data: st.DataObject
) -> None:
    text = text_of(request_)
    place = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.sampled_from(["", " ", "\n", "\r", "0", "=", "\u2014", "\0"]))
    changed = text[:place] + put + text[place + 1 :]
    try:
        read = read_witness_request(changed)
    except RecordsError:
        return

    assert text_of(read) == changed


@given(st.integers(0, 400), st.integers(0, 400))
def test_every_consistency_proof_fits_a_request(one: int, other: int) -> None:
    old, new = sorted((one, other))

    assert len(tree.consistency_proof(old, new, lambda _level, _index: bytes(32))) <= 63


@pytest.mark.parametrize("old", [2**61 + 1, 2**62 - 2])
def test_consistency_proofs_fit_a_request_up_to_four_quintillion_entries(old: int) -> None:
    proof = tree.consistency_proof(old, 2**62 - 1, lambda _level, _index: bytes(32))

    assert len(proof) <= PATH_HASHES_MAX
