import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.errors import KeyMaterialError, TokenError
from certs.tokens import (
    AccessToken,
    AssertionAlgorithm,
    ClientKey,
    claimed_client_id,
    token_digest,
    verify_client_assertion,
)
from codes.canonical import b64

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ENDPOINT = "https://gateway.example/oauth2/token"
AUDIENCES = frozenset({ENDPOINT, "https://gateway.example"})
SECRET = b"s" * 32
CLAIMS: dict[str, Any] = {
    "iss": "kokuho",
    "sub": "kokuho",
    "aud": ENDPOINT,
    "exp": SECONDS + 60,
    "iat": SECONDS,
    "jti": "0123456789abcdef",
}

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@lru_cache
def private_key(algorithm: AssertionAlgorithm) -> PrivateKey:
    if algorithm is AssertionAlgorithm.ES256:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm is AssertionAlgorithm.EDDSA:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


def pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def client_key(algorithm: AssertionAlgorithm, kid: str | None = None) -> ClientKey:
    if algorithm is AssertionAlgorithm.HS256:
        return ClientKey.from_secret(SECRET, kid=kid)
    return ClientKey.from_pem(algorithm, pem(private_key(algorithm)), kid=kid)


def assertion(
    algorithm: AssertionAlgorithm = AssertionAlgorithm.HS256,
    headers: dict[str, Any] | None = None,
    **changed: object,
) -> str:
    claims = {name: value for name, value in (CLAIMS | changed).items() if value is not None}
    signing = SECRET if algorithm is AssertionAlgorithm.HS256 else private_key(algorithm)
    return jwt.encode(claims, signing, algorithm=algorithm.value, headers=headers)


def raw_assertion(header: str, claims: str) -> str:
    """Return an HS256 assertion over exactly these texts."""
    signed = f"{b64(header.encode())}.{b64(claims.encode())}"
    hs256 = jwt.get_algorithm_by_name("HS256")
    return f"{signed}.{b64(hs256.sign(signed.encode(), SECRET))}"


def verify(
    token: str, algorithm: AssertionAlgorithm = AssertionAlgorithm.HS256, kid: str | None = None
) -> object:
    return verify_client_assertion(
        token,
        client_id="kokuho",
        key=client_key(algorithm, kid),
        audiences=AUDIENCES,
        now=NOW,
    )


def reason_of(token: str, **how: Any) -> str:
    with pytest.raises(TokenError) as refused:
        verify(token, **how)
    assert "kokuho" not in str(refused.value)
    return refused.value.reason


@pytest.mark.parametrize("algorithm", list(AssertionAlgorithm))
def test_an_assertion_under_the_registered_algorithm_is_taken(
    algorithm: AssertionAlgorithm,
) -> None:
    claims = verify_client_assertion(
        assertion(algorithm),
        client_id="kokuho",
        key=client_key(algorithm),
        audiences=AUDIENCES,
        now=NOW,
    )

    assert (claims.client_id, claims.jti) == ("kokuho", "0123456789abcdef")
    assert (claims.issued_at, claims.expires_at) == (NOW, NOW + timedelta(seconds=60))


@pytest.mark.parametrize("registered", list(AssertionAlgorithm))
@pytest.mark.parametrize("used", list(AssertionAlgorithm))
def test_an_assertion_under_any_other_algorithm_is_refused(
    registered: AssertionAlgorithm, used: AssertionAlgorithm
) -> None:
    if registered is not used:
        assert reason_of(assertion(used), algorithm=registered) == "wrong-algorithm"


def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    public = pem(private_key(AssertionAlgorithm.ES256))
    signed = f"{b64(json.dumps({'alg': 'HS256'}).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    # PyJWT refuses to sign so; an attacker would not ask it.
    forged = f"{signed}.{b64(hmac.digest(public, signed.encode(), hashlib.sha256))}"

    assert reason_of(forged, algorithm=AssertionAlgorithm.ES256) == "wrong-algorithm"


