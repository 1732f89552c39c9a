"""An organisation's own key directory: what its running gateway reads, and what may stay offline.

    organisation-key/     the organisation key: signs key sets, may be taken offline
    spare-certificate/    the core's alone: what it shows when the one in use was stolen, likewise
    keys/                 what the running gateway reads, and nothing above it
      root.json           the pinned root          directory.json, allow-list.json  first copies
      key-sets/00001.json …                        the signed public halves, whole and in order
      log/<id>/  witness/<id>/  sealing/<id>.key   private halves, old and new side by side
      tls/network-<id>.*                           TLS between parties, likewise
      tls/backoffice*.*  staff*.*                  PEM: certificates, keys, CAs
      permit/<kid>.key.pem                         the core's alone
      directory-key/                               the core's alone: signs directory and allow list

Directories have mode 0700, private files 0600. A private half lies under the id of its public
one, so that the next keys can lie ready beside those in use; one that does not belong to its id,
and a newest key set without its private halves, are refused at load.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Self, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from certs.certificates import CertificateAuthority, IssuedCertificate
from certs.documents import DocumentSigner, read_document
from certs.errors import KeyMaterialError
from certs.key_files import (
    make_private_directory,
    private_pem,
    read_mldsa44,
    read_p256,
    read_pair,
    read_private,
    write_file,
    write_mldsa44,
    write_pair,
    write_private,
)
from certs.keysets import KEY_SET_TYPE, KeySet, read_chain
from certs.log_keys import LogPublicKeys, LogSigner, WitnessKey, WitnessPublicKey
from certs.organisations import PermitPublicKey
from certs.roots import Root
from certs.sealing import SealingPrivateKey
from codes.canonical import b64, parse_canonical, unb64
from codes.errors import CodesError

KEYS: Final = "keys"
ORGANISATION_KEY: Final = "organisation-key"
DIRECTORY_KEY: Final = "directory-key"
KEY_SETS: Final = "key-sets"
LOG: Final = "log"
WITNESS: Final = "witness"
NETWORK_FILES: Final = "network-"
ID_DIGITS: Final = 16
_CERTIFICATE: Final = ".cert.pem"
_Public = TypeVar("_Public")
_Private = TypeVar("_Private")
LISTENERS: Final = ("backoffice", "staff")
"""Listeners with a CA of their own."""
PUBLIC_DOCUMENT_BYTES_MAX: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """Where a TLS context finds a certificate and its key: OpenSSL reads them itself."""

    certificate: Path
    key: Path

    def load(self) -> IssuedCertificate:
        """Return certificate and key, or raise `KeyMaterialError` if they are not one pair."""
        certificate = read_certificate(self.certificate)
        key = read_p256(self.key)
        if certificate.public_key() != key.public_key():
            raise KeyMaterialError("key-of-another", self.certificate.name)
        return IssuedCertificate(certificate=certificate, key=key)

    def store(self, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
        """Write both as PEM, the key with mode 0600."""
        issued = IssuedCertificate(certificate=certificate, key=key)
        write_private(self.key, private_pem(key))
        write_file(self.certificate, issued.pem)


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitKey:
    """The core's private permit key (ES256) and the name tokens call it by."""

    kid: str
    key: EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKeySet:
    """What a running gateway holds: its key sets and the private halves of the newest."""

    directory: Path
    network: str
    organisation: str
    root: Root
    key_sets: tuple[KeySet, ...]
    logs: Mapping[LogPublicKeys, LogSigner] = field(repr=False)
    witnesses: Mapping[WitnessPublicKey, WitnessKey] = field(repr=False)
    certificates: Mapping[str, CertificateFiles] = field(repr=False)
    """Hex SHA-256 → where certificate and key lie."""
    sealing: Mapping[str, SealingPrivateKey] = field(repr=False)
    """Key id → private half, retired ones included until they are destroyed."""
    permit_keys: Mapping[str, PermitKey] = field(repr=False)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Return what the `keys` directory holds, or raise `KeyMaterialError` or another refusal.

        Refused: files others may read, and private halves that the newest key set does not list.
        """
        root = read_root(directory / "root.json")
        key_sets = read_own_key_sets(directory, network=root.network)
        newest = key_sets[-1]
        own = cls(
            directory=directory,
            network=root.network,
            organisation=newest.organisation,
            root=root,
            key_sets=key_sets,
            logs={key.public: key for key in _read_logs(directory)},
            witnesses={key.public: key for key in _read_witnesses(directory)},
            certificates=dict(_read_certificates(directory)),
            sealing={path.stem: _read_sealing(path) for path in _files(directory, "sealing")},
            permit_keys={
                kid: PermitKey(kid=kid, key=read_p256(path))
                for path in _files(directory, "permit")
                for kid in [path.name.removesuffix(".key.pem")]
            },
        )
        own._require_belonging()
        return own

    @property
    def key_set(self) -> KeySet:
        """The newest key set."""
        return self.key_sets[-1]

    @property
    def log(self) -> LogSigner:
        """The log key of the newest key set."""
        return self.log_of(self.key_set)

    @property
    def witness(self) -> WitnessKey:
        """The witness key of the newest key set."""
        return self.witness_of(self.key_set)

    @property
    def network_certificate(self) -> CertificateFiles:
        """TLS certificate and key of the newest key set, for both directions."""
        return self.certificate_of(self.key_set)

    def log_of(self, key_set: KeySet) -> LogSigner:
        """Return the private half of a key set's log key, or raise `KeyMaterialError`."""
        return _held(self.logs, key_set.log, "log key")

    def witness_of(self, key_set: KeySet) -> WitnessKey:
        """Return the private half of a key set's witness key, or raise `KeyMaterialError`."""
        return _held(self.witnesses, key_set.witness, "witness key")

    def certificate_of(self, key_set: KeySet) -> CertificateFiles:
        """Return the first certificate of a key set whose private half lies here, or raise."""
        for certificate in key_set.tls:
            if certificate.sha256 in self.certificates:
                return self.certificates[certificate.sha256]
        raise KeyMaterialError("key-of-another", "network certificate: not in the key set")

    def listener_certificate(self, listener: str) -> CertificateFiles:
        """Server certificate and key of the back-office or staff listener."""
        return certificate_files(self.directory, listener)

    def listener_ca(self, listener: str) -> Path:
        """The CA certificate that clients of a listener are checked against, as a PEM file."""
        return certificate_files(self.directory, f"{listener}-ca").certificate

    def permit_key_at(self, published: tuple[PermitPublicKey, ...], now: datetime) -> PermitKey:
        """Return the private permit key to sign with: the latest begun that is published."""
        valid = [key for key in published if key.holds_at(now) and key.kid in self.permit_keys]
        if not valid:
            raise KeyMaterialError("no-permit-key", "none is in force")
        return self.permit_keys[max(valid, key=lambda key: (key.not_before, key.kid)).kid]

    def _require_belonging(self) -> None:
        self.log_of(self.key_set)
        self.witness_of(self.key_set)
        self.network_certificate.load()
        # Those before it are destroyed when nothing that is sealed to them can come any more.
        newest = self.key_set.newest_sealing
        if newest.key_id not in self.sealing:
            raise KeyMaterialError("key-file-unreadable", f"sealing key {newest.key_id[:16]}")


