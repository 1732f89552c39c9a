"""New keys for old ones: key sets, permit key, directory key and root, each in its chain.

An organisation renews its own key set and hands the signed document to the core, which publishes
it (`DirectoryChanges.key_sets`); the core cannot make one. Everything renewed keeps its
predecessor alive for as long as others may still need it.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.certificates import (
    BACKDATED,
    IssuedCertificate,
    TlsCertificate,
    issue_network_certificate,
    read_network_certificate,
)
from certs.directory import Directory
from certs.documents import DocumentSigner
from certs.errors import KeyMaterialError
from certs.key_files import read_pair, write_file, write_pair
from certs.keysets import SealingPublicKey
from certs.log_keys import LogPublicKeys, LogSigner, WitnessKey, WitnessPublicKey
from certs.names import CORE
from certs.network import KEY_SET_DAYS, ROOT_DAYS, make_permit_key, make_sealing_key
from certs.network import new_directory_key as sign_directory_key
from certs.own_keys import (
    DIRECTORY_KEY,
    KEYS,
    ORGANISATION_KEY,
    PrivateKeySet,
    load_organisation_key,
    store_key_set,
    store_log_key,
    store_network_certificate,
    store_witness_key,
)
from certs.publish import DirectoryChanges, core_keys, publish_directory, read_directory
from certs.roots import Root
from certs.spare import forget_spares, store_spare, take_spare

SEALING_KEY_KEPT: Final = timedelta(days=30)
"""How long a sealing key stays listed after its successor came (PROTOCOL §1)."""
_NEXT: Final = "-next"
"""A new private half is on disk under this name before anything public names it."""


class KeyKind(StrEnum):
    """What a new key set renews; the organisation key is asked for by itself."""

    TLS = "tls"
    SEALING = "sealing"
    LOG = "log"
    WITNESS = "witness"


USUAL: Final = frozenset({KeyKind.TLS, KeyKind.SEALING})
"""What runs out by itself; log and witness keys are renewed when somebody says so."""


def renew_key_set(
    own_directory: Path,
    *,
    now: datetime,
    begins: datetime | None = None,
    kinds: Collection[KeyKind] = USUAL,
    revoke: bool = False,
    new_organisation_key: bool = False,
) -> bytes:
    """Make, sign and store an organisation's next key set; return its document for the core.

    It takes the place of the one before at `begins`, which lies so far ahead that everybody has
    the directory by then; without it, or to `revoke`, a little before `now`. TLS and sealing keys
    that are replaced stay listed, unless they are revoked. The running gateway takes the new
    private halves up by itself when the directory lists the set. The core's certificate is
    revoked by showing its spare. Raises `KeyMaterialError`: `no-spare-certificate` without one.
    """
    keys = own_directory / KEYS
    own = PrivateKeySet.load(keys)
    before = own.key_set
    signer = load_organisation_key(own_directory)
    following_signer = DocumentSigner.generate() if new_organisation_key else signer
    if revoke or begins is None:
        begins = now - BACKDATED
    begins = max(begins, before.not_before)
    following = replace(
        before,
        version=before.version + 1,
        previous=before.digest,
        not_before=begins,
        not_after=begins + timedelta(days=KEY_SET_DAYS),
        tls=_tls(own, own_directory, kinds, now, revoke=revoke),
        sealing=_sealing(own, kinds, now, begins, revoke=revoke),
        log=_new_log(keys) if KeyKind.LOG in kinds else before.log,
        witness=_new_witness(keys) if KeyKind.WITNESS in kinds else before.witness,
        organisation_key=following_signer.public,
    )
    document = following.sign(following_signer, previous_signer=signer)
    if new_organisation_key:
        write_pair(own_directory / f"{ORGANISATION_KEY}{_NEXT}", following_signer.to_bytes())
    store_key_set(keys, document, version=following.version)
    if own.organisation == CORE:
        listed = read_directory(keys).core.key_sets[-1].tls
        forget_spares(own_directory, {*listed, *following.tls} - {following.tls[0]})
    if new_organisation_key:
        write_pair(own_directory / ORGANISATION_KEY, following_signer.to_bytes())
    return document


def renew_permit_key(
    network_dir: Path, *, now: datetime, begins: datetime | None = None, revoke: bool = False
) -> Directory:
    """Give the core a further permit key, that signs from `begins` on, and publish it.

    Older ones stay while they last; to `revoke` them the new one begins at once and alone.
    """
    added = make_permit_key(core_keys(network_dir), now=now, begins=None if revoke else begins)
    changes = DirectoryChanges(permit_keys=(added,), permit_keys_revoked=revoke)
    return publish_directory(network_dir, changes=changes, now=now)


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


def _tls(
    own: PrivateKeySet,
    own_directory: Path,
    kinds: Collection[KeyKind],
    now: datetime,
    *,
    revoke: bool,
) -> tuple[TlsCertificate, ...]:
    """Return what is listed: first the one that is shown, last at the core its next spare."""
    if KeyKind.TLS not in kinds:
        return _living(own, now)
    spare: tuple[TlsCertificate, ...] = ()
    if own.organisation == CORE:
        spare = (_issue(own, partial(store_spare, own_directory), now),)
        if revoke:
            # What everybody pins is what was published, whatever was made since.
            pinned = read_directory(own.directory).core.key_sets[-1].tls
            return (take_spare(own_directory, own.directory, pinned), *spare)
    following = _issue(own, partial(store_network_certificate, own.directory), now)
    # The one in use until then is still believed.
    return (following, *spare) if revoke else (following, *_living(own, now)[:1], *spare)


def _living(own: PrivateKeySet, now: datetime) -> tuple[TlsCertificate, ...]:
    return tuple(certificate for certificate in own.key_set.tls if now < certificate.not_after)


def _issue(
    own: PrivateKeySet, store: Callable[[IssuedCertificate], None], now: datetime
) -> TlsCertificate:
    role = own.key_set.tls[0].role
    issued = issue_network_certificate(
        network=own.network,
        organisation=own.organisation,
        role=role,
        hosts=_hosts(own.network_certificate.load().certificate),
        now=now,
    )
    store(issued)
    return read_network_certificate(
        issued.certificate.public_bytes(Encoding.DER),
        network=own.network,
        organisation=own.organisation,
        role=role,
    )


def _sealing(
    own: PrivateKeySet,
    kinds: Collection[KeyKind],
    now: datetime,
    begins: datetime,
    *,
    revoke: bool,
) -> tuple[SealingPublicKey, ...]:
    listed = own.key_set.sealing
    if KeyKind.SEALING not in kinds:
        return tuple(key for key in listed if now < key.not_after)
    following = make_sealing_key(own.directory, now=now, begins=begins)
    return (following,) if revoke else (following, *_kept(listed, max(now, begins)))


def _new_log(keys: Path) -> LogPublicKeys:
    key = LogSigner.generate()
    store_log_key(keys, key)
    return key.public


def _new_witness(keys: Path) -> WitnessPublicKey:
    key = WitnessKey.generate()
    store_witness_key(keys, key)
    return key.public


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
