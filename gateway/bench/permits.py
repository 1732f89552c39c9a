"""A full permit token to time: as many permits as a message would carry, of nobody."""

import secrets
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from certs.key_files import make_private_directory, read_p256
from certs.network import make_permit_key
from certs.permits import (
    Permit,
    PermitKeys,
    PermitSigner,
    PermitToken,
    SealedCode,
    verify_permit_token,
)
from certs.sealing import MessageSealer, SealingPrivateKey, pack_code
from certs.terms import Information, Latest
from codes.canonical import b64, instant

CORE: Final = "core"
INQUIRER: Final = "inquirer"
PROVIDER: Final = "provider"
_ITEMS: Final = 20
_DIGEST: Final = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPermits:
    """Claims, the key to sign them with, and the signed token."""

    signer: PermitSigner = field(repr=False)
    keys: PermitKeys
    claims: PermitToken
    token: str = field(repr=False)
    now: datetime

    @classmethod
    def make(cls, count: int, *, now: datetime) -> Self:
        """Return a token of `count` permits, 1 to 64, under a key made for it."""
        with tempfile.TemporaryDirectory() as folder:
            keys = make_private_directory(Path(folder) / "keys")
            public = make_permit_key(keys, now=now)
            private = read_p256(keys / "permit" / f"{public.kid}.key.pem")
        signer = PermitSigner(private, kid=public.kid)
        claims = _claims(count, now)
        return cls(
            signer=signer,
            keys={public.kid: private.public_key()},
            claims=claims,
            token=signer.issue(claims),
            now=now,
        )

    def issue(self) -> str:
        """Return the token, signed anew."""
        return self.signer.issue(self.claims)

    def verify(self) -> PermitToken:
        """Return the claims, verified."""
        return verify_permit_token(
            self.token, keys=self.keys, issuer=CORE, audience=PROVIDER, now=self.now
        )


def _claims(count: int, now: datetime) -> PermitToken:
    sealer = MessageSealer.start(
        "code-in-permit",
        network="bench",
        sender=CORE,
        recipient=PROVIDER,
        public_key=SealingPrivateKey.generate().public,
    )
    code = pack_code(secrets.token_bytes(32), secrets.token_bytes(32))
    return PermitToken.granted(
        [_permit(sealer, code, now) for _ in range(count)],
        issuer=CORE,
        inquirer=INQUIRER,
        provider=PROVIDER,
        directory_version=1,
        allow_list=_DIGEST,
        keys=[sealer.header],
        now=now,
    )


def _permit(sealer: MessageSealer, code: bytes, now: datetime) -> Permit:
    sealed = sealer.seal(code, inquiry_leaf=None, permit_id=None)
    items = tuple(f"XTK{number:013d}" for number in range(_ITEMS))
    return Permit(
        inquirer_body="XB00000000000001",
        provider_body="XB00000000000002",
        department="1000",
        affair="XJM0000000000115",
        procedure="XP11701050240527",
        citation="115の項・第117条第6号ロ",
        information=Information(term="TM00000000000002", scope="XS0001", items=items),
        subject_role="person",
        condition=Latest(),
        non_disclosure=0,
        law_version="2026-06-14",
        law_day="2026-07-01",
        permit_id=secrets.token_hex(16),
        permit_leaf=_DIGEST,
        inquiry_leaf=_DIGEST,
        requested_at=instant(now),
        request_expires=instant(now + timedelta(days=7)),
        subject_p=_DIGEST,
        code=SealedCode(key=0, n=sealed.n, ct=b64(sealed.ct)),
    )