def certificate_files(directory: Path, name: str) -> CertificateFiles:
    """Return where certificate and key of that name lie under a `keys` directory."""
    return CertificateFiles(
        certificate=directory / "tls" / f"{name}{_CERTIFICATE}",
        key=directory / "tls" / f"{name}.key.pem",
    )


def load_ca(directory: Path, listener: str) -> CertificateAuthority:
    """Return the CA of a listener from a `keys` directory."""
    if listener not in LISTENERS:
        raise KeyMaterialError("unknown-listener", "back office and staff have CAs")
    issued = certificate_files(directory, f"{listener}-ca").load()
    return CertificateAuthority(certificate=issued.certificate, key=issued.key)


def load_organisation_key(organisation_directory: Path) -> DocumentSigner:
    """Return the organisation key that signs key sets."""
    return DocumentSigner.from_bytes(read_pair(organisation_directory / ORGANISATION_KEY))


def load_directory_key(keys: Path) -> DocumentSigner:
    """Return the core's directory key."""
    return DocumentSigner.from_bytes(read_pair(keys / DIRECTORY_KEY))


def read_root(path: Path) -> Root:
    """Return the root pinned in a file."""
    return Root.parse(read_public(path))


def read_own_key_sets(directory: Path, *, network: str) -> tuple[KeySet, ...]:
    """Return an organisation's own key sets from its `keys` directory, chain verified."""
    raws = [read_public(path) for path in _files(directory, KEY_SETS)]
    if not raws:
        raise KeyMaterialError("key-file-unreadable", KEY_SETS)
    organisation = read_document(raws[0], type_=KEY_SET_TYPE).signed.get("organisation")
    try:
        values = [parse_canonical(raw, bytes_max=PUBLIC_DOCUMENT_BYTES_MAX) for raw in raws]
    except CodesError as error:
        raise KeyMaterialError(error.reason, KEY_SETS) from error
    return read_chain(values, network=network, organisation=str(organisation))


