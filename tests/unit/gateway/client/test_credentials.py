"""Credentials as files: used as they say, refused without telling a secret."""

import hmac
import json
import ssl
from pathlib import Path

import pytest

from certs.client_keys import AssertionKey
from certs.tokens import AssertionAlgorithm, ClientKey, verify_client_assertion
from codes.canonical import b64
from gateway.client.credentials import Credentials, CredentialsError, Sign, read_credentials
from gateway.clock import SystemClock

SECRET = b"s" * 32
MEMBERS = {
    "url": "https://127.0.0.1:8441/",
    "client_id": "kokuho",
    "audience": "urn:sekisho:test:nagaoka:backoffice",
    "algorithm": "HS256",
    "certificate": "kokuho.cert.pem",
    "private_key": "kokuho.key.pem",
    "ca": "ca.cert.pem",
    "secret": b64(SECRET),
}


def written(folder: Path, **changed: object) -> Path:
    path = folder / "credentials.json"
    members = {name: text for name, text in (MEMBERS | changed).items() if text is not None}
    path.write_text(json.dumps(members))
    return path


def test_paths_are_those_beside_the_file(tmp_path: Path) -> None:
    found = read_credentials(written(tmp_path))

    assert found.certificate == tmp_path / "kokuho.cert.pem"
    assert b64(SECRET) not in repr(found)


@pytest.mark.parametrize(
    "changed", [{"url": None}, {"unknown": 1}, {"ca": ""}, {"ca": 1}, {"secret": "short"}]
)
def test_a_file_of_another_shape_is_refused_without_its_secret(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    with pytest.raises(CredentialsError) as refused:
        read_credentials(written(tmp_path, **changed))

    assert b64(SECRET) not in str(refused.value)


def test_a_file_that_is_not_there_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError):
        read_credentials(tmp_path / "missing.json")
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(CredentialsError):
        read_credentials(tmp_path / "text.json")


def test_a_key_needs_somebody_to_sign_with_it(tmp_path: Path) -> None:
    path = written(tmp_path, secret=None, algorithm="ES256", assertion_key="assertion.key.pem")

    with pytest.raises(CredentialsError, match="sign"):
        Credentials.load(path)


def test_missing_certificates_are_named_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="certificate, key or CA"):
        Credentials.load(written(tmp_path))


KEY = AssertionKey.generate()
SIGNERS: list[tuple[Sign, ClientKey]] = [
    (KEY.sign, ClientKey.from_pem(AssertionAlgorithm.ES256, KEY.public_pem.encode())),
    (lambda signed: hmac.digest(SECRET, signed, "sha256"), ClientKey.from_secret(SECRET)),
]


@pytest.mark.parametrize(("sign", "verifier"), SIGNERS, ids=["key", "secret"])
def test_what_the_client_signs_the_gateway_verifies(sign: Sign, verifier: ClientKey) -> None:
    credentials = Credentials(
        url="https://127.0.0.1",
        client_id="kokuho",
        audience="urn:sekisho:test:nagaoka:backoffice",
        algorithm=verifier.algorithm.value,
        tls=ssl.create_default_context(),
        sign=sign,
    )

    verified = verify_client_assertion(
        credentials.assertion(jti="0123456789abcdef"),
        client_id="kokuho",
        key=verifier,
        audiences=frozenset({credentials.audience}),
        now=SystemClock().now(),
    )

    assert verified.jti == "0123456789abcdef"


def test_an_assertion_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "assertion.key.pem"
    key = AssertionKey.generate()

    key.store(path)

    assert path.stat().st_mode & 0o077 == 0
    assert AssertionKey.load(path).public_pem == key.public_pem
    assert "masked" in repr(key)
