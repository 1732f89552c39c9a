"""Make the golden permit token: `PYTHONPATH=. python tests/vectors/permits/make.py`.

ECDSA draws its own randomness, so a new run makes another signature over the same bytes.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256, shake_256
from pathlib import Path

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.permits import Permit, PermitSigner, PermitToken, SealedCode
from certs.sealing import ENC_BYTES, KeyHeader
from certs.terms import Information, OfPeriod
from codes.canonical import b64

HERE = Path(__file__).parent
NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


def fixed(label: str, length: int) -> bytes:
    """Return bytes that anybody can make again: SHAKE-256 of the label."""
    return shake_256(label.encode()).digest(length)


def main() -> None:
    secret = int.from_bytes(sha256(b"sekisho permit vector").digest(), "big")
    key = ec.derive_private_key(secret, ec.SECP256R1())
    header = KeyHeader(
        message_id=fixed("message", 16).hex(),
        sender="core",
        key_id=fixed("key id", 32).hex(),
        enc=fixed("enc", ENC_BYTES),
    )
    permit = Permit(
        inquirer_body="XB00000000000001",
        provider_body="XB15202000000001",
        department="資格管理課",
        affair="JM01000000115000",
        procedure="JT01010000000117",
        citation="115/117/6/ロ",
        information=Information(term="TM00000000000002", scope="XS1", items=("XI1", "XI2")),
        subject_role="person",
        condition=OfPeriod(first="2026-04-01", last="2027-03-31"),
        non_disclosure=1,
        law_version="2026-06-14",
        law_day="2026-07-01",
        permit_id=fixed("permit", 16).hex(),
        permit_leaf=fixed("permit leaf", 32).hex(),
        inquiry_leaf=fixed("inquiry leaf", 32).hex(),
        requested_at="2026-07-01T02:59:59.000Z",
        request_expires="2026-07-08T02:59:59.000Z",
        subject_p=fixed("subject", 32).hex(),
        code=SealedCode(key=0, n=0, ct=b64(fixed("ct", 80))),
    )
    token = PermitToken.granted(
        [permit],
        issuer="core",
        inquirer="gunma-lender",
        provider="gunma-union",
        directory_version=12,
        allow_list=fixed("allow list", 32).hex(),
        keys=[header],
        now=NOW,
    )
    token = msgspec.structs.replace(token, jti=fixed("jti", 16).hex())
    signed = PermitSigner(key, kid="permit-1").issue(token)
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    made = {
        "kid": "permit-1",
        "public_key": public.hex(),
        "now": NOW.isoformat(),
        "header": jwt.get_unverified_header(signed),
        "claims": msgspec.to_builtins(token),
        "token": signed,
    }
    (HERE / "permits.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