def read_public(path: Path) -> bytes:
    """Return the bytes of a public document, or raise `KeyMaterialError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyMaterialError("key-file-unreadable", path.name) from error


def read_certificate(path: Path) -> x509.Certificate:
    """Return the certificate in a PEM file, or raise `KeyMaterialError`."""
    try:
        return x509.load_pem_x509_certificate(read_public(path))
    except ValueError as error:
        raise KeyMaterialError("key-malformed", path.name) from error


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the hex SHA-256 that a certificate is pinned by."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def log_key_place(directory: Path, public: LogPublicKeys) -> Path:
    """Return the folder of a log key's private half."""
    return directory / LOG / _id_of(public.ed25519 + public.mldsa44)


def witness_key_place(directory: Path, public: WitnessPublicKey) -> Path:
    """Return the folder of a witness key's private half."""
    return directory / WITNESS / _id_of(public.mldsa44)


def store_log_key(directory: Path, key: LogSigner) -> None:
    """Write the private half that signs records."""
    write_pair(log_key_place(directory, key.public), key.to_bytes())


def store_witness_key(directory: Path, key: WitnessKey) -> None:
    """Write the private half that cosigns for others."""
    write_mldsa44(witness_key_place(directory, key.public), key.to_bytes())


def store_network_certificate(directory: Path, issued: IssuedCertificate) -> None:
    """Write a certificate for TLS between parties, and its key."""
    name = NETWORK_FILES + fingerprint(issued.certificate)[:ID_DIGITS]
    certificate_files(directory, name).store(issued.certificate, issued.key)


def store_sealing_key(directory: Path, key: SealingPrivateKey) -> None:
    """Write a sealing key under its id."""
    content = b64(key.to_bytes()).encode("ascii") + b"\n"
    write_private(directory / "sealing" / f"{key.key_id}.key", content)


def store_key_set(directory: Path, raw: bytes, *, version: int) -> None:
    """Write a signed key set beside those before it."""
    place = make_private_directory(directory / KEY_SETS)
    write_file(place / f"{version:05d}.json", raw)


def _held(halves: Mapping[_Public, _Private], public: _Public, what: str) -> _Private:
    try:
        return halves[public]
    except KeyError:
        raise KeyMaterialError("key-of-another", f"{what}: not in the key set") from None


def _read_logs(directory: Path) -> Iterator[LogSigner]:
    for place in _files(directory, LOG):
        key = LogSigner.from_bytes(read_pair(place))
        if log_key_place(directory, key.public) != place:
            raise KeyMaterialError("key-of-another", f"log key {place.name}")
        yield key


def _read_witnesses(directory: Path) -> Iterator[WitnessKey]:
    for place in _files(directory, WITNESS):
        key = WitnessKey.from_bytes(read_mldsa44(place))
        if witness_key_place(directory, key.public) != place:
            raise KeyMaterialError("key-of-another", f"witness key {place.name}")
        yield key


def _read_certificates(directory: Path) -> Iterator[tuple[str, CertificateFiles]]:
    for path in _files(directory, "tls"):
        if path.name.startswith(NETWORK_FILES) and path.name.endswith(_CERTIFICATE):
            files = certificate_files(directory, path.name.removesuffix(_CERTIFICATE))
            # Without its key it is one whose private half was destroyed.
            if files.key.exists():
                yield fingerprint(files.load().certificate), files


def _id_of(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:ID_DIGITS]


def _read_sealing(path: Path) -> SealingPrivateKey:
    try:
        key = SealingPrivateKey.from_bytes(unb64(read_private(path).decode("ascii").strip()))
    except (CodesError, UnicodeDecodeError) as error:
        raise KeyMaterialError("key-malformed", path.name) from error
    if key.key_id != path.stem:
        raise KeyMaterialError("key-of-another", f"sealing key {path.stem[:16]}")
    return key


def _files(directory: Path, name: str) -> list[Path]:
    place = directory / name
    if not place.is_dir():
        return []
    # A draft left by a crash begins with a full stop and never counts.
    return sorted(path for path in place.iterdir() if not path.name.startswith("."))
