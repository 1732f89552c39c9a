"""Building a network's trust from nothing: root, directory key, and everybody's own keys.

    root/                        the offline root: take it away once the network stands
    organisations/<name>/        one organisation's own directory, see `certs.own_keys`

What one organisation needs is wholly in its own directory, so that each can be handed over.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.certificates import (
    BACKDATED,
    TLS_DAYS_MAX,
    CertificateAuthority,
    TlsCertificate,
    issue_network_certificate,
    read_network_certificate,
)
from certs.directory import DIRECTORY_BYTES_MAX, DIRECTORY_TYPE, Directory
from certs.documents import DOCUMENT_BYTES_MAX, DocumentSigner, sign_document
from certs.errors import KeyMaterialError
from certs.key_files import (
    make_private_directory,
    private_pem,
    write_file,
    write_pair,
    write_private,
)
from certs.keysets import KeySet, SealingPublicKey
from certs.log_keys import LogSigner, WitnessKey
from certs.names import CORE, NETWORK_ENDPOINT, SUITE
from certs.network_spec import NetworkSpec, OrganisationSpec
from certs.organisations import ENROLLED, PermitPublicKey
from certs.own_keys import (
    DIRECTORY_KEY,
    KEYS,
    LISTENERS,
    ORGANISATION_KEY,
    certificate_files,
    store_key_set,
    store_log_key,
    store_network_certificate,
    store_sealing_key,
    store_witness_key,
)
from certs.publish import allow_list_reference, sign_allow_list, store_published
from certs.roots import DIRECTORY_KEY_DAYS_MAX, DirectoryKey, Root
from certs.sealing import SealingPrivateKey
from certs.spare import store_spare
from codes.canonical import instant, parse_canonical

ROOT_DAYS: Final = 3650
KEY_SET_DAYS: Final = TLS_DAYS_MAX
PERMIT_KEY_DAYS: Final = 90
KID_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trust:
    """What stands above the organisations while a network is being built."""

    root: DocumentSigner = field(repr=False)
    root_document: bytes
    directory_key: DocumentSigner = field(repr=False)
    directory_key_document: bytes


def init_network(
    spec: NetworkSpec,
    target: Path,
    *,
    allow_list: Mapping[str, object],
    now: datetime,
) -> Directory:
    """Make every key of a network under `target` and publish directory version 1; return it.

    `allow_list` is the body that the policies make. Raises `DirectoryError` for an unsound
    spec and `KeyMaterialError` if `target` holds anything: keys are never overwritten.
    """
    spec.require_sound()
    if target.exists() and any(target.iterdir()):
        raise KeyMaterialError("target-not-empty", target.name)
    make_private_directory(target)
    trust = _make_trust(spec.network, now)
    _store_trust(target, trust)
    entries = [
        enrol_organisation(organisation, target, spec=spec, root=trust.root_document, now=now)
        for organisation in spec.organisations
    ]
    allow_list_document = sign_allow_list(allow_list, trust.directory_key)
    raw = _first_directory(spec, trust, entries, allow_list_document, now)
    directory = Directory.parse(
        raw, root=Root.parse(trust.root_document), now=now, environment=spec.environment
    )
    store_published(keys_directory(target, CORE), directory, allow_list_document)
    for organisation in spec.organisations:
        keys = keys_directory(target, organisation.name)
        write_file(keys / "directory.json", raw)
        write_file(keys / "allow-list.json", allow_list_document)
    return directory


def enrol_organisation(
    organisation: OrganisationSpec,
    target: Path,
    *,
    spec: NetworkSpec,
    root: bytes,
    now: datetime,
) -> dict[str, object]:
    """Make one organisation's own directory and return its entry for the directory document."""
    own = make_private_directory(target / "organisations" / organisation.name)
    keys = make_private_directory(own / KEYS)
    write_file(keys / "root.json", root)
    key_set, document = _make_key_set(organisation, own, network=spec.network, now=now)
    store_key_set(keys, document, version=key_set.version)
    for listener in LISTENERS:
        _make_listener(organisation, keys, listener, now=now)
    entry: dict[str, object] = {
        "name": organisation.name,
        "title": organisation.title or organisation.name,
        "role": organisation.role,
        "status": ENROLLED,
        "slots": organisation.slots,
        "bodies": [body.to_json() for body in organisation.bodies],
        "endpoints": {NETWORK_ENDPOINT: organisation.endpoint},
        "witnesses": list(organisation.witnesses),
        "key_sets": [parse_canonical(document, bytes_max=DOCUMENT_BYTES_MAX)],
    }
    if organisation.role == CORE:
        entry["permit_keys"] = [make_permit_key(keys, now=now).to_json()]
    return entry


def make_permit_key(
    keys: Path, *, now: datetime, begins: datetime | None = None
) -> PermitPublicKey:
    """Store a new permit key (ES256) of the core and return its public half.

    It signs from `begins` on, by default at once. Its `kid` is the beginning of the SHA-256 of
    the uncompressed point.
    """
    key = generate_private_key(SECP256R1())
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    kid = hashlib.sha256(public).hexdigest()[:KID_DIGITS]
    write_private(keys / "permit" / f"{kid}.key.pem", private_pem(key))
    begins = begins or now - BACKDATED
    return PermitPublicKey(
        kid=kid,
        public=public,
        not_before=begins,
        not_after=begins + timedelta(days=PERMIT_KEY_DAYS),
    )


