"""The signed directory (PROTOCOL §1): who is on the network, under which keys, from when on.

Parsing verifies everything down to the pinned root; what is parsed is looked up in O(1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from certs.bodies import ORGANISATIONS_MAX, classes_on
from certs.certificates import TlsCertificate
from certs.directory_index import DirectoryIndex
from certs.documents import read_document
from certs.errors import DirectoryError
from certs.held_peers import HeldPeer
from certs.keysets import KeySet, SealingPublicKey
from certs.log_keys import LogPublicKeys, WitnessPublicKey
from certs.members import (
    read_day,
    read_instant,
    read_integer,
    read_list,
    read_members,
    read_name,
    read_text,
)
from certs.names import CORE, DIGEST, NAME, SUITES
from certs.organisations import Body, BodyClass, Organisation
from certs.roots import ROOTS_MAX, DirectoryKey, Root, read_roots

__all__ = ["Body", "BodyClass", "Directory", "Organisation", "Root"]

DIRECTORY_TYPE: Final = "directory"
ALLOW_LIST_TYPE: Final = "allow-list"
DIRECTORY_BYTES_MAX: Final = 256 * 1024 * 1024
"""Above the 8 MiB of other bodies: 1,800 organisations with key sets of years stand in it."""
ALLOW_LIST_BYTES_MAX: Final = 64 * 1024 * 1024
VALIDITY: Final = timedelta(hours=24)
VALIDITY_MAX: Final = timedelta(days=7)
CLOCK_LEEWAY: Final = timedelta(seconds=30)
PRODUCTION: Final = "production"
LAW_DAY_ENVIRONMENTS: Final = frozenset({"demo", "test"})
"""Only there may the law day be moved (LAW «Law day»)."""
VERSION_MAX: Final = 2**53 - 1
_MEMBERS: Final = frozenset(
    {
        "type",
        "version",
        "network",
        "issued",
        "expires",
        "roots",
        "directory_key",
        "allow_list",
        "minimum_suite",
        "organisations",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One verified version of the directory; frozen, with its look-ups prepared."""

    network: str
    version: int
    issued: datetime
    expires: datetime
    law_day: date | None
    allow_list_version: int
    allow_list_digest: str
    minimum_suite: str
    organisations: Mapping[str, Organisation]
    root: Root
    directory_key: DirectoryKey
    raw: bytes = field(repr=False)
    digest: str
    """Hex SHA-256 of canonical `signed`."""
    _index: DirectoryIndex = field(repr=False, compare=False)

    @classmethod
    def parse(
        cls,
        raw: bytes,
        *,
        root: Root,
        now: datetime,
        environment: str = PRODUCTION,
        previous: "Directory | None" = None,
    ) -> Self:
        """Return the directory if all of it holds at `now`, else raise a `CertsError`.

        Checked: signature chain to the pinned root, validity (at most 7 days), continuity of
        every key set, no unknown member, nobody listed twice, and no `law_day` outside `demo`
        and `test`. `previous`, verified before, only saves verifying its key sets again.
        """
        directory = cls._read(raw, root=root, at=now, previous=previous)
        if now < directory.issued - CLOCK_LEEWAY:
            raise DirectoryError("directory-not-yet-valid", f"version {directory.version}")
        if directory.law_day is not None and environment not in LAW_DAY_ENVIRONMENTS:
            raise DirectoryError("law-day-not-allowed", f"version {directory.version}")
        # Last, so that a directory whose only fault is its age is refused for its age.
        directory.require_fresh(now)
        return directory

    @classmethod
    def parse_archived(cls, raw: bytes, *, root: Root) -> Self:
        """Return an old directory, judged at the moment it was issued: for records, not traffic.

        Everything is checked as in `parse` except that it may have expired since and may carry
        a law day.
        """
        return cls._read(raw, root=root, at=None, previous=None)

    @classmethod
    def _read(
        cls, raw: bytes, *, root: Root, at: datetime | None, previous: "Directory | None"
    ) -> Self:
        document = read_document(raw, type_=DIRECTORY_TYPE, bytes_max=DIRECTORY_BYTES_MAX)
        members = read_members(
            document.signed, required=_MEMBERS, optional={"law_day"}, where="directory"
        )
        network = read_name(members, "network", NAME)
        newest = read_roots(read_list(members, "roots", longest=ROOTS_MAX), pinned=root)
        directory_key = DirectoryKey.from_parsed(members["directory_key"], root=newest)
        document.verify(directory_key.key)
        if network != newest.network:
            raise DirectoryError("another-network", "directory")
        issued, expires = _read_validity(members, newest, directory_key)
        version, digest = _read_allow_list(members["allow_list"])
        organisations = _read_organisations(members, network, previous)
        return cls(
            network=network,
            version=read_integer(members, "version", low=1, high=VERSION_MAX),
            issued=issued,
            expires=expires,
            law_day=read_day(members, "law_day") if "law_day" in members else None,
            allow_list_version=version,
            allow_list_digest=digest,
            minimum_suite=_read_suite(members),
            organisations=MappingProxyType(organisations),
            root=newest,
            directory_key=directory_key,
            raw=raw,
            digest=document.digest,
            _index=DirectoryIndex.of(organisations, issued if at is None else at),
        )

    def require_fresh(self, now: datetime) -> None:
        """Return quietly until `expires`; afterwards raise: no new exchange."""
        if now >= self.expires:
            raise DirectoryError("directory-expired", f"version {self.version}")

    def at(self, moment: datetime) -> Self:
        """Return this version with its look-ups as of that moment."""
        return replace(self, _index=DirectoryIndex.of(self.organisations, moment))

    def is_turning(self, moment: datetime) -> bool:
        """Tell whether a key set has begun, or something pinned ended, since the last look."""
        turns_at = self._index.turns_at
        return turns_at is not None and turns_at <= moment

    def holding(self, held: Mapping[str, HeldPeer], moment: datetime) -> Self:
        """Return this version with some peers under the keys they had before; see `HeldPeer`."""
        if not held:
            return self
        organisations = {
            name: held[name].shown_in(organisation) if name in held else organisation
            for name, organisation in self.organisations.items()
        }
        return replace(
            self,
            organisations=MappingProxyType(organisations),
            _index=DirectoryIndex.of(organisations, moment),
        )

    def organisation(self, name: str) -> Organisation:
        """Return the organisation of that name, or raise `DirectoryError`."""
        try:
            return self.organisations[name]
        except KeyError:
            raise DirectoryError("unknown-organisation", "directory") from None

    @property
    def suite_rank(self) -> int:
        """Place of the minimum suite among those known, weakest 0."""
        return SUITES.index(self.minimum_suite)

    @property
    def core(self) -> Organisation:
        """The core's entry."""
        return self.organisations[CORE]

    def organisation_by_certificate(self, sha256: str) -> Organisation:
        """Return who a TLS peer is by its certificate's hex SHA-256, or raise `DirectoryError`.

        Only certificates pinned when this directory was parsed are known, of organisations
        that have not withdrawn.
        """
        try:
            return self._index.certificates[sha256]
        except KeyError:
            raise DirectoryError("unknown-certificate", "directory") from None

    def certificates(self, name: str) -> tuple[TlsCertificate, ...]:
        """Return an organisation's pinned certificates: the only anchors of its TLS context."""
        self.organisation(name)
        return self._index.pinned[name]

    def all_certificates(self) -> tuple[TlsCertificate, ...]:
        """Return everybody's pinned certificates: the anchors of the network listener."""
        return tuple(c for certificates in self._index.pinned.values() for c in certificates)

    def body(self, body_code: str) -> tuple[Organisation, Body]:
        """Return a body and the organisation it belongs to, or raise `DirectoryError`."""
        try:
            return self._index.bodies[body_code]
        except KeyError:
            raise DirectoryError("unknown-body", "directory") from None

    def organisation_of(self, body_code: str) -> str:
        """Return the name of the organisation that has a body, or raise `DirectoryError`."""
        return self.body(body_code)[0].name

    def classes_of(self, body_code: str, day: date) -> frozenset[str]:
        """Return the classes a body holds on a law day, its delegator's among them (委任)."""
        return classes_on(self.body(body_code)[1], lambda code: self.body(code)[1], day)

    def key_set_at(self, name: str, moment: datetime) -> KeySet:
        """Return the key set an organisation had in force at that moment, or raise."""
        return self.organisation(name).key_set_at(moment)

    def log_keys_at(self, name: str, moment: datetime) -> LogPublicKeys:
        """Return the keys an organisation's checkpoints of that moment verify by, or raise."""
        return self.key_set_at(name, moment).log

    def witness_key_at(self, name: str, moment: datetime) -> WitnessPublicKey:
        """Return the key an organisation's cosignatures of that moment verify by, or raise."""
        return self.key_set_at(name, moment).witness

    def sealing_key(
        self, name: str, key_id: str, *, at: datetime | None = None
    ) -> SealingPublicKey:
        """Return an organisation's sealing key by its id (= `reply_key`), or raise.

        With `at` the key set in force then must list it, and the key's own window hold it:
        `sealing-key-revoked`, `sealing-key-not-valid`. A key below the
        directory's minimum suite is never returned: `suite-below-minimum`.
        """
        key = self._index.sealing.get((name, key_id))
        if key is None:
            raise DirectoryError("unknown-sealing-key", "directory")
        if SUITES.index(key.suite) < self.suite_rank:
            raise DirectoryError("suite-below-minimum", "sealing key")
        if at is None:
            return key
        # Who named it may follow a clock that is a little ahead of ours.
        soon = at + CLOCK_LEEWAY
        if not (key.holds_at(at) or key.holds_at(soon)):
            raise DirectoryError("sealing-key-not-valid", "sealing key")
        sets = (self.key_set_at(name, at), self.organisation(name).key_set_begun(soon))
        if all(listed.key_id != key_id for key_set in sets for listed in key_set.sealing):
            raise DirectoryError("sealing-key-revoked", "sealing key")
        return key

    def is_sealing_key_revoked(self, name: str, key_id: str, at: datetime) -> bool:
        """Tell whether the set in force lists a key no more; one that was replaced stays listed."""
        listed = self.organisation(name).key_set_begun(at).sealing
        return all(key.key_id != key_id for key in listed)

    def current_sealing_key(self, name: str, at: datetime) -> SealingPublicKey:
        """Return the key to seal to at that moment: the latest begun of the set in force."""
        valid = [key for key in self.key_set_at(name, at).sealing if key.holds_at(at)]
        if not valid:
            raise DirectoryError("sealing-key-not-valid", "no sealing key in force")
        newest = max(valid, key=lambda key: (key.not_before, key.key_id))
        return self.sealing_key(name, newest.key_id)

    def permit_keys_at(self, moment: datetime) -> dict[str, EllipticCurvePublicKey]:
        """Return the core's permit keys in force at that moment by `kid`."""
        return {key.kid: key.key for key in self.core.permit_keys if key.holds_at(moment)}

    def verify_allow_list(self, raw: bytes) -> dict[str, object]:
        """Return `signed` of the allow list this directory names, or raise.

        Checked: signed by the directory key, and version and digest as the directory says.
        """
        document = read_document(raw, type_=ALLOW_LIST_TYPE, bytes_max=ALLOW_LIST_BYTES_MAX)
        signed = document.verify(self.directory_key.key)
        if (signed["version"], document.digest) != (
            self.allow_list_version,
            self.allow_list_digest,
        ):
            raise DirectoryError("another-allow-list", f"expected {self.allow_list_version}")
        return signed

    def known_key_sets(self) -> dict[str, KeySet]:
        """Return every verified key set by its digest."""
        return {
            key_set.digest: key_set
            for organisation in self.organisations.values()
            for key_set in organisation.key_sets
        }


