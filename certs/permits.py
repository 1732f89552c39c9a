"""Permit tokens (PROTOCOL §3): the core's short-lived leave, checked to the last claim.

PyJWT signs and verifies ES256; everything it is lax about (header, unknown, missing and double
claims, lists of audiences, second spellings of base64) is refused here before and after it.
Nothing may key on a token's bytes: ECDSA signatures are malleable.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Self, TypeAlias

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)

from certs.errors import CertsError, KeyMaterialError, PermitError
from certs.sealing import KeyHeader
from certs.terms import (
    Count,
    Hex32,
    Hex64,
    Instant,
    Organisation,
    Shape,
    Terms,
    has_controls,
)
from codes.canonical import parse_canonical, parse_instant, unb64
from codes.effort import counted
from codes.errors import CodesError

TOKEN_CHARACTERS_MAX: Final = 512 * 1024
PERMITS_MAX: Final = 64
LIFETIME_S: Final = 300
LEEWAY_S: Final = 30
ALGORITHM: Final = "ES256"
TYPE: Final = "permit+jwt"

_SEGMENTS: Final = 3
_SIGNATURE_BYTES: Final = 64
_HEADER_BYTES_MAX: Final = 1024
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z

_Second = Annotated[int, msgspec.Meta(ge=0, le=_LAST_SECOND)]
_Place = Annotated[int, msgspec.Meta(ge=0, le=PERMITS_MAX - 1)]
_Base64Url = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,4096}$(?!\n)")]

PermitKeys: TypeAlias = Mapping[str, EllipticCurvePublicKey]
PermitKeysAt: TypeAlias = Callable[[datetime], PermitKeys]


class SealedCode(Shape, frozen=True, kw_only=True):
    """Salt and the provider's code, sealed: AES-256-GCM under the key at `key`, number `n`."""

    key: _Place
    n: Count
    ct: _Base64Url


class TokenKey(Shape, frozen=True, kw_only=True):
    """The encapsulation of a message key, as it stands in a token."""

    message_id: Hex32
    sender: Organisation
    key_id: Hex64
    enc: _Base64Url

    @classmethod
    def of(cls, header: KeyHeader) -> Self:
        """Return the claim that carries a sealer's header."""
        return cls(**header.to_json())

    def header(self) -> KeyHeader:
        """Return the header to open the message with, or raise `SealingError`."""
        return KeyHeader.from_json(msgspec.structs.asdict(self))


class Permit(Terms, frozen=True, kw_only=True):
    """One permit inside a token: the terms of its inquiry and what the core added."""

    permit_id: Hex32
    permit_leaf: Hex64
    inquiry_leaf: Hex64
    requested_at: Instant
    request_expires: Instant
    subject_p: Hex64
    code: SealedCode


class PermitToken(Shape, frozen=True, kw_only=True):
    """All claims of a token: permits of one inquirer to one provider, granted together."""

    iss: Organisation
    aud: Organisation
    jti: Hex32
    iat: _Second
    nbf: _Second
    exp: _Second
    inquirer: Organisation
    directory_version: Count
    allow_list: Hex64
    keys: Annotated[tuple[TokenKey, ...], msgspec.Meta(min_length=1, max_length=PERMITS_MAX)]
    permits: Annotated[tuple[Permit, ...], msgspec.Meta(min_length=1, max_length=PERMITS_MAX)]

    @classmethod
    def granted(
        cls,
        permits: Sequence[Permit],
        *,
        issuer: str,
        inquirer: str,
        provider: str,
        directory_version: int,
        allow_list: str,
        keys: Sequence[KeyHeader],
        now: datetime,
    ) -> Self:
        """Return the claims of a token that lives five minutes from now."""
        second = int(now.timestamp())
        return cls(
            iss=issuer,
            aud=provider,
            jti=secrets.token_hex(16),
            iat=second,
            nbf=second,
            exp=second + LIFETIME_S,
            inquirer=inquirer,
            directory_version=directory_version,
            allow_list=allow_list,
            keys=tuple(TokenKey.of(key) for key in keys),
            permits=tuple(permits),
        )

    def permit(self, permit_id: str) -> Permit | None:
        """Return the permit of this id, if the token carries it."""
        return next((permit for permit in self.permits if permit.permit_id == permit_id), None)


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(PermitToken)
_JWS: Final = jwt.PyJWS(algorithms=[ALGORITHM])
_ES256: Final = _JWS.get_algorithm_by_name(ALGORITHM)


class PermitSigner:
    """The core's private permit key and its `kid`."""

    __slots__ = ("_key", "kid")

    def __init__(self, key: EllipticCurvePrivateKey, *, kid: str) -> None:
        if not isinstance(key.curve, SECP256R1):
            raise KeyMaterialError("key-malformed", "permit key: P-256")
        self._key = key
        self.kid: Final = kid

    def issue(self, token: PermitToken) -> str:
        """Return the signed token of these claims, whose members fit their types.

        Raises:
            PermitError: token-claims, token-lifetime, token-too-large, as `verify_permit_token`.
        """
        if not 0 < len(token.permits) <= PERMITS_MAX:
            raise PermitError("token-claims", f"permit token: 1 to {PERMITS_MAX} permits")
        _check_claims(token)
        signed = self._sign(_ENCODER.encode(token))
        if len(signed) > TOKEN_CHARACTERS_MAX:
            raise PermitError("token-too-large", "permit token")
        return signed

    @counted("sign_permits")
    def _sign(self, payload: bytes) -> str:
        headers = {"kid": self.kid, "typ": TYPE}
        return _JWS.encode(payload, self._key, algorithm=ALGORITHM, headers=headers)

    def __repr__(self) -> str:
        return f"PermitSigner(kid={self.kid!r}, ***)"


