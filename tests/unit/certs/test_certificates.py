"""Network certificates: only what an organisation may pin about itself."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certs.certificates import (
    CertificateAuthority,
    issue_network_certificate,
    read_network_certificate,
)
from certs.errors import TlsError
from tests.unit.certs.networks import NOW

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "union")])
URI = "urn:sekisho:testnet:union:gateway"


def _made(
    *,
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | None = None,
    signer: ec.EllipticCurvePrivateKey | None = None,
    days: int = 90,
    ca: bool | None = False,
    uris: tuple[str, ...] = (URI,),
) -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(u) for u in uris]),
            critical=False,
        )
    )
    if ca is not None:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=ca, path_length=None), critical=True
        )
    used = signer or key
    algorithm = None if isinstance(used, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(used, algorithm).public_bytes(Encoding.DER)


def _reason(der: bytes) -> str:
    with pytest.raises(TlsError) as refusal:
        read_network_certificate(der, network="testnet", organisation="union", role="gateway")
    return refusal.value.reason


def test_an_issued_certificate_is_read_back() -> None:
    issued = issue_network_certificate(
        network="testnet", organisation="union", role="gateway", hosts=["127.0.0.1", "g"], now=NOW
    )
    der = issued.certificate.public_bytes(Encoding.DER)

    read = read_network_certificate(der, network="testnet", organisation="union", role="gateway")

    assert read.not_after - read.not_before == timedelta(days=90)
    assert read.sha256 == issued.certificate.fingerprint(hashes.SHA256()).hex()
    assert read.pem.encode() == issued.pem
    assert "PRIVATE" not in repr(issued)


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "p-384": (lambda: _made(key=ec.generate_private_key(ec.SECP384R1())), "not-p256"),
    "ed25519": (lambda: _made(key=ed25519.Ed25519PrivateKey.generate()), "not-p256"),
    "signed by another": (
        lambda: _made(signer=ec.generate_private_key(ec.SECP256R1())),
        "not-self-signed",
    ),
    "91 days": (lambda: _made(days=91), "lifetime"),
    "a ca": (lambda: _made(ca=True), "certificate-is-ca"),
    "no word whether a ca": (lambda: _made(ca=None), "certificate-malformed"),
    "nobody's": (lambda: _made(uris=()), "certificate-of-another"),
    "another network's": (
        lambda: _made(uris=("urn:sekisho:othernet:union:gateway",)),
        "certificate-of-another",
    ),
    "two names": (
        lambda: _made(uris=(URI, "urn:sekisho:testnet:nagaoka:gateway")),
        "certificate-of-another",
    ),
    "no certificate": (lambda: b"", "certificate-malformed"),
    "something large": (lambda: bytes(8193), "certificate-malformed"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_may_not_be_pinned_is_refused(what: str) -> None:
    make, reason = WRONG[what]

    assert _reason(make()) == reason


def test_a_key_of_a_kind_that_nobody_knows_is_refused() -> None:
    # Found by fuzzing: the object identifier of elliptic curve keys with one bit changed.
    known, unknown = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8658ce3d0201")
    der = _made()
    assert known in der

    assert _reason(der.replace(known, unknown)) == "certificate-malformed"


@pytest.mark.parametrize("days", [0, 91])
def test_a_lifetime_out_of_bounds_is_not_issued(days: int) -> None:
    with pytest.raises(TlsError) as refusal:
        issue_network_certificate(
            network="n", organisation="o", role="gateway", hosts=["h"], now=NOW, days=days
        )
    assert refusal.value.reason == "lifetime"


def test_a_certificate_names_at_least_one_host() -> None:
    authority = CertificateAuthority.create("union staff CA", now=NOW)

    with pytest.raises(TlsError) as refusal:
        authority.issue_server("union", hosts=[], now=NOW)
    assert refusal.value.reason == "host-count"
