"""How a back-office client proves who it is at the token endpoint, and the token it gets.

Assertions follow RFC 7523 (`private_key_jwt`, `client_secret_jwt`) with everything required
that it leaves open; PyJWT only does the signature, because by itself it ignores `crit` and
`typ`, needs neither `exp` nor `iss`, and takes lists of audiences and duplicate members.
Access tokens are opaque; only their digest is stored. A client secret for HS256 must be known
in full to verify: the caller keeps it in a box under a storage key.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import get_algorithm_by_name

from certs.errors import KeyMaterialError, TokenError
from codes.canonical import b64, unb64
from codes.errors import MalformedError
from codes.strict_json import load_strict

ASSERTION_CHARACTERS_MAX: Final = 8192
ASSERTION_LIFETIME_S: Final = 300
CLOCK_LEEWAY_S: Final = 30
RSA_BITS_MIN: Final = 3072  # 128 bits of strength, as CRYPTREC asks of new systems
CLIENT_SECRET_BYTES_MIN: Final = 32
TOKEN_BYTES: Final = 32
TOKEN_CHARACTERS: Final = 43

_PARTS: Final = 3
_DEPTH_MAX: Final = 2
_HEADER_MEMBERS: Final = frozenset({"alg", "typ", "kid"})
_TYPES: Final = frozenset({"jwt", "client-authentication+jwt"})
_CLAIMS_REQUIRED: Final = frozenset({"iss", "sub", "aud", "exp", "iat", "jti"})
_CLAIMS: Final = _CLAIMS_REQUIRED | {"nbf"}
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_JTI: Final = re.compile(r"[\x21-\x7e]{8,128}", re.ASCII)
_INSTANT_MAX: Final = 253_402_300_799  # the last second of the year 9999

_PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey


class AssertionAlgorithm(StrEnum):
    """The algorithm a client registers; an assertion under any other is refused."""

    ES256 = "ES256"
    EDDSA = "EdDSA"
    PS256 = "PS256"
    HS256 = "HS256"


class ClientKey:
    """One client's verification key with the only algorithm it is good for; prints masked."""

    __slots__ = ("_key", "algorithm", "kid")

    def __init__(
        self, algorithm: AssertionAlgorithm, key: _PublicKey | bytes, *, kid: str | None
    ) -> None:
        self.algorithm: Final = algorithm
        self.kid: Final = kid
        self._key: Final = key

    @classmethod
    def from_pem(cls, algorithm: AssertionAlgorithm, pem: bytes, *, kid: str | None = None) -> Self:
        """Return a public key (SubjectPublicKeyInfo) of the algorithm's own type and strength."""
        try:
            key = _fitting(algorithm, load_pem_public_key(pem))
        except (ValueError, UnsupportedAlgorithm):
            raise KeyMaterialError("client-key-malformed") from None
        if key is None:
            raise KeyMaterialError("client-key-type", f"not a key for {algorithm}")
        return cls(algorithm, key, kid=kid)

    @classmethod
    def from_secret(cls, secret: bytes, *, kid: str | None = None) -> Self:
        """Return the shared secret of a `client_secret_jwt` client (HS256, 256 bits or more)."""
        if len(secret) < CLIENT_SECRET_BYTES_MIN:
            raise KeyMaterialError("client-secret-short", f"at least {CLIENT_SECRET_BYTES_MIN}")
        return cls(AssertionAlgorithm.HS256, secret, kid=kid)

    def verify(self, signed: bytes, signature: bytes) -> None:
        """Raise `TokenError` (`signature`) unless the signature is this client's."""
        algorithm = get_algorithm_by_name(self.algorithm.value)
        if not algorithm.verify(signed, self._key, signature):
            raise TokenError("signature", "client assertion")

    def __repr__(self) -> str:
        return f"ClientKey({self.algorithm}, masked)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAssertion:
    """What a verified assertion says; the caller refuses a `jti` it has seen until `expires_at`."""

    client_id: str
    jti: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessToken:
    """256 random bits a client shows at every call; prints masked."""

    text: str

    @classmethod
    def generate(cls) -> Self:
        """Return a new token."""
        return cls(b64(secrets.token_bytes(TOKEN_BYTES)))

    def digest(self) -> bytes:
        """Return the 32 bytes to store."""
        return token_digest(self.text)

    def __repr__(self) -> str:
        return "AccessToken(masked)"


def token_digest(text: str) -> bytes:
    """Return SHA-256 of a token as shown, or raise `TokenError` if it cannot be one of ours."""
    if len(text) != TOKEN_CHARACTERS:
        raise TokenError("token-malformed")
    try:
        return hashlib.sha256(unb64(text)).digest()
    except MalformedError:
        raise TokenError("token-malformed") from None


def claimed_client_id(assertion: str) -> str:
    """Return who an assertion says it is from, unverified: only to find that client's key."""
    _, claims, _, _ = _parse(assertion)
    return _client_id(claims)


