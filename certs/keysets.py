"""Key sets (PROTOCOL §1): an organisation's public keys for a time, signed by itself in a chain.

The core publishes key sets and cannot make one: each is signed by the organisation key it names
and by the organisation key of the set before it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Self

from certs.certificates import TlsCertificate, read_network_certificate
from certs.documents import (
    DocumentKey,
    DocumentSigner,
    UnverifiedDocument,
    document_digest,
    read_document,
    read_parsed,
    sign_document,
)
from certs.errors import KeySetError
from certs.log_keys import LogPublicKeys, WitnessPublicKey
from certs.members import (
    read_bytes,
    read_instant,
    read_integer,
    read_list,
    read_members,
    read_name,
    read_text,
)
from certs.names import DIGEST, NAME, ROLES, SEALING_PUBLIC_BYTES, SUITES
from codes.canonical import b64, instant

KEY_SET_TYPE: Final = "key-set"
KEY_SET_DAYS_MAX: Final = 400
TLS_CERTIFICATES_MAX: Final = 8
SEALING_KEYS_MAX: Final = 16
KEY_SETS_MAX: Final = 1024
"""Key sets of one organisation: quarterly ones for more than two centuries."""
_MEMBERS: Final = frozenset(
    {
        "type",
        "version",
        "network",
        "organisation",
        "not_before",
        "not_after",
        "organisation_key",
        "tls",
        "sealing",
        "log",
        "witness",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingPublicKey:
    """A key that answers and codes are sealed to: ML-KEM-768 (1,184 bytes) ‖ X25519 (32)."""

    suite: str
    public: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    key_id: str = field(init=False)
    """SHA-256(suite id ‖ 0x00 ‖ public): the `reply_key` of an inquiry."""

    def __post_init__(self) -> None:
        key_id = hashlib.sha256(self.suite.encode() + b"\0" + self.public).hexdigest()
        object.__setattr__(self, "key_id", key_id)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the key written by `to_json`, or raise `DocumentError`."""
        members = read_members(
            value, required={"suite", "public", "not_before", "not_after"}, where="sealing key"
        )
        suite, public = read_text(members, "suite"), read_bytes(members, "public")
        if suite not in SUITES:
            raise KeySetError("unknown-suite", "sealing key")
        if len(public) != SEALING_PUBLIC_BYTES:
            raise KeySetError("key-malformed", f"sealing key: {SEALING_PUBLIC_BYTES} bytes")
        not_before, not_after = read_window(members, days_max=KEY_SET_DAYS_MAX)
        return cls(suite=suite, public=public, not_before=not_before, not_after=not_after)

    def to_json(self) -> dict[str, object]:
        """Return the key as JSON members."""
        return {
            "suite": self.suite,
            "public": b64(self.public),
            "not_before": instant(self.not_before),
            "not_after": instant(self.not_after),
        }

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether something may be newly sealed to this key at that moment."""
        return self.not_before <= moment < self.not_after


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """All public keys of one organisation, good from `not_before` until `not_after`."""

    network: str
    organisation: str
    version: int
    not_before: datetime
    not_after: datetime
    tls: tuple[TlsCertificate, ...]
    sealing: tuple[SealingPublicKey, ...]
    log: LogPublicKeys
    witness: WitnessPublicKey
    organisation_key: DocumentKey
    previous: str | None = None
    """Digest of the set before this one; none for the first."""
    digest: str = field(init=False, repr=False, compare=False)
    """Hex SHA-256 of canonical `signed`: what names this set in links and `opened` entries."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", document_digest(self.to_signed()))

    @classmethod
    def parse(cls, raw: bytes, *, previous_key: DocumentKey | None) -> Self:
        """Return the set if its own organisation key and `previous_key` signed it.

        `previous_key` is that of the set before; for a first set the key enrolled out of band
        or none, when the set vouches for itself alone. Raises `KeySetError`, `SignatureError`.
        """
        document = read_document(raw, type_=KEY_SET_TYPE)
        return cls.from_document(document, previous_key=previous_key)

    @classmethod
    def from_document(
        cls, document: UnverifiedDocument, *, previous_key: DocumentKey | None
    ) -> Self:
        """Return the set of a document that was read, under the same checks as `parse`."""
        key_set = cls.from_signed(document.signed)
        keys = {key_set.organisation_key.key_id: key_set.organisation_key}
        if previous_key is not None:
            keys[previous_key.key_id] = previous_key
        document.verify(*keys.values())
        return key_set

    @classmethod
    def from_signed(cls, signed: Mapping[str, object]) -> Self:
        """Return the set written by `to_signed`, or raise `DocumentError`."""
        members = read_members(
            dict(signed), required=_MEMBERS, optional={"previous"}, where="key set"
        )
        network, organisation = (read_name(members, n, NAME) for n in ("network", "organisation"))
        not_before, not_after = read_window(members, days_max=KEY_SET_DAYS_MAX)
        version = read_integer(members, "version", low=1, high=KEY_SETS_MAX)
        if (version == 1) != ("previous" not in members):
            raise KeySetError("chain-broken", "key set: only the first has none before it")
        log = read_members(members["log"], required={"ed25519", "mldsa44"}, where="log keys")
        key_set = cls(
            network=network,
            organisation=organisation,
            version=version,
            not_before=not_before,
            not_after=not_after,
            tls=_read_tls(members, network, organisation),
            sealing=_read_sealing(members),
            log=LogPublicKeys(
                ed25519=read_bytes(log, "ed25519"), mldsa44=read_bytes(log, "mldsa44")
            ),
            witness=WitnessPublicKey(mldsa44=read_bytes(members, "witness")),
            organisation_key=DocumentKey.from_json(members["organisation_key"]),
            previous=read_name(members, "previous", DIGEST) if "previous" in members else None,
        )
        if key_set.witness.mldsa44 in (key_set.log.mldsa44, key_set.organisation_key.mldsa44):
            raise KeySetError("witness-key-reused", organisation)
        return key_set

    def to_signed(self) -> dict[str, object]:
        """Return the `signed` part of this set's document."""
        signed: dict[str, object] = {
            "type": KEY_SET_TYPE,
            "version": self.version,
            "network": self.network,
            "organisation": self.organisation,
            "not_before": instant(self.not_before),
            "not_after": instant(self.not_after),
            "organisation_key": self.organisation_key.to_json(),
            "tls": [certificate.to_json() for certificate in self.tls],
            "sealing": [key.to_json() for key in self.sealing],
            "log": {"ed25519": b64(self.log.ed25519), "mldsa44": b64(self.log.mldsa44)},
            "witness": b64(self.witness.mldsa44),
        }
        if self.previous is not None:
            signed["previous"] = self.previous
        return signed

    def sign(
        self, signer: DocumentSigner, *, previous_signer: DocumentSigner | None = None
    ) -> bytes:
        """Return this set's document, signed by its organisation key and the one before."""
        if signer.public != self.organisation_key:
            raise KeySetError("unknown-key", "key set: the signer is not its organisation key")
        signers = [signer]
        if previous_signer is not None and previous_signer.public != signer.public:
            signers.append(previous_signer)
        return sign_document(self.to_signed(), signers)

    @property
    def newest_sealing(self) -> SealingPublicKey:
        """The sealing key begun last: the one others seal to."""
        return max(self.sealing, key=lambda key: (key.not_before, key.key_id))

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether the set is within its own window at that moment."""
        return self.not_before <= moment < self.not_after


def read_chain(
    values: Sequence[object],
    *,
    network: str,
    organisation: str,
    known: Mapping[str, KeySet] = MappingProxyType({}),
) -> tuple[KeySet, ...]:
    """Return an organisation's key sets, whole and in order, each verified against the last.

    `values` are parsed documents; a set in `known`, by digest, was verified before and is not
    verified again: its digest covers its content and its link.
    Raises `KeySetError`: `chain-broken` for a gap, a foreign set or a wrong link;
    `SignatureError` where the previous organisation key did not sign.
    """
    chain: list[KeySet] = []
    for value in values:
        before = chain[-1] if chain else None
        document = read_parsed(value, type_=KEY_SET_TYPE)
        key_set = known.get(document.digest) or KeySet.from_document(
            document, previous_key=before.organisation_key if before else None
        )
        if (key_set.network, key_set.organisation) != (network, organisation):
            raise KeySetError("chain-broken", f"key set of another organisation: {organisation}")
        _require_next(before, key_set)
        chain.append(key_set)
    if not chain:
        raise KeySetError("chain-broken", f"no key set: {organisation}")
    return tuple(chain)


def read_window(members: Mapping[str, object], *, days_max: int) -> tuple[datetime, datetime]:
    """Return `not_before` and `not_after`, or raise `KeySetError` if they make no such window."""
    not_before, not_after = read_instant(members, "not_before"), read_instant(members, "not_after")
    if not timedelta(0) < not_after - not_before <= timedelta(days=days_max):
        raise KeySetError("window", f"more than 0 and at most {days_max} days")
    return not_before, not_after


def _require_next(before: KeySet | None, key_set: KeySet) -> None:
    version, digest = (before.version, before.digest) if before else (0, None)
    if key_set.version != version + 1 or key_set.previous != digest:
        raise KeySetError("chain-broken", f"{key_set.organisation}, version {key_set.version}")
    if before is not None and key_set.not_before < before.not_before:
        raise KeySetError("window", f"{key_set.organisation}: starts before the set before it")


def _read_tls(
    members: Mapping[str, object], network: str, organisation: str
) -> tuple[TlsCertificate, ...]:
    certificates: list[TlsCertificate] = []
    for value in read_list(members, "tls", longest=TLS_CERTIFICATES_MAX):
        parts = read_members(value, required={"role", "certificate"}, where="tls certificate")
        role = read_text(parts, "role")
        if role not in ROLES:
            raise KeySetError("unknown-role", "tls certificate")
        certificates.append(
            read_network_certificate(
                read_bytes(parts, "certificate"),
                network=network,
                organisation=organisation,
                role=role,
            )
        )
    if not certificates or len({c.sha256 for c in certificates}) != len(certificates):
        raise KeySetError("duplicate-certificate", f"none, or one twice: {organisation}")
    return tuple(certificates)


def _read_sealing(members: Mapping[str, object]) -> tuple[SealingPublicKey, ...]:
    keys = [
        SealingPublicKey.from_json(value)
        for value in read_list(members, "sealing", longest=SEALING_KEYS_MAX)
    ]
    if not keys or len({key.key_id for key in keys}) != len(keys):
        raise KeySetError("duplicate-key", "none, or one twice: sealing keys")
    return tuple(keys)
