"""New keys for old ones: key sets, permit key, directory key and root, each in its chain.

An organisation renews its own key set and hands the signed document to the core, which publishes
it (`DirectoryChanges.key_sets`); the core cannot make one. Everything renewed keeps its
predecessor alive for as long as others may still need it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.certificates import (
    BACKDATED,
    TlsCertificate,
    issue_network_certificate,
    read_network_certificate,
)
from certs.directory import Directory
from certs.documents import DocumentSigner
from certs.errors import KeyMaterialError
from certs.key_files import read_pair, write_file, write_pair
from certs.keysets import SealingPublicKey
from certs.network import KEY_SET_DAYS, ROOT_DAYS, make_permit_key, make_sealing_key
from certs.network import new_directory_key as sign_directory_key
from certs.own_keys import (
    DIRECTORY_KEY,
    KEYS,
    ORGANISATION_KEY,
    PrivateKeySet,
    certificate_files,
    load_organisation_key,
    read_certificate,
    store_key_set,
)
from certs.publish import DirectoryChanges, core_keys, publish_directory, read_directory
from certs.roots import Root

SEALING_KEY_KEPT: Final = timedelta(days=30)
"""How long a sealing key stays listed after its successor came (PROTOCOL §1)."""
NEXT_CERTIFICATE: Final = "network-next"
_NEXT: Final = "-next"
"""A new private half is on disk under this name before anything public names it."""


def renew_key_set(
    own_directory: Path, *, now: datetime, new_organisation_key: bool = False
) -> bytes:
    """Make, sign and store an organisation's next key set; return its document for the core.

    It brings a new TLS certificate, stored beside the one in use (`take_up_certificate`), and a
    new sealing key; the ones before stay listed. Log and witness keys stay the same.
    """
    keys = own_directory / KEYS
    own = PrivateKeySet.load(keys)
    before = own.key_set
    signer = load_organisation_key(own_directory)
    following_signer = DocumentSigner.generate() if new_organisation_key else signer
    current = own.network_certificate.load().certificate
    begins = max(now - BACKDATED, before.not_before)
    following = replace(
        before,
        version=before.version + 1,
        previous=before.digest,
        not_before=begins,
        not_after=begins + timedelta(days=KEY_SET_DAYS),
        tls=(_next_certificate(own, current, now), _read(own, current)),
        sealing=(make_sealing_key(keys, now=now), *_kept(before.sealing, now)),
        organisation_key=following_signer.public,
    )
    document = following.sign(following_signer, previous_signer=signer)
    if new_organisation_key:
        write_pair(own_directory / f"{ORGANISATION_KEY}{_NEXT}", following_signer.to_bytes())
    store_key_set(keys, document, version=following.version)
    if new_organisation_key:
        write_pair(own_directory / ORGANISATION_KEY, following_signer.to_bytes())
    return document


def take_up_certificate(own_directory: Path) -> None:
    """Make the renewed TLS certificate the one in use, once the directory lists it everywhere."""
    keys = own_directory / KEYS
    following = certificate_files(keys, NEXT_CERTIFICATE).load()
    certificate_files(keys, "network").store(following.certificate, following.key)


def renew_permit_key(network_dir: Path, *, now: datetime) -> Directory:
    """Give the core a further permit key and publish it; older ones stay while they last."""
    added = make_permit_key(core_keys(network_dir), now=now)
    return publish_directory(network_dir, changes=DirectoryChanges(permit_keys=(added,)), now=now)


def renew_directory_key(network_dir: Path, *, now: datetime) -> Directory:
    """Make a new directory key, vouched for by the offline root, and publish with it."""
    keys = core_keys(network_dir)
    root = DocumentSigner.from_bytes(read_pair(network_dir / "root"))
    current = read_directory(keys)
    key = DocumentSigner.generate()
    document = sign_directory_key(
        current.network, key, root, version=current.directory_key.version + 1, now=now
    )
    changes = DirectoryChanges(directory_key=document)
    write_pair(keys / f"{DIRECTORY_KEY}{_NEXT}", key.to_bytes())
    directory = publish_directory(network_dir, changes=changes, now=now, signer=key)
    write_pair(keys / DIRECTORY_KEY, key.to_bytes())
    return directory


def renew_root(network_dir: Path, *, now: datetime) -> Directory:
    """Make the next root, signed by the one before, and a directory key under it; publish both.

    Sites that pinned an earlier root follow the chain; `root/` then holds the new one.
    """
    keys = core_keys(network_dir)
    before_signer = DocumentSigner.from_bytes(read_pair(network_dir / "root"))
    current = read_directory(keys)
    before = current.root
    if before_signer.public != before.key:
        raise KeyMaterialError("key-of-another", "root: not the newest root's key")
    root_signer, key = DocumentSigner.generate(), DocumentSigner.generate()
    begins = now - BACKDATED
    root = Root(
        network=before.network,
        version=before.version + 1,
        key=root_signer.public,
        not_before=begins,
        not_after=begins + timedelta(days=ROOT_DAYS),
        previous=before.digest,
    )
    root_document = root.sign(root_signer, previous=before_signer)
    version = current.directory_key.version + 1
    write_pair(network_dir / f"root{_NEXT}", root_signer.to_bytes())
    changes = DirectoryChanges(
        root=root_document,
        directory_key=sign_directory_key(
            current.network, key, root_signer, version=version, now=now
        ),
    )
    write_pair(keys / f"{DIRECTORY_KEY}{_NEXT}", key.to_bytes())
    directory = publish_directory(network_dir, changes=changes, now=now, signer=key)
    write_pair(keys / DIRECTORY_KEY, key.to_bytes())
    write_pair(network_dir / "root", root_signer.to_bytes())
    write_file(network_dir / "root" / "root.json", root_document)
    return directory


def _next_certificate(
    own: PrivateKeySet, current: x509.Certificate, now: datetime
) -> TlsCertificate:
    role = own.key_set.tls[0].role
    issued = issue_network_certificate(
        network=own.network,
        organisation=own.organisation,
        role=role,
        hosts=_hosts(current),
        now=now,
    )
    files = certificate_files(own.directory, NEXT_CERTIFICATE)
    files.store(issued.certificate, issued.key)
    return _read(own, read_certificate(files.certificate))


def _read(own: PrivateKeySet, certificate: x509.Certificate) -> TlsCertificate:
    return read_network_certificate(
        certificate.public_bytes(Encoding.DER),
        network=own.network,
        organisation=own.organisation,
        role=own.key_set.tls[0].role,
    )


def _hosts(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return addresses + names.get_values_for_type(x509.DNSName)


def _kept(keys: tuple[SealingPublicKey, ...], now: datetime) -> list[SealingPublicKey]:
    # Answers to what was asked before come sealed to the key that was named then.
    return [
        replace(key, not_after=min(key.not_after, now + SEALING_KEY_KEPT))
        for key in keys
        if now < key.not_after
    ]
