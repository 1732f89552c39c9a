"""X.509 certificates (PROTOCOL §1): self-issued ones of the network, CAs of the other listeners.

All keys are P-256. A network certificate is trusted because a key set lists it, never because of
who issued it; back office and staff listeners have small CAs of their own.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import TlsError
from certs.names import certificate_uri
from codes.canonical import b64

TLS_DAYS_MAX: Final = 90
CA_DAYS: Final = 3650
CLIENT_DAYS: Final = 90
BACKDATED: Final = timedelta(minutes=5)
"""Certificates begin a little early, so that a clock slightly behind accepts a fresh one."""
CERTIFICATE_BYTES_MAX: Final = 8192
HOSTS_MAX: Final = 32
_UNREADABLE: Final = (
    *(ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.UnsupportedGeneralNameType),
    *(x509.ExtensionNotFound, x509.DuplicateExtension),
)
"""What reading a certificate's parts raises; they are read when they are asked for."""
_SERVER_AND_CLIENT: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsCertificate:
    """A pinned network certificate: what the handshake is held against."""

    role: str
    der: bytes = field(repr=False)
    sha256: str
    not_before: datetime
    not_after: datetime

    @property
    def pem(self) -> str:
        """The certificate as PEM text."""
        certificate = x509.load_der_x509_certificate(self.der)
        return certificate.public_bytes(Encoding.PEM).decode("ascii")

    def to_json(self) -> dict[str, object]:
        """Return role and DER bytes as JSON members."""
        return {"role": self.role, "certificate": b64(self.der)}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A new certificate and its private key; the key prints masked."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateAuthority:
    """The CA of one listener of one organisation."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, name: str, *, now: datetime, days: int = CA_DAYS) -> Self:
        """Return a new CA that may issue end certificates and nothing else."""
        key = generate_private_key(SECP256R1())
        subject = _name(name)
        builder = _builder(subject, subject, key.public_key(), now=now, days=days)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        ).add_extension(_key_usage(ca=True), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        return cls(certificate=builder.sign(key, hashes.SHA256()), key=key)

    def issue_server(
        self, name: str, *, hosts: Sequence[str], now: datetime, days: int = TLS_DAYS_MAX
    ) -> IssuedCertificate:
        """Return a server certificate for these DNS names and IP addresses."""
        alternatives = _host_names(hosts)
        return self._issue(
            name, alternatives, usage=(ExtendedKeyUsageOID.SERVER_AUTH,), now=now, days=days
        )

    def issue_client(
        self, name: str, *, uri: str, now: datetime, days: int = CLIENT_DAYS
    ) -> IssuedCertificate:
        """Return a client certificate for a back-office system or a member of staff's device."""
        alternatives = [x509.UniformResourceIdentifier(uri)]
        return self._issue(
            name, alternatives, usage=(ExtendedKeyUsageOID.CLIENT_AUTH,), now=now, days=days
        )

    def _issue(
        self,
        name: str,
        alternatives: Sequence[x509.GeneralName],
        *,
        usage: Sequence[x509.ObjectIdentifier],
        now: datetime,
        days: int,
    ) -> IssuedCertificate:
        key = generate_private_key(SECP256R1())
        builder = _builder(
            _name(name), self.certificate.subject, key.public_key(), now=now, days=days
        )
        builder = _end_extensions(builder, alternatives, usage).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
            critical=False,
        )
        return IssuedCertificate(certificate=builder.sign(self.key, hashes.SHA256()), key=key)


def issue_network_certificate(
    *,
    network: str,
    organisation: str,
    role: str,
    hosts: Sequence[str],
    now: datetime,
    days: int = TLS_DAYS_MAX,
) -> IssuedCertificate:
    """Return a self-issued certificate for both directions of the network listener."""
    if not 1 <= days <= TLS_DAYS_MAX:
        raise TlsError("lifetime", f"network certificate: 1 to {TLS_DAYS_MAX} days")
    key = generate_private_key(SECP256R1())
    subject = _name(f"{organisation} {role}")
    uri = x509.UniformResourceIdentifier(certificate_uri(network, organisation, role))
    builder = _builder(subject, subject, key.public_key(), now=now, days=days)
    builder = _end_extensions(builder, [uri, *_host_names(hosts)], _SERVER_AND_CLIENT)
    return IssuedCertificate(certificate=builder.sign(key, hashes.SHA256()), key=key)


def read_network_certificate(
    der: bytes, *, network: str, organisation: str, role: str
) -> TlsCertificate:
    """Return the certificate if it is what this organisation may pin, else raise `TlsError`.

    Checked: P-256, self-signed, at most 90 days, no CA, and the URI that names the holder.
    """
    try:
        if len(der) > CERTIFICATE_BYTES_MAX:
            raise TlsError("certificate-malformed", f"at most {CERTIFICATE_BYTES_MAX} bytes")
        certificate = x509.load_der_x509_certificate(der)
        _require_self_signed(certificate)
        _require_end_certificate(certificate)
        uris = _alternatives(certificate).get_values_for_type(x509.UniformResourceIdentifier)
    except _UNREADABLE as error:
        raise TlsError("certificate-malformed", f"{organisation} {role}") from error
    if uris != [certificate_uri(network, organisation, role)]:
        raise TlsError("certificate-of-another", f"{organisation} {role}")
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if not timedelta(0) < lifetime <= timedelta(days=TLS_DAYS_MAX):
        raise TlsError("lifetime", f"{organisation} {role}: at most {TLS_DAYS_MAX} days")
    return TlsCertificate(
        role=role,
        der=der,
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _require_self_signed(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise TlsError("not-p256", "network certificate")
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, TypeError) as error:
        raise TlsError("not-self-signed", "network certificate") from error


def _require_end_certificate(certificate: x509.Certificate) -> None:
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    if constraints.ca:
        # A pinned CA would let its holder bring certificates that no key set lists.
        raise TlsError("certificate-is-ca", "network certificate")


def _alternatives(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: EllipticCurvePublicKey,
    *,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    begins = now.replace(microsecond=0) - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
    )


def _end_extensions(
    builder: x509.CertificateBuilder,
    alternatives: Sequence[x509.GeneralName],
    usage: Sequence[x509.ObjectIdentifier],
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(list(usage)), critical=False)
        .add_extension(x509.SubjectAlternativeName(list(alternatives)), critical=False)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    # X.520 allows 64 characters; the URI carries the name in full.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _host_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    if not 1 <= len(hosts) <= HOSTS_MAX:
        raise TlsError("host-count", f"1 to {HOSTS_MAX} DNS names or IP addresses")
    return [_host_name(host) for host in hosts]


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
