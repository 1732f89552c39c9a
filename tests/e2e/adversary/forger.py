"""Permit tokens as a forger, a thief or a core that lies would make them."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from jwt.algorithms import ECAlgorithm

from certs.own_keys import PermitKey
from certs.permits import Permit, PermitToken, SealedCode
from certs.sealing import pack_code
from codes.canonical import b64, instant, unb64
from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.flows.record_types import Recorded, new_id
from gateway.flows.sealed import start_sealing
from gateway.records.entry import parse_entry, subject_commitment
from gateway.records.kinds import Inquiry
from tests.e2e.adversary.rogue import Rogue

ES256 = ECAlgorithm(ECAlgorithm.SHA256)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ENCODER = msgspec.json.Encoder(order="sorted")


def claims_of(text: str) -> dict[str, Any]:
    """Return the claims of a token, unverified."""
    claims: dict[str, Any] = json.loads(unb64(text.split(".")[1]))
    return claims


def encode(claims: object) -> bytes:
    """Return claims as the one spelling that is taken."""
    return _ENCODER.encode(claims)


def permit_key(core: Rogue) -> PermitKey:
    """Return the core's private permit key."""
    trust = core.context.trust
    now = core.context.clock.now()
    return trust.keys.permit_key_at(trust.directory.core.permit_keys, now)


def signed(
    core: Rogue,
    payload: bytes,
    *,
    key: EllipticCurvePrivateKey | None = None,
    header: Mapping[str, object] | None = None,
) -> str:
    """Return these bytes as a token with the core's signature, or that of another key.

    A member of the header that is None is left out.
    """
    own = permit_key(core)
    members = {"alg": "ES256", "kid": own.kid, "typ": "permit+jwt"} | dict(header or {})
    shown = {name: value for name, value in members.items() if value is not None}
    start = f"{b64(encode(shown))}.{b64(payload)}"
    signature = ES256.sign(start.encode(), key or own.key)
    return f"{start}.{b64(signature)}"


def another_key() -> EllipticCurvePrivateKey:
    """Return a key that nobody published."""
    return generate_private_key(SECP256R1())


def mirrored(text: str) -> str:
    """Return the token with the other signature that verifies: ECDSA is malleable."""
    start, _, signature = text.rpartition(".")
    raw = unb64(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    assert decode_dss_signature(encode_dss_signature(r, s)) == (r, s)
    return f"{start}.{b64(r.to_bytes(32, 'big') + (ORDER - s).to_bytes(32, 'big'))}"


def granted_by_a_liar(
    core: Rogue,
    recorded: Recorded,
    number: UnifiedNumber,
    *,
    subject_p: bytes | None = None,
    permit_id: str | None = None,
    provider: str = cast.NAGAOKA,
    **changes: Any,
) -> tuple[str, str]:
    """Return a token and the permit id for an inquiry that the core never decided about.

    It agrees with the statement in everything but the `changes`; the code is that of the person.
    """
    trust, now = core.context.trust, core.context.clock.now()
    inquiry = parse_entry(recorded.entry).public
    assert isinstance(inquiry, Inquiry)
    code, salt = core.people.code(number, provider), bytes(32)
    permit_id = permit_id or new_id()
    sealer = start_sealing(trust, "code-in-permit", recipient=provider)
    sealed = sealer.seal(
        pack_code(salt, code.raw), inquiry_leaf=recorded.leaf_hash, permit_id=permit_id
    )
    members: dict[str, Any] = {
        name: getattr(inquiry, name) for name in Permit.__struct_fields__ if hasattr(inquiry, name)
    } | {
        "permit_id": permit_id,
        "permit_leaf": "0" * 64,
        "inquiry_leaf": recorded.leaf_hash.hex(),
        "requested_at": instant(now),
        "request_expires": instant(now + timedelta(days=7)),
        "subject_p": (subject_p or subject_commitment(salt, code.raw)).hex(),
        "code": SealedCode(key=0, n=sealed.n, ct=b64(sealed.ct)),
    }
    token = PermitToken.granted(
        [Permit(**members | changes)],
        issuer=cast.CORE,
        inquirer=inquiry.organisation,
        provider=provider,
        directory_version=trust.directory.version,
        allow_list=trust.directory.allow_list_digest,
        keys=[sealer.header],
        now=now,
    )
    return signed(core, encode(token)), permit_id
