"""Client certificates of the back-office and staff listeners, issued by a listener's own CA."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes

from certs.certificates import CLIENT_DAYS
from certs.errors import TlsError
from certs.own_keys import CertificateFiles, load_ca, read_own_key_sets, read_root

CLIENT_DAYS_MAX: Final = 400
_CLIENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A client certificate as it was issued: where it lies and what it is known by."""

    files: CertificateFiles
    uri: str
    sha256: str
    not_after: datetime


def issue_client_files(
    keys: Path,
    name: str,
    *,
    target: Path,
    now: datetime,
    listener: str = "backoffice",
    days: int = CLIENT_DAYS,
) -> ClientCertificate:
    """Issue a client certificate of a listener's CA into `target`; return what it is known by.

    `keys` is the organisation's `keys` directory. Raises `TlsError` for a name that is not
    `[a-z0-9-]`, for a lifetime out of bounds, and where such a client has a key already.
    """
    if not _CLIENT_NAME.fullmatch(name):
        raise TlsError("name-malformed", "client certificate")
    if not 1 <= days <= CLIENT_DAYS_MAX:
        raise TlsError("lifetime", f"client certificate: 1 to {CLIENT_DAYS_MAX} days")
    files = CertificateFiles(
        certificate=target / f"{name}.cert.pem", key=target / f"{name}.key.pem"
    )
    if files.key.exists():
        raise TlsError("key-exists", files.key.name)
    own = read_own_key_sets(keys, network=read_root(keys / "root.json").network)[-1]
    uri = f"urn:sekisho:{own.network}:{own.organisation}:{listener}:{name}"
    issued = load_ca(keys, listener).issue_client(name, uri=uri, now=now, days=days)
    files.store(issued.certificate, issued.key)
    return ClientCertificate(
        files=files,
        uri=uri,
        sha256=issued.certificate.fingerprint(hashes.SHA256()).hex(),
        not_after=issued.certificate.not_valid_after_utc,
    )
