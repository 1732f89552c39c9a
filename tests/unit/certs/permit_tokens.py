"""Permit tokens with sound defaults, and claims signed as they stand."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs.errors import CertsError
from certs.permits import (
    Permit,
    PermitSigner,
    PermitToken,
    SealedCode,
    verify_permit_token,
)
from certs.sealing import MessageSealer, SealingPrivateKey
from certs.terms import Information, Latest
from codes.canonical import b64, canonical_json

NOW = datetime(2026, 7, 1, 3, 0, 0, 500_000, tzinfo=UTC)
SECOND = int(NOW.timestamp())
KEY = ec.derive_private_key(int.from_bytes(sha256(b"permit key").digest(), "big"), ec.SECP256R1())
KEYS = {"p1": KEY.public_key()}
SIGNER = PermitSigner(KEY, kid="p1")
SEALER = MessageSealer.start(
    "code-in-permit",
    network="testnet",
    sender="core",
    recipient="gunma-union",
    public_key=SealingPrivateKey.generate().public,
)


def a_permit(number: int = 1, **changed: Any) -> Permit:
    members: dict[str, Any] = {
        "inquirer_body": "B1",
        "provider_body": "B2",
        "department": "国保年金課",
        "affair": "JM1",
        "procedure": "JT1",
        "citation": "115/117/6/ロ",
        "information": Information(term="TM2", scope="X1", items=()),
        "subject_role": "person",
        "condition": Latest(),
        "non_disclosure": 0,
        "law_version": "2026-06-14",
        "law_day": "2026-07-01",
        "permit_id": f"{number:032x}",
        "permit_leaf": "1" * 64,
        "inquiry_leaf": "2" * 64,
        "requested_at": "2026-07-01T03:00:00.000Z",
        "request_expires": "2026-07-08T03:00:00.000Z",
        "subject_p": "3" * 64,
        "code": SealedCode(key=0, n=number, ct=b64(bytes(80))),
    }
    return Permit(**{**members, **changed})


def a_token(*permits: Permit, **changed: Any) -> PermitToken:
    token = PermitToken.granted(
        permits or (a_permit(),),
        issuer="core",
        inquirer="nagaoka",
        provider="gunma-union",
        directory_version=7,
        allow_list="4" * 64,
        keys=[SEALER.header],
        now=NOW,
    )
    return msgspec.structs.replace(token, **changed)


def claims_of(token: PermitToken) -> dict[str, Any]:
    claims: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(token))
    return claims


def signed(payload: bytes, header: bytes | None = None) -> str:
    """Sign anything at all with the core's key."""
    head = header or canonical_json({"alg": "ES256", "kid": "p1", "typ": "permit+jwt"})
    text = f"{b64(head)}.{b64(payload)}"
    signature = jwt.get_algorithm_by_name("ES256").sign(text.encode(), KEY)
    return f"{text}.{b64(signature)}"


def encoded(claims: object) -> bytes:
    return json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def verify(token: str, **changed: Any) -> PermitToken:
    given: dict[str, Any] = {
        "keys": KEYS,
        "issuer": "core",
        "audience": "gunma-union",
        "now": NOW,
        **changed,
    }
    return verify_permit_token(token, **given)


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(CertsError) as caught:
        call()
    return caught.value.reason
