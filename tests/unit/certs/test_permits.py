"""Permit tokens: refused unless they are exactly what the core would write."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from certs.errors import KeyMaterialError
from certs.permits import (
    LIFETIME_S,
    PermitSigner,
    PermitToken,
    SealedCode,
    TokenKey,
    check_unexpired,
    verify_permit_token,
)
from certs.terms import Information
from codes.canonical import b64
from tests.unit.certs.permit_tokens import (
    KEY,
    KEYS,
    NOW,
    SEALER,
    SECOND,
    SIGNER,
    a_permit,
    a_token,
    claims_of,
    encoded,
    reason,
    signed,
    verify,
)


def test_an_issued_token_verifies() -> None:
    token = a_token(a_permit(1), a_permit(2))

    verified = verify(SIGNER.issue(token))

    assert verified == token
    assert verified.permit(f"{2:032x}") == token.permits[1]
    assert verified.permit("f" * 32) is None
    assert verified.keys[0].header() == SEALER.header
    assert (token.iat, token.nbf, token.exp) == (SECOND, SECOND, SECOND + LIFETIME_S)


def test_it_is_a_jwt_that_the_library_reads() -> None:
    token = a_token()

    claims = jwt.decode(
        SIGNER.issue(token),
        KEY.public_key(),
        algorithms=["ES256"],
        audience="gunma-union",
        issuer="core",
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )

    assert claims == claims_of(token)


def test_two_tokens_of_one_second_have_ids_of_their_own() -> None:
    assert a_token().jti != a_token().jti


HEADERS: dict[str, Any] = {
    "no algorithm": {"alg": "none", "kid": "p1", "typ": "permit+jwt"},
    "another algorithm": {"alg": "HS256", "kid": "p1", "typ": "permit+jwt"},
    "another type": {"alg": "ES256", "kid": "p1", "typ": "JWT"},
    "no type": {"alg": "ES256", "kid": "p1"},
    "no key": {"alg": "ES256", "typ": "permit+jwt"},
    "a key that is no text": {"alg": "ES256", "kid": 1, "typ": "permit+jwt"},
    "a critical extension": {"alg": "ES256", "crit": ["x"], "kid": "p1", "typ": "permit+jwt"},
    "a key of its own": {"alg": "ES256", "jwk": {}, "kid": "p1", "typ": "permit+jwt"},
    "a list": [],
}


@pytest.mark.parametrize("what", HEADERS)
def test_there_is_one_header(what: str) -> None:
    token = signed(encoded(claims_of(a_token())), encoded(HEADERS[what]))

    assert reason(lambda: verify(token)) == "token-header"


@pytest.mark.parametrize(
    "header",
    [
        b'{"typ":"permit+jwt","alg":"ES256","kid":"p1"}',
        b'{"alg":"ES256","alg":"ES256","kid":"p1","typ":"permit+jwt"}',
        b' {"alg":"ES256","kid":"p1","typ":"permit+jwt"}',
        b"[",
        b"\xff",
    ],
)
def test_the_header_has_one_spelling(header: bytes) -> None:
    token = signed(encoded(claims_of(a_token())), header)

    assert reason(lambda: verify(token)) == "token-header"


WRONG: tuple[Any, ...] = (..., None, True, 1.5, -1, [], {}, "", ["gunma-union"])
CLAIMS = sorted(claims_of(a_token()))
MEMBERS = sorted(claims_of(a_token())["permits"][0])


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_is_required_and_typed(claim: str) -> None:
    for wrong in WRONG:
        claims = claims_of(a_token())
        del claims[claim]
        if wrong is not ...:
            claims[claim] = wrong
        assert reason(lambda: verify(signed(encoded(claims)))) == "token-claims"  # noqa: B023  # called at once


@pytest.mark.parametrize("member", MEMBERS)
def test_every_member_of_a_permit_is_required_and_typed(member: str) -> None:
    for wrong in WRONG:
        claims = claims_of(a_token())
        del claims["permits"][0][member]
        if wrong is not ...:
            claims["permits"][0][member] = wrong
        assert reason(lambda: verify(signed(encoded(claims)))) == "token-claims"  # noqa: B023  # called at once


def test_unknown_claims_are_refused() -> None:
    for place in ((), ("permits", 0), ("permits", 0, "code"), ("keys", 0)):
        claims: Any = claims_of(a_token())
        part = claims
        for step in place:
            part = part[step]
        part["zzz"] = 1
        assert reason(lambda: verify(signed(encoded(claims)))) == "token-claims"  # noqa: B023  # called at once


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"aud"', b'"aud":"gunma-union","aud"'),
        (b'"iss"', b' "iss"'),
        (b'"core"', b'"\\u0063ore"'),
        (b'{"allow_list"', b'\xff{"allow_list"'),
        (b'"iss":"core"', b'"iss":"core"' + b"[" * 5000),
    ],
    ids=["twice", "blank", "escape", "bytes", "deep"],
)
def test_claims_have_one_spelling(old: bytes, new: bytes) -> None:
    payload = encoded(claims_of(a_token()))
    assert old in payload

    assert reason(lambda: verify(signed(payload.replace(old, new, 1)))) == "token-claims"


def test_audience_and_issuer_are_compared() -> None:
    token = SIGNER.issue(a_token())

    assert reason(lambda: verify(token, audience="nagaoka")) == "token-audience"
    assert reason(lambda: verify(token, issuer="other")) == "token-issuer"


def test_a_token_ends_at_its_exp_without_leeway() -> None:
    token = SIGNER.issue(a_token())
    ends = datetime.fromtimestamp(SECOND + LIFETIME_S, UTC)

    verify(token, now=ends - timedelta(microseconds=1))
    assert reason(lambda: verify(token, now=ends)) == "permit-expired"


def test_a_known_permit_may_be_shown_after_exp() -> None:
    token = SIGNER.issue(a_token())
    later = NOW + timedelta(days=2)

    verified = verify(token, now=later, accept_expired=True)

    assert reason(lambda: check_unexpired(verified, now=later)) == "permit-expired"
    check_unexpired(verified, now=NOW)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_from_the_future_has_thirty_seconds(claim: str) -> None:
    ahead = a_token(exp=SECOND + 300, **{claim: SECOND + 30})
    verify(SIGNER.issue(ahead))

    further = a_token(exp=SECOND + 300, **{claim: SECOND + 31})
    assert reason(lambda: verify(SIGNER.issue(further))) == "token-not-yet-valid"


@pytest.mark.parametrize(
    "times",
    [
        {"exp": SECOND + 301},
        {"iat": SECOND - 1},
        {"nbf": SECOND - 1},
        {"exp": SECOND},
        {"nbf": SECOND + 300},
        {"iat": SECOND + 300},
    ],
    ids=["long", "iat before", "nbf before", "over", "nbf at end", "iat at end"],
)
def test_a_token_lives_five_minutes_at_most(times: dict[str, int]) -> None:
    token = a_token(**times)

    assert reason(lambda: SIGNER.issue(token)) == "token-lifetime"
    assert reason(lambda: verify(signed(encoded(claims_of(token))))) == "token-lifetime"


def test_up_to_64_permits_travel_together() -> None:
    permits = [a_permit(number) for number in range(1, 66)]

    assert len(verify(SIGNER.issue(a_token(*permits[:64]))).permits) == 64
    assert reason(lambda: SIGNER.issue(a_token(*permits))) == "token-claims"
    assert reason(lambda: SIGNER.issue(a_token(permits=()))) == "token-claims"


CONTRADICTIONS: dict[str, PermitToken] = {
    "one id twice": a_token(a_permit(1), a_permit(1)),
    "a key that is not there": a_token(a_permit(code=SealedCode(key=1, n=0, ct="AAAA"))),
    "a second spelling of the code": a_token(a_permit(code=SealedCode(key=0, n=0, ct="AB"))),
    "a request that is over": a_token(a_permit(request_expires="2026-07-01T03:00:00.000Z")),
    "a moment that is none": a_token(a_permit(requested_at="2026-07-01T25:00:00.000Z")),
    "a day that is none": a_token(a_permit(law_day="2026-02-30")),
    "a key of another sender": a_token(
        keys=(msgspec.structs.replace(TokenKey.of(SEALER.header), sender="nagaoka"),)
    ),
    "a short key": a_token(keys=(msgspec.structs.replace(TokenKey.of(SEALER.header), enc="AAAA"),)),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_claims_that_contradict_each_other_are_neither_signed_nor_believed(what: str) -> None:
    token = CONTRADICTIONS[what]

    assert reason(lambda: SIGNER.issue(token)) == "token-claims"
    assert reason(lambda: verify(signed(encoded(claims_of(token))))) == "token-claims"


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token.replace(".", "", 1),
        lambda token: token + ".",
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.rpartition(".")[0] + "." + b64(bytes(63)),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.replace("e", "é", 1),
        lambda _token: "",
    ],
    ids=["two", "four", "padded", "feed", "blank", "short", "unsigned", "letter", "empty"],
)
def test_a_malformed_token_is_refused(change: Callable[[str], str]) -> None:
    token = change(SIGNER.issue(a_token()))

    assert reason(lambda: verify(token)) == "token-malformed"


def test_standard_base64_is_refused() -> None:
    head, payload, signature = SIGNER.issue(a_token()).split(".")
    raw = jwt.utils.base64url_decode(payload)
    assert urlsafe_b64encode(raw).rstrip(b"=").decode() == payload
    standard = b64encode(raw).decode()

    assert reason(lambda: verify(f"{head}.{standard}=.{signature}")) == "token-malformed"


def test_a_token_beyond_the_limit_is_refused_unread() -> None:
    assert reason(lambda: verify("x" * (512 * 1024 + 1))) == "token-too-large"
    items = tuple("項" * 40 for _ in range(100))
    large = a_permit(information=Information(term="T", scope="S", items=items))
    permits = [msgspec.structs.replace(large, permit_id=f"{n:032x}") for n in range(64)]
    assert reason(lambda: SIGNER.issue(a_token(*permits))) == "token-too-large"


def test_another_key_does_not_verify() -> None:
    token = SIGNER.issue(a_token())
    other = ec.generate_private_key(ec.SECP256R1()).public_key()

    assert reason(lambda: verify(token, keys={"p1": other})) == "token-signature"
    assert reason(lambda: verify(token, keys={"p2": KEY.public_key()})) == "token-key-unknown"
    wrong_curve = ec.generate_private_key(ec.SECP384R1())
    assert reason(lambda: verify(token, keys={"p1": wrong_curve.public_key()})) == (
        "token-key-unknown"
    )
    with pytest.raises(KeyMaterialError, match="key-malformed"):
        PermitSigner(wrong_curve, kid="p1")


def test_keys_may_be_asked_for_the_moment_of_issue() -> None:
    asked: list[datetime] = []

    def keys_at(moment: datetime) -> dict[str, ec.EllipticCurvePublicKey]:
        asked.append(moment)
        return KEYS

    verify(SIGNER.issue(a_token()), keys=keys_at)

    assert asked == [NOW.replace(microsecond=0)]


def test_a_mirrored_signature_still_means_the_same_claims() -> None:
    """ECDSA is malleable: that is why nothing keys on a token's bytes."""
    token = a_token()
    issued = SIGNER.issue(token)
    head, _, signature = issued.rpartition(".")
    raw = jwt.utils.base64url_decode(signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    mirrored = r.to_bytes(32, "big") + (order - s).to_bytes(32, "big")
    assert decode_dss_signature(encode_dss_signature(r, order - s)) == (r, order - s)

    assert verify(f"{head}.{b64(mirrored)}") == token


def test_a_signer_prints_masked() -> None:
    assert repr(SIGNER) == "PermitSigner(kid='p1', ***)"


def test_the_golden_token_verifies() -> None:
    path = Path(__file__).parents[2] / "vectors" / "permits" / "permits.json"
    vector = json.loads(path.read_text())
    key = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), bytes.fromhex(vector["public_key"])
    )

    claims = verify_permit_token(
        vector["token"],
        keys={vector["kid"]: key},
        issuer="core",
        audience="gunma-union",
        now=datetime.fromisoformat(vector["now"]),
    )

    assert claims_of(claims) == vector["claims"]
    assert jwt.get_unverified_header(vector["token"]) == vector["header"]


@pytest.mark.parametrize("text", ["two\nlines", "a\x00b", "\x7f", "", "x" * 201])
@pytest.mark.parametrize("member", ["procedure", "department"])
def test_a_term_is_a_name_without_control_characters(member: str, text: str) -> None:
    claims = claims_of(a_token())
    claims["permits"][0][member] = text

    assert reason(lambda: verify(signed(encoded(claims)))) == "token-claims"
