"""Credentials for a back-office client: certificate, assertion key, and the file that names them.

Made on the gateway's own machine by its operator and carried to the client by hand; the gateway
itself learns the public half alone, or the secret where the client can sign with nothing else.
"""

import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from secrets import token_bytes
from typing import Final

import msgspec

from certs.client_keys import AssertionKey
from certs.clients import ClientCertificate, issue_client_files
from certs.key_files import make_private_directory, write_private
from certs.own_keys import certificate_files
from certs.tokens import CLIENT_SECRET_BYTES_MIN, AssertionAlgorithm
from codes.canonical import b64
from gateway.client.credentials import Credentials, CredentialsFile, read_credentials

FILE: Final = "credentials.json"
ASSERTION_KEY: Final = "assertion.key.pem"
CA_FILE: Final = "ca.cert.pem"
LISTENER: Final = "backoffice"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCredentials:
    """What was written, and what of it the gateway must be told (`proof`, `certificate_uri`)."""

    file: Path
    certificate: ClientCertificate
    proof: dict[str, str] = field(repr=False)

    def discard(self) -> None:
        """Take everything away again: the gateway does not know the client."""
        files = self.certificate.files
        for path in (
            self.file,
            files.certificate,
            files.key,
            self.file.with_name(ASSERTION_KEY),
            self.file.with_name(CA_FILE),
        ):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a client finds its gateway: address, and the name its token endpoint goes by."""

    url: str
    issuer: str


def issue_credentials(
    keys: Path, client_id: str, *, target: Path, place: Place, now: datetime, with_secret: bool
) -> IssuedCredentials:
    """Write a client's certificate, key and credentials file into `target`.

    Raises:
        TlsError: the client has a key there already, or the name is none.
    """
    make_private_directory(target)
    certificate = issue_client_files(keys, client_id, target=target, now=now)
    shutil.copyfile(certificate_files(keys, f"{LISTENER}-ca").certificate, target / CA_FILE)
    members: dict[str, object] = {
        "url": place.url,
        "client_id": client_id,
        "audience": place.issuer,
        "certificate": certificate.files.certificate.name,
        "private_key": certificate.files.key.name,
        "ca": CA_FILE,
    }
    more, proof = _proof(target, with_secret=with_secret)
    write_private(target / FILE, msgspec.json.format(msgspec.json.encode(members | more)) + b"\n")
    return IssuedCredentials(file=target / FILE, certificate=certificate, proof=proof)


def renew_proof(file: Path, *, with_secret: bool) -> dict[str, str]:
    """Put another assertion key or secret beside a credentials file; return its public part."""
    read_credentials(file)
    members = msgspec.json.decode(file.read_bytes(), type=dict[str, object])
    for name in ("assertion_key", "secret"):
        members.pop(name, None)
    more, proof = _proof(file.parent, with_secret=with_secret)
    write_private(file, msgspec.json.format(msgspec.json.encode(members | more)) + b"\n")
    return proof


def load_credentials(file: Path) -> Credentials:
    """Return a client's credentials ready to be used, whichever way it signs.

    Raises:
        CredentialsError, KeyMaterialError: a file is missing, open to others, or no key.
    """
    found: CredentialsFile = read_credentials(file)
    if found.assertion_key is None:
        return Credentials.load(file)
    return Credentials.load(file, sign=AssertionKey.load(found.assertion_key).sign)


def _proof(target: Path, *, with_secret: bool) -> tuple[dict[str, object], dict[str, str]]:
    """Return what the credentials file says of the proof, and what the gateway is told."""
    if with_secret:
        secret = b64(token_bytes(CLIENT_SECRET_BYTES_MIN))
        algorithm = AssertionAlgorithm.HS256.value
        told = {"algorithm": algorithm, "secret": secret}
        return dict(told), told
    key = AssertionKey.generate()
    key.store(target / ASSERTION_KEY)
    algorithm = key.algorithm.value
    return (
        {"algorithm": algorithm, "assertion_key": ASSERTION_KEY},
        {"algorithm": algorithm, "public_key": key.public_pem},
    )