def _read_validity(
    members: Mapping[str, object], root: Root, key: DirectoryKey
) -> tuple[datetime, datetime]:
    issued, expires = read_instant(members, "issued"), read_instant(members, "expires")
    if not timedelta(0) < expires - issued <= VALIDITY_MAX:
        raise DirectoryError("window", f"directory: at most {VALIDITY_MAX.days} days")
    for name, holder in (("directory-key", key), ("root", root)):
        # Nothing outlives the key that vouches for it.
        if not holder.not_before <= issued < expires <= holder.not_after:
            raise DirectoryError(f"{name}-expired", "directory: not within its key's window")
    return issued, expires


def _read_allow_list(value: object) -> tuple[int, str]:
    members = read_members(value, required={"version", "digest"}, where="allow list")
    version = read_integer(members, "version", low=1, high=VERSION_MAX)
    return version, read_name(members, "digest", DIGEST)


def _read_suite(members: Mapping[str, object]) -> str:
    suite = read_text(members, "minimum_suite")
    if suite not in SUITES:
        raise DirectoryError("unknown-suite", "directory: minimum suite")
    return suite


def _read_organisations(
    members: Mapping[str, object], network: str, previous: Directory | None
) -> dict[str, Organisation]:
    known = previous.known_key_sets() if previous else {}
    organisations: dict[str, Organisation] = {}
    for value in read_list(members, "organisations", longest=ORGANISATIONS_MAX):
        organisation = Organisation.from_json(value, network=network, known=known)
        if organisation.name in organisations:
            raise DirectoryError("duplicate-name", organisation.name)
        organisations[organisation.name] = organisation
    if CORE not in organisations:
        raise DirectoryError("no-core", "directory")
    for organisation in organisations.values():
        if not organisations.keys() >= set(organisation.witnesses):
            raise DirectoryError("witness", f"{organisation.name}: a witness is not listed")
    return organisations
