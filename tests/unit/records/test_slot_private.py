"""Opened private parts: what an entry committed to, and receipts that their peers bear out."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from certs.directory import Directory
from codes.canonical import b64
from gateway.records.entry import Entry, open_private
from gateway.records.slot_private import check_private, peer_notes_by_hash
from gateway.records.trust import LogTrust
from tests.damage import good as goods
from tests.unit.records import made

AT = 13


@cache
def the_good() -> goods.Good:
    return goods.make()


def trust() -> LogTrust:
    directory: Directory = the_good().network.directory
    return LogTrust.of(directory, goods.ORGANISATION)


def found(receipt: Entry, *, whom: LogTrust | None = None) -> list[tuple[str, str]]:
    """Return reason and detail of what is wrong with a receipt that stands in the log."""
    export = the_good().logs[0].rewritten({AT: receipt}).export()
    peers = peer_notes_by_hash([the_good().peer_note])
    only = replace(export, private={AT: receipt.private_plaintext})
    return [(one.reason, one.detail) for one in check_private(only, whom or trust(), peers)]


def a_receipt(
    members: Mapping[str, object] | None = None, private: Mapping[str, object] | None = None
) -> Entry:
    """Return a good receipt with some of its members changed; None takes one out."""
    good = the_good().logs[0].entries[AT]
    public = {
        "permit_id": f"{1:032x}",
        "inquiry_leaf": f"{1:064x}",
        "peer": goods.PEER,
        "answer_leaf": the_good().peer.entries[2].leaf_hash.hex(),
        "outcome": "provided",
        "payload": "7" * 64,
        **(members or {}),
    }
    held = open_private(good.private_plaintext, good.public.private) | dict(private or {})
    return made.an_entry(
        "receipt",
        members=public,
        private={name: value for name, value in held.items() if value is not None},
        time=goods.STARTS,
    )


def test_a_receipt_that_its_peer_bears_out_is_none() -> None:
    assert found(a_receipt()) == []


@pytest.mark.parametrize(
    "members",
    [
        {"permit_id": "f" * 32},
        {"inquiry_leaf": "f" * 64},
        {"outcome": "no-information"},
        {"payload": "f" * 64},
        {"answer_leaf": "f" * 64},
        {"peer": "core"},
    ],
    ids=lambda members: next(iter(members)),
)
def test_a_receipt_that_says_otherwise_than_its_answer_is_named(
    members: Mapping[str, object],
) -> None:
    assert found(a_receipt(members)) == [("receipt-mismatch", next(iter(members)))]


@pytest.mark.parametrize(
    ("private", "detail"),
    [
        ({"answer": None}, "no answer"),
        ({"answer": "?"}, "base64url"),
        ({"answer": b64(b"{}")}, "bad-entry"),
        ({"answer_index": 1}, "root-mismatch"),
        ({"answer_index": "2"}, "bad-index"),
        ({"answer_path": ""}, "hash-count"),
        ({"answer_checkpoint": "0" * 64}, f"no {'0' * 64}"),
    ],
)
def test_a_receipt_without_its_peers_proof_is_named(
    private: Mapping[str, object], detail: str
) -> None:
    assert found(a_receipt(private=private)) == [("receipt-unproved", detail)]


def test_a_peer_whom_nobody_knows_proves_nothing() -> None:
    of_one = trust()
    lonely = LogTrust(
        network=of_one.network,
        organisation=of_one.organisation,
        slots=of_one.slots,
        log_keys=of_one.log_keys,
        witnesses=of_one.witnesses,
        named=of_one.named,
    )

    assert found(a_receipt(), whom=lonely) == [("receipt-unproved", "unknown-organisation")]


def test_a_refusal_is_an_answer_to_the_inquiry_that_it_names() -> None:
    refusal = made.an_entry(
        "refusal", organisation=goods.PEER, members={"reason": "x"} | {"of": "3" * 64}
    )
    members = {"answer_leaf": refusal.leaf_hash.hex(), "permit_id": None, "payload": None}

    for inquiry, expected in (("3" * 64, "receipt-unproved"), ("4" * 64, "receipt-mismatch")):
        receipt = a_receipt(
            {**members, "outcome": "refused", "inquiry_leaf": inquiry},
            {"answer": b64(refusal.raw)},
        )
        assert [reason for reason, _ in found(receipt)] == [expected]