def test_an_unsigned_assertion_is_refused() -> None:
    token = raw_assertion('{"alg":"none","typ":"JWT"}', json.dumps(CLAIMS))

    assert reason_of(token.rpartition(".")[0] + ".") == "wrong-algorithm"
    assert reason_of(token) == "wrong-algorithm"


@pytest.mark.parametrize("algorithm", list(AssertionAlgorithm))
def test_one_changed_byte_of_the_signature_is_found(algorithm: AssertionAlgorithm) -> None:
    signed, _, signature = assertion(algorithm).rpartition(".")
    changed = ("B" if signature[0] == "A" else "A") + signature[1:]

    assert reason_of(f"{signed}.{changed}", algorithm=algorithm) == "signature"
    assert reason_of(f"{signed}.", algorithm=algorithm) == "signature"


def test_the_signature_of_another_assertion_does_not_fit() -> None:
    signature = assertion(jti="another-jti").rpartition(".")[2]
    signed = assertion().rpartition(".")[0]

    assert reason_of(f"{signed}.{signature}") == "signature"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "zeimu"}, "wrong-client"),
        ({"sub": "zeimu"}, "wrong-client"),
        ({"iss": "a b"}, "wrong-client"),
        ({"aud": "https://other.example"}, "wrong-audience"),
        ({"aud": [ENDPOINT]}, "wrong-audience"),
        ({"aud": ENDPOINT + "/"}, "wrong-audience"),
        ({"aud": 1}, "wrong-audience"),
        ({"exp": SECONDS}, "expired"),
        ({"exp": SECONDS - 1}, "expired"),
        ({"exp": SECONDS + 331}, "lifetime"),
        ({"exp": SECONDS + 20, "iat": SECONDS + 20}, "lifetime"),
        ({"iat": SECONDS + 31}, "not-yet-valid"),
        ({"nbf": SECONDS + 31}, "not-yet-valid"),
        ({"exp": SECONDS + 60.5}, "time-malformed"),
        ({"exp": -1}, "time-malformed"),
        ({"iat": True}, "time-malformed"),
        ({"exp": 2**53 - 1}, "time-malformed"),
        ({"jti": "short"}, "jti-malformed"),
        ({"jti": "x" * 129}, "jti-malformed"),
        ({"jti": "with blank"}, "jti-malformed"),
        ({"jti": 12345678}, "jti-malformed"),
        ({"iss": None}, "missing-claim"),
        ({"sub": None}, "missing-claim"),
        ({"aud": None}, "missing-claim"),
        ({"exp": None}, "missing-claim"),
        ({"iat": None}, "missing-claim"),
        ({"jti": None}, "missing-claim"),
        ({"scope": "all"}, "unknown-claim"),
    ],
    ids=str,
)
def test_a_claim_that_is_not_as_it_must_be_is_refused(changed: dict[str, Any], reason: str) -> None:
    signable = {name: value for name, value in (CLAIMS | changed).items() if value is not None}
    token = raw_assertion('{"alg":"HS256","typ":"JWT"}', json.dumps(signable))

    assert reason_of(token) == reason


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": SECONDS + 1, "iat": SECONDS - 299},
        {"exp": SECONDS + 330, "iat": SECONDS + 30},
        {"nbf": SECONDS + 30},
        {"aud": "https://gateway.example"},
        {"jti": "x" * 128},
    ],
    ids=str,
)
def test_a_claim_at_its_limit_is_taken(changed: dict[str, Any]) -> None:
    assert verify(assertion(**changed))


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"crit": ["b64"], "b64": False}, "crit-not-understood"),
        ({"crit": []}, "crit-not-understood"),
        ({"jwk": {}}, "unknown-header"),
        ({"jku": "https://attacker.example"}, "unknown-header"),
        ({"typ": "permit+jwt"}, "wrong-type"),
        ({"typ": 1}, "wrong-type"),
        ({"kid": "other"}, "wrong-key"),
    ],
    ids=str,
)
def test_a_header_that_is_not_as_it_must_be_is_refused(
    headers: dict[str, Any], reason: str
) -> None:
    token = raw_assertion(json.dumps({"alg": "HS256"} | headers), json.dumps(CLAIMS))

    assert reason_of(token, kid="2026") == reason