def verify_permit_token(
    token: str,
    *,
    keys: PermitKeys | PermitKeysAt,
    issuer: str,
    audience: str,
    now: datetime,
    accept_expired: bool = False,
) -> PermitToken:
    """Return the claims of a token that this issuer signed for this audience.

    `keys` are the issuer's public keys by `kid`, or give them for the instant the token says it
    was issued. `accept_expired` leaves `exp` to `check_unexpired`: a provider answers a permit it
    knows before it looks at `exp` (PROTOCOL §3, *Once*), and only then.

    Raises:
        PermitError: token-too-large, token-malformed, token-header, token-key-unknown,
            token-signature, token-claims, token-issuer, token-audience, token-lifetime,
            token-not-yet-valid, permit-expired.
    """
    header, payload, signature = _segments(token)
    kid = _kid(header)
    claims = _parse_claims(payload)
    known = keys(_instant(claims.iat)) if callable(keys) else keys
    if kid not in known:
        raise PermitError("token-key-unknown", "permit token")
    _verify_signature(token, signature, known[kid])
    if claims.iss != issuer:
        raise PermitError("token-issuer", "permit token")
    if claims.aud != audience:
        raise PermitError("token-audience", "permit token")
    _check_claims(claims)
    if max(claims.iat, claims.nbf) > now.timestamp() + LEEWAY_S:
        raise PermitError("token-not-yet-valid", "permit token")
    if not accept_expired:
        check_unexpired(claims, now=now)
    return claims


def check_unexpired(token: PermitToken, *, now: datetime) -> None:
    """Refuse a token from its `exp` on, without leeway (permit-expired)."""
    if now.timestamp() >= token.exp:
        raise PermitError("permit-expired", "permit token")


@counted("verify_permits")
def _verify_signature(token: str, signature: bytes, key: EllipticCurvePublicKey) -> None:
    # PyJWT's own algorithm without its envelope, which takes 4 ms for 64 permits; a property
    # test holds both to the same answers.
    signed = token.rpartition(".")[0].encode("ascii")
    try:
        is_valid = _ES256.verify(signed, _ES256.prepare_key(key), signature)
    except jwt.PyJWTError:
        raise PermitError("token-key-unknown", "permit token: not a P-256 key") from None
    if not is_valid:
        raise PermitError("token-signature", "permit token")


def _segments(token: str) -> tuple[bytes, bytes, bytes]:
    """Return header, payload and signature of a token spelled in the one possible way."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise PermitError("token-too-large", "permit token")
    segments = token.split(".")
    if len(segments) != _SEGMENTS:
        raise PermitError("token-malformed", "segments")
    try:
        header, payload, signature = (unb64(segment) for segment in segments)
    except CodesError:
        raise PermitError("token-malformed", "base64url") from None
    if len(signature) != _SIGNATURE_BYTES:
        raise PermitError("token-malformed", "signature")
    return header, payload, signature


def _kid(header: bytes) -> str:
    """Return the key's name out of the only header there may be."""
    try:
        members = parse_canonical(header, bytes_max=_HEADER_BYTES_MAX)
    except CodesError:
        raise PermitError("token-header", "permit token") from None
    kid = members.pop("kid", None)
    if members != {"alg": ALGORITHM, "typ": TYPE} or not isinstance(kid, str):
        raise PermitError("token-header", "permit token")
    return kid


def _parse_claims(payload: bytes) -> PermitToken:
    """Return the claims of a payload that is canonical: so nothing stands in it twice."""
    try:
        claims = _DECODER.decode(payload)
        is_canonical = _ENCODER.encode(claims) == payload
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise PermitError("token-claims", "permit token") from None
    if not is_canonical:
        raise PermitError("token-claims", "permit token: not canonical")
    if has_controls(payload):
        raise PermitError("token-claims", "permit token: control character")
    return claims


def _check_claims(claims: PermitToken) -> None:
    """Refuse claims that contradict each other."""
    begins = min(claims.iat, claims.nbf)
    if not (claims.exp - begins <= LIFETIME_S and max(claims.iat, claims.nbf) < claims.exp):
        raise PermitError("token-lifetime", "permit token")
    if len({permit.permit_id for permit in claims.permits}) != len(claims.permits):
        raise PermitError("token-claims", "permit token: an id twice")
    try:
        for key in claims.keys:
            key.header()
        for permit in claims.permits:
            _check_permit(permit, keys=len(claims.keys))
    except (CertsError, ValueError):
        raise PermitError("token-claims", "permit token: keys or permits") from None
    if any(key.sender != claims.iss for key in claims.keys):
        raise PermitError("token-claims", "permit token: key of another sender")


def _check_permit(permit: Permit, *, keys: int) -> None:
    unb64(permit.code.ct)
    date.fromisoformat(permit.law_day)
    if permit.code.key >= keys:
        raise PermitError("token-claims", "permit token: no such key")
    if parse_instant(permit.requested_at) >= parse_instant(permit.request_expires):
        raise PermitError("token-claims", "permit token: expires before requested")


def _instant(second: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
