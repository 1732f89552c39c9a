"""Signed documents: both signatures or refusal, and one reason for each way to be wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from certs.documents import (
    ALG_ED25519,
    ALG_MLDSA44,
    DocumentKey,
    DocumentSigner,
    document_digest,
    read_document,
    sign_document,
    verify_document,
)
from certs.errors import CertsError, DocumentError, SignatureError
from codes.canonical import b64, canonical_json, unb64

ALICE = DocumentSigner.from_bytes(bytes(range(64)))
BOB = DocumentSigner.from_bytes(bytes(range(1, 65)))
SIGNED: dict[str, object] = {"type": "root", "version": 3, "network": "demo"}
RAW = sign_document(SIGNED, [ALICE])


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(RAW)
    change(document)
    return canonical_json(document)


def _reason(raw: bytes, *keys: DocumentKey, type_: str = "root") -> str:
    with pytest.raises(CertsError) as refusal:
        verify_document(raw, type_=type_, keys=keys or [ALICE.public])
    return refusal.value.reason


def test_a_document_of_both_signatures_gives_back_what_was_signed() -> None:
    assert verify_document(RAW, type_="root", keys=[ALICE.public]) == SIGNED


def test_a_document_bears_its_own_and_its_predecessors_signatures() -> None:
    raw = sign_document(SIGNED, [ALICE, BOB])

    assert verify_document(raw, type_="root", keys=[BOB.public, ALICE.public]) == SIGNED
    assert _reason(raw, ALICE.public) == "unknown-key"
    assert _reason(RAW, ALICE.public, BOB.public) == "signature-missing"


def test_signatures_are_made_over_the_type_label_and_the_canonical_content() -> None:
    document = read_document(RAW, type_="root")

    assert document.message == (b'sekisho/root/v1\x00{"network":"demo","type":"root","version":3}')
    key_id = ALICE.public.key_id
    for alg in (ALG_ED25519, ALG_MLDSA44):
        ALICE.public.verify(alg, document.signatures[key_id, alg], document.message)


def test_the_digest_is_of_the_content_and_not_of_the_signatures() -> None:
    again = sign_document(SIGNED, [BOB])

    assert read_document(RAW, type_="root").digest == document_digest(SIGNED)
    assert read_document(again, type_="root").digest == document_digest(SIGNED)
    assert document_digest({**SIGNED, "version": 4}) != document_digest(SIGNED)


@pytest.mark.parametrize("half", [0, 1])
def test_either_half_stripped_is_refused(half: int) -> None:
    assert _reason(_changed(lambda d: d["signatures"].pop(half))) == "signature-missing"


@pytest.mark.parametrize("half", [0, 1])
def test_either_half_with_one_bit_changed_is_refused(half: int) -> None:
    def flip(document: dict[str, Any]) -> None:
        signature = bytearray(unb64(document["signatures"][half]["sig"]))
        signature[7] ^= 1
        document["signatures"][half]["sig"] = b64(bytes(signature))

    assert _reason(_changed(flip)) == "signature-invalid"


def test_the_two_halves_do_not_stand_for_each_other() -> None:
    def swap(document: dict[str, Any]) -> None:
        first, second = document["signatures"]
        first["alg"], second["alg"] = second["alg"], first["alg"]

    assert _reason(_changed(swap)) == "signature-invalid"


def test_changed_content_is_refused() -> None:
    assert _reason(_changed(lambda d: d["signed"].update(version=4))) == "signature-invalid"


def test_a_document_of_one_type_is_none_of_another() -> None:
    assert _reason(RAW, type_="directory") == "unexpected-type"
    relabelled = _changed(lambda d: d["signed"].update(type="directory"))
    assert _reason(relabelled, type_="directory") == "signature-invalid"


def test_no_expected_key_means_no_document() -> None:
    with pytest.raises(SignatureError) as refusal:
        verify_document(RAW, type_="root", keys=[])
    assert refusal.value.reason == "no-key-given"


def test_another_key_is_refused() -> None:
    assert _reason(RAW, BOB.public) == "unknown-key"


WRONG_SHAPES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a member too many": (lambda d: d.update(extra="1"), "unknown-member"),
    "no signatures": (lambda d: d.pop("signatures"), "member-missing"),
    "signed is no object": (lambda d: d.update(signed="root"), "wrong-type"),
    "no type": (lambda d: d["signed"].pop("type"), "member-missing"),
    "no version": (lambda d: d["signed"].pop("version"), "member-missing"),
    "an unknown type": (lambda d: d["signed"].update(type="roof"), "unknown-type"),
    "a type with a line's end": (lambda d: d["signed"].update(type="root\n"), "unknown-type"),
    "a version in letters": (lambda d: d["signed"].update(version="3"), "wrong-type"),
    "version nought": (lambda d: d["signed"].update(version=0), "out-of-range"),
    "an empty list": (lambda d: d.update(signatures=[]), "signature-count"),
    "too many": (lambda d: d["signatures"].extend(d["signatures"] * 2), "signature-count"),
    "one twice": (lambda d: d["signatures"].append(d["signatures"][0]), "duplicate-signature"),
    "an unknown alg": (lambda d: d["signatures"][0].update(alg="none"), "unknown-alg"),
    "a note on it": (lambda d: d["signatures"][0].update(note="x"), "unknown-member"),
    "a loud key id": (lambda d: d["signatures"][0].update(key_id="A" * 64), "key-id-malformed"),
    "a foreign key id": (lambda d: d["signatures"][0].update(key_id="a" * 64), "unknown-key"),
    "spare blanks": (lambda d: d["signatures"][0].update(sig="a b"), "base64url"),
    "no signature object": (lambda d: d["signatures"].__setitem__(0, "x"), "wrong-type"),
}


@pytest.mark.parametrize("shape", WRONG_SHAPES)
def test_every_wrong_shape_has_its_reason(shape: str) -> None:
    change, reason = WRONG_SHAPES[shape]

    assert _reason(_changed(change)) == reason


WRONG_BYTES = {
    "a blank at the end": (RAW + b" ", "not-canonical"),
    "a blank inside": (RAW.replace(b'"signed"', b'"signed" '), "not-canonical"),
    "an array": (b"[]", "not-an-object"),
    "nothing": (b"", "not-json"),
}


@pytest.mark.parametrize("written", WRONG_BYTES)
def test_bytes_that_are_not_canonical_are_refused(written: str) -> None:
    raw, reason = WRONG_BYTES[written]

    assert _reason(raw) == reason


def test_a_document_over_the_limit_is_refused() -> None:
    with pytest.raises(DocumentError) as refusal:
        read_document(RAW, type_="root", bytes_max=len(RAW) - 1)
    assert refusal.value.reason == "too-large"


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        ({"version": 1}, "member-missing"),
        ({"type": "permit", "version": 1}, "unknown-type"),
        ({"type": "root", "version": True}, "wrong-type"),
        ({"type": "root", "version": 1, "share": 0.5}, "type-not-allowed"),
    ],
)
def test_what_could_not_be_verified_is_not_signed(signed: dict[str, object], reason: str) -> None:
    with pytest.raises(DocumentError) as refusal:
        sign_document(signed, [ALICE])
    assert refusal.value.reason == reason


@pytest.mark.parametrize("signers", [[], [ALICE, BOB, ALICE]])
def test_a_document_has_one_or_two_signers(signers: list[DocumentSigner]) -> None:
    with pytest.raises(DocumentError) as refusal:
        sign_document(SIGNED, signers)
    assert refusal.value.reason == "signature-count"


def test_a_key_is_named_by_both_halves() -> None:
    key = ALICE.public
    mixed = DocumentKey(ed25519=key.ed25519, mldsa44=BOB.public.mldsa44)

    assert DocumentKey.from_json(key.to_json()) == key
    assert len({key.key_id, mixed.key_id, BOB.public.key_id}) == 3


def test_an_unknown_algorithm_verifies_nothing() -> None:
    with pytest.raises(SignatureError) as refusal:
        ALICE.public.verify("none", b"", b"")
    assert refusal.value.reason == "unknown-alg"


def test_private_keys_come_back_and_print_masked() -> None:
    signer = DocumentSigner.generate()

    assert DocumentSigner.from_bytes(signer.to_bytes()).public == signer.public
    assert repr(signer) == "DocumentSigner(***)"