@pytest.mark.parametrize("typ", ["JWT", "jwt", "client-authentication+jwt"])
def test_the_types_of_a_client_assertion_are_taken(typ: str) -> None:
    assert verify(assertion(headers={"typ": typ, "kid": "2026"}), kid="2026")
    assert verify(assertion(headers={"typ": typ, "kid": "any"}))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        f"{assertion()}.",
        f"{assertion()}=",
        f" {assertion()}",
        f"{assertion()}\n",
        raw_assertion("[]", json.dumps(CLAIMS)),
        raw_assertion('{"alg":"HS256"}', "[]"),
        raw_assertion('{"alg":"HS256","alg":"HS256"}', json.dumps(CLAIMS)),
        raw_assertion('{"alg":"HS256"}', json.dumps(CLAIMS)[:-1] + ',"iss":"kokuho"}'),
        raw_assertion('{"alg":"HS256"}', json.dumps(CLAIMS | {"jti": "12345678\0"})),
        raw_assertion('{"alg":"HS256"}', json.dumps(CLAIMS | {"aud": [[["x"]]]})),
        "é.é.é",
    ],
    ids=[f"form {number}" for number in range(14)],
)
def test_an_assertion_of_another_form_is_refused(token: str) -> None:
    assert reason_of(token) == "assertion-malformed"


def test_an_oversized_assertion_is_not_parsed() -> None:
    assert reason_of("a" * 8193) == "too-large"
    assert reason_of("a" * 8192) == "assertion-malformed"


def test_the_claimed_client_is_told_before_anything_is_verified() -> None:
    signed = assertion().rpartition(".")[0]

    assert claimed_client_id(f"{signed}.AAAA") == "kokuho"
    with pytest.raises(TokenError) as refused:
        claimed_client_id(assertion(iss="a b"))
    assert refused.value.reason == "wrong-client"


WRONG_KEYS: dict[str, tuple[AssertionAlgorithm, Callable[[], bytes], str]] = {
    "another curve": (
        AssertionAlgorithm.ES256,
        lambda: pem(ec.generate_private_key(ec.SECP384R1())),
        "client-key-type",
    ),
    "another kind": (
        AssertionAlgorithm.EDDSA,
        lambda: pem(private_key(AssertionAlgorithm.ES256)),
        "client-key-type",
    ),
    "a weak key": (
        AssertionAlgorithm.PS256,
        lambda: pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        "client-key-type",
    ),
    "a public key as a secret": (
        AssertionAlgorithm.HS256,
        lambda: pem(private_key(AssertionAlgorithm.EDDSA)),
        "client-key-type",
    ),
    "no key": (AssertionAlgorithm.ES256, lambda: b"no key", "client-key-malformed"),
}


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_a_key_that_does_not_fit_its_algorithm_is_not_registered(name: str) -> None:
    algorithm, make, reason = WRONG_KEYS[name]

    with pytest.raises(KeyMaterialError) as refused:
        ClientKey.from_pem(algorithm, make())

    assert refused.value.reason == reason


def test_a_short_secret_is_not_registered() -> None:
    with pytest.raises(KeyMaterialError) as refused:
        ClientKey.from_secret(b"s" * 31)

    assert refused.value.reason == "client-secret-short"


def test_keys_and_tokens_print_masked() -> None:
    token = AccessToken.generate()

    assert repr(client_key(AssertionAlgorithm.HS256)) == "ClientKey(HS256, masked)"
    assert repr(token) == "AccessToken(masked)"
    assert token.text not in f"{token}"


def test_a_token_is_stored_as_its_digest() -> None:
    token = AccessToken.generate()

    assert len(token.text) == 43
    assert token.digest() == token_digest(token.text)
    assert len(token.digest()) == 32
    assert token.digest() != AccessToken.generate().digest()


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "*" * 43, "é" * 43, "A" * 42 + "B"])
def test_what_cannot_be_a_token_is_refused(text: str) -> None:
    with pytest.raises(TokenError) as refused:
        token_digest(text)

    assert refused.value.reason == "token-malformed"