def verify_client_assertion(
    assertion: str, *, client_id: str, key: ClientKey, audiences: frozenset[str], now: datetime
) -> ClientAssertion:
    """Return what the assertion says, or raise `TokenError` (RFC 7523 §3, RFC 8725).

    `audiences` are the token endpoint's URL and the issuer's name; `aud` is one of them.
    Uniqueness of `jti` is the caller's.
    """
    header, claims, signed, signature = _parse(assertion)
    _check_header(header, key)
    key.verify(signed, signature)
    if _client_id(claims) != client_id:
        raise TokenError("wrong-client", "client assertion: iss")
    if claims["sub"] != client_id:
        raise TokenError("wrong-client", "client assertion: sub")
    if not isinstance(claims["aud"], str) or claims["aud"] not in audiences:
        raise TokenError("wrong-audience", "client assertion")
    issued_at, expires_at = _check_times(claims, now)
    jti = claims["jti"]
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        raise TokenError("jti-malformed", "client assertion: 8 to 128 printable characters")
    return ClientAssertion(client_id=client_id, jti=jti, issued_at=issued_at, expires_at=expires_at)


def _parse(assertion: str) -> tuple[dict[str, object], dict[str, object], bytes, bytes]:
    """Return header, claims, the signed bytes and the signature of a compact JWS."""
    if len(assertion) > ASSERTION_CHARACTERS_MAX:
        raise TokenError("too-large", f"client assertion: at most {ASSERTION_CHARACTERS_MAX}")
    parts = assertion.split(".")
    if len(parts) != _PARTS:
        raise TokenError("assertion-malformed", "not three parts")
    try:
        header, claims = (_parse_object(part) for part in parts[:2])
        signature = unb64(parts[2])
    except MalformedError as error:
        raise TokenError("assertion-malformed", error.reason) from None
    if claims.keys() - _CLAIMS:
        raise TokenError("unknown-claim", "client assertion")
    if missing := _CLAIMS_REQUIRED - claims.keys():
        raise TokenError("missing-claim", f"client assertion: {min(missing)}")
    return header, claims, assertion.rpartition(".")[0].encode("ascii"), signature


def _parse_object(part: str) -> dict[str, object]:
    value = load_strict(unb64(part), bytes_max=ASSERTION_CHARACTERS_MAX, depth_max=_DEPTH_MAX)
    if not isinstance(value, dict):
        raise MalformedError("not-an-object")
    return value


def _check_header(header: dict[str, object], key: ClientKey) -> None:
    if "crit" in header:
        raise TokenError("crit-not-understood", "client assertion")
    if header.keys() - _HEADER_MEMBERS:
        raise TokenError("unknown-header", "client assertion")
    if header.get("alg") != key.algorithm.value:
        raise TokenError("wrong-algorithm", f"client assertion: registered for {key.algorithm}")
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise TokenError("wrong-type", "client assertion")
    if key.kid is not None and header.get("kid", key.kid) != key.kid:
        raise TokenError("wrong-key", "client assertion: kid")


def _client_id(claims: dict[str, object]) -> str:
    client_id = claims["iss"]
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        raise TokenError("wrong-client", "client assertion: iss")
    return client_id


def _check_times(claims: dict[str, object], now: datetime) -> tuple[datetime, datetime]:
    """Return when the assertion was issued and when it ends; no leeway past its end."""
    issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
    not_before = _seconds(claims, "nbf") if "nbf" in claims else issued
    present = now.timestamp()
    if present >= expires:
        raise TokenError("expired", "client assertion")
    if expires > present + ASSERTION_LIFETIME_S + CLOCK_LEEWAY_S or expires <= issued:
        raise TokenError("lifetime", f"client assertion: at most {ASSERTION_LIFETIME_S} s")
    if max(issued, not_before) > present + CLOCK_LEEWAY_S:
        raise TokenError("not-yet-valid", "client assertion")
    return datetime.fromtimestamp(issued, UTC), datetime.fromtimestamp(expires, UTC)


def _seconds(claims: dict[str, object], name: str) -> int:
    value = claims[name]
    if type(value) is not int or not 0 <= value <= _INSTANT_MAX:
        raise TokenError("time-malformed", f"client assertion: {name}")
    return value


def _fitting(algorithm: AssertionAlgorithm, key: object) -> _PublicKey | None:
    """Return the key if it is of the algorithm's own type and strength."""
    match key:
        case EllipticCurvePublicKey(curve=SECP256R1()) if algorithm is AssertionAlgorithm.ES256:
            return key
        case Ed25519PublicKey() if algorithm is AssertionAlgorithm.EDDSA:
            return key
        case RSAPublicKey() if algorithm is AssertionAlgorithm.PS256:
            return key if key.key_size >= RSA_BITS_MIN else None
        case _:
            return None