def make_sealing_key(
    keys: Path, *, now: datetime, begins: datetime | None = None
) -> SealingPublicKey:
    """Store a new sealing key, good from `begins` on or at once, and return its public half."""
    private = SealingPrivateKey.generate()
    store_sealing_key(keys, private)
    begins = begins or now - BACKDATED
    public = SealingPublicKey(
        suite=SUITE,
        public=private.public,
        not_before=begins,
        not_after=begins + timedelta(days=KEY_SET_DAYS),
    )
    if public.key_id != private.key_id:
        raise KeyMaterialError("key-of-another", "sealing key: two ids for one key")
    return public


def keys_directory(target: Path, organisation: str) -> Path:
    """Return where the running gateway of an organisation finds its keys."""
    return target / "organisations" / organisation / KEYS


def new_directory_key(
    network: str, key: DocumentSigner, root: DocumentSigner, *, version: int, now: datetime
) -> bytes:
    """Return the root's signed leave for a directory key, good for 90 days."""
    begins = now - BACKDATED
    directory_key = DirectoryKey(
        network=network,
        version=version,
        key=key.public,
        not_before=begins,
        not_after=begins + timedelta(days=DIRECTORY_KEY_DAYS_MAX),
    )
    return directory_key.sign(root)


def _make_trust(network: str, now: datetime) -> _Trust:
    root, directory_key = DocumentSigner.generate(), DocumentSigner.generate()
    begins = now - BACKDATED
    document = Root(
        network=network,
        version=1,
        key=root.public,
        not_before=begins,
        not_after=begins + timedelta(days=ROOT_DAYS),
    ).sign(root)
    return _Trust(
        root=root,
        root_document=document,
        directory_key=directory_key,
        directory_key_document=new_directory_key(network, directory_key, root, version=1, now=now),
    )


def _store_trust(target: Path, trust: _Trust) -> None:
    write_pair(target / "root", trust.root.to_bytes())
    write_file(target / "root" / "root.json", trust.root_document)
    core = make_private_directory(keys_directory(target, CORE))
    write_pair(core / DIRECTORY_KEY, trust.directory_key.to_bytes())


def _make_key_set(
    organisation: OrganisationSpec, own: Path, *, network: str, now: datetime
) -> tuple[KeySet, bytes]:
    keys = own / KEYS
    organisation_key, log, witness = (
        DocumentSigner.generate(),
        LogSigner.generate(),
        WitnessKey.generate(),
    )
    write_pair(own / ORGANISATION_KEY, organisation_key.to_bytes())
    make_private_directory(keys)
    store_log_key(keys, log)
    store_witness_key(keys, witness)
    certificates = _make_certificates(organisation, own, network=network, now=now)
    begins = now - BACKDATED
    key_set = KeySet(
        network=network,
        organisation=organisation.name,
        version=1,
        not_before=begins,
        not_after=begins + timedelta(days=KEY_SET_DAYS),
        tls=certificates,
        sealing=(make_sealing_key(keys, now=now),),
        log=log.public,
        witness=witness.public,
        organisation_key=organisation_key.public,
    )
    return key_set, key_set.sign(organisation_key)


def _make_certificates(
    organisation: OrganisationSpec, own: Path, *, network: str, now: datetime
) -> tuple[TlsCertificate, ...]:
    """Return the certificate that is shown to others, and at the core the spare after it."""
    stores = [partial(store_network_certificate, own / KEYS)]
    if organisation.name == CORE:
        stores.append(partial(store_spare, own))
    certificates = []
    for store in stores:
        issued = issue_network_certificate(
            network=network,
            organisation=organisation.name,
            role=organisation.role,
            hosts=organisation.certificate_hosts,
            now=now,
        )
        store(issued)
        certificates.append(
            read_network_certificate(
                issued.certificate.public_bytes(Encoding.DER),
                network=network,
                organisation=organisation.name,
                role=organisation.role,
            )
        )
    return tuple(certificates)


def _make_listener(
    organisation: OrganisationSpec, keys: Path, listener: str, *, now: datetime
) -> None:
    authority = CertificateAuthority.create(f"{organisation.name} {listener} CA", now=now)
    certificate_files(keys, f"{listener}-ca").store(authority.certificate, authority.key)
    server = authority.issue_server(
        f"{organisation.name} {listener}", hosts=organisation.certificate_hosts, now=now
    )
    certificate_files(keys, listener).store(server.certificate, server.key)


def _first_directory(
    spec: NetworkSpec,
    trust: _Trust,
    entries: list[dict[str, object]],
    allow_list: bytes,
    now: datetime,
) -> bytes:
    signed: dict[str, object] = {
        "type": DIRECTORY_TYPE,
        "version": 1,
        "network": spec.network,
        "issued": instant(now),
        "expires": instant(now + spec.validity),
        "roots": [parse_canonical(trust.root_document)],
        "directory_key": parse_canonical(trust.directory_key_document),
        "allow_list": allow_list_reference(allow_list),
        "minimum_suite": SUITE,
        "organisations": entries,
    }
    if spec.law_day is not None:
        signed["law_day"] = spec.law_day.isoformat()
    return sign_document(signed, [trust.directory_key], bytes_max=DIRECTORY_BYTES_MAX)
