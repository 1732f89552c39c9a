"""Golden vectors of keys and signed documents: what was signed once verifies for ever."""

import json
from typing import Any

import pytest

from certs.documents import sign_document
from certs.errors import SignatureError
from certs.organisations import Body
from certs.roots import DirectoryKey, Root
from codes.canonical import b64, canonical_json, unb64
from tests.vectors.documents.make import (
    DIRECTORY_SIGNER,
    LOG_SIGNER,
    MESSAGE,
    PLACE,
    ROOT_SIGNER,
    WITNESS,
    a_body,
    a_directory_key,
    a_root,
    make,
)

GOLDEN: dict[str, Any] = json.loads(PLACE.read_text(encoding="utf-8"))
ROOT_DOCUMENT = canonical_json(GOLDEN["root"]["document"])


def test_nothing_but_ml_dsa_signatures_differs_from_what_was_made_once() -> None:
    def without_signatures(vectors: Any) -> Any:
        if isinstance(vectors, dict):
            return {
                name: without_signatures(part)
                for name, part in vectors.items()
                if name not in {"signatures", "mldsa44_signature", "witness_signature"}
            }
        return vectors

    assert without_signatures(json.loads(json.dumps(make()))) == without_signatures(GOLDEN)


def test_the_root_of_old_still_verifies() -> None:
    root = Root.parse(ROOT_DOCUMENT)

    assert root == a_root()
    assert root.digest == GOLDEN["root"]["digest"]


def test_the_directory_key_of_old_still_verifies_under_its_root_alone() -> None:
    document = GOLDEN["directory_key"]["document"]

    assert DirectoryKey.from_parsed(document, root=a_root()) == a_directory_key()
    other = Root.parse(
        sign_document(
            {**a_root().to_signed(), "key": DIRECTORY_SIGNER.public.to_json()}, [DIRECTORY_SIGNER]
        )
    )
    with pytest.raises(SignatureError):
        DirectoryKey.from_parsed(document, root=other)


def test_what_a_root_signs_is_written_out() -> None:
    message = unb64(GOLDEN["root"]["message"])

    assert message.startswith(b'sekisho/root/v1\x00{"key":{"ed25519":"')
    assert message.endswith(
        b'"network":"vectors","not_after":"2036-06-28T00:00:00.000Z",'
        b'"not_before":"2026-07-01T00:00:00.000Z","type":"root","version":1}'
    )
    assert b64(ROOT_SIGNER.public.ed25519).encode() in message


def test_log_and_witness_signatures_of_old_still_verify() -> None:
    log = GOLDEN["log"]
    LOG_SIGNER.public.verify_ed25519(unb64(log["ed25519_signature"]), MESSAGE)
    LOG_SIGNER.public.verify_mldsa44(unb64(log["mldsa44_signature"]), MESSAGE)
    WITNESS.public.verify_mldsa44(unb64(log["witness_signature"]), MESSAGE)


def test_a_body_is_written_in_one_way() -> None:
    assert Body.from_json(json.loads(GOLDEN["body"])) == a_body()
