"""The core's spare certificate: everybody pins it, and its private half stays offline.

Everybody fetches the directory by the core's TLS certificate. Were it stolen and listed no longer,
whoever has not fetched that directory yet would not believe the new one either. So each of the
core's key sets lists one more, which nobody has seen a private half of: to revoke is to show that
one. It lies beside the organisation key, outside of what the running core reads:

    spare-certificate/network-<id>.cert.pem, .key.pem
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from certs.certificates import IssuedCertificate, TlsCertificate
from certs.errors import KeyMaterialError
from certs.key_files import make_private_directory, overwrite_and_unlink
from certs.own_keys import (
    ID_DIGITS,
    NETWORK_FILES,
    CertificateFiles,
    fingerprint,
    store_network_certificate,
)

SPARE: Final = "spare-certificate"
_CERTIFICATE: Final = ".cert.pem"


def store_spare(own_directory: Path, issued: IssuedCertificate) -> None:
    """Keep a certificate and its private half where the running core does not read."""
    name = NETWORK_FILES + fingerprint(issued.certificate)[:ID_DIGITS]
    make_private_directory(own_directory / SPARE)
    _files(own_directory, name).store(issued.certificate, issued.key)


def take_spare(
    own_directory: Path, keys: Path, listed: Collection[TlsCertificate]
) -> TlsCertificate:
    """Put the spare that is listed, and so pinned everywhere, where the running core reads.

    Raises `KeyMaterialError`: `no-spare-certificate` if the private half of none lies here.
    """
    for certificate in listed:
        files = _files(own_directory, NETWORK_FILES + certificate.sha256[:ID_DIGITS])
        if files.key.exists():
            issued = files.load()
            if fingerprint(issued.certificate) == certificate.sha256:
                store_network_certificate(keys, issued)
                return certificate
    raise KeyMaterialError("no-spare-certificate", f"bring {SPARE} back beside the keys")


def forget_spares(own_directory: Path, waiting: Collection[TlsCertificate]) -> None:
    """Destroy every spare that is none any more: it is in use, or nobody pins it."""
    names = {NETWORK_FILES + certificate.sha256[:ID_DIGITS] for certificate in waiting}
    for path in sorted((own_directory / SPARE).glob(f"*{_CERTIFICATE}")):
        name = path.name.removesuffix(_CERTIFICATE)
        if name not in names:
            overwrite_and_unlink(_files(own_directory, name).key)
            path.unlink()


def _files(own_directory: Path, name: str) -> CertificateFiles:
    place = own_directory / SPARE
    return CertificateFiles(
        certificate=place / f"{name}{_CERTIFICATE}", key=place / f"{name}.key.pem"
    )
