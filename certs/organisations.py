"""What the directory says of one organisation: bodies, endpoints, slots, witnesses, key sets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

from certs.errors import DirectoryError
from certs.keysets import KEY_SET_DAYS_MAX, KEY_SETS_MAX, KeySet, read_chain, read_window
from certs.log_keys import LogPublicKeys
from certs.members import (
    read_bytes,
    read_day,
    read_integer,
    read_label,
    read_list,
    read_members,
    read_name,
    read_text,
)
from certs.names import BODY_CODE, CORE, ENDPOINTS, NAME, NETWORK_ENDPOINT, ROLES, WITNESS
from codes.canonical import b64, instant

ENROLLED: Final = "enrolled"
WITHDRAWN: Final = "withdrawn"
RE_ENROLLED: Final = "re-enrolled"
STATUSES: Final = (ENROLLED, WITHDRAWN)
SLOTS_MAX: Final = 1024
BODIES_MAX: Final = 256
CLASSES_MAX: Final = 256
WITNESSES_MAX: Final = 16
LATE_MAX: Final = timedelta(minutes=2)
"""How long after a log key was replaced a checkpoint signed by it before may arrive."""
PERMIT_KEYS_MAX: Final = 16
P256_POINT_BYTES: Final = 65
_KID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_URL: Final = re.compile(
    r"https://(?P<host>[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,39}\])"
    r":(?P<port>[1-9][0-9]{0,4})",
    re.ASCII,
)
_PORT_MAX: Final = 65_535
_MEMBERS: Final = frozenset(
    {
        "name",
        "title",
        "role",
        "status",
        "slots",
        "bodies",
        "endpoints",
        "witnesses",
        "key_sets",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyClass:
    """A class of the law that a body holds from its first to its last day, both included."""

    class_id: str
    from_: date
    to: date | None
    fact: str

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the class written by `to_json`, or raise `DocumentError`."""
        members = read_members(
            value, required={"class", "from", "fact"}, optional={"to"}, where="body class"
        )
        from_ = read_day(members, "from")
        to = read_day(members, "to") if "to" in members else None
        if to is not None and to < from_:
            raise DirectoryError("window", "body class: the last day is before the first")
        return cls(
            class_id=read_label(members, "class"),
            from_=from_,
            to=to,
            fact=read_label(members, "fact"),
        )

    def to_json(self) -> dict[str, object]:
        """Return the class as JSON members."""
        members: dict[str, object] = {
            "class": self.class_id,
            "from": self.from_.isoformat(),
            "fact": self.fact,
        }
        return members if self.to is None else {**members, "to": self.to.isoformat()}

    def holds_on(self, day: date) -> bool:
        """Tell whether the body holds the class on that law day."""
        return self.from_ <= day and (self.to is None or day <= self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """機関: what the law addresses; an organisation has several."""

    body_code: str
    name: str
    classes: tuple[BodyClass, ...] = ()
    delegated_by: str | None = None
    """Code of the body whose classes count for this one (委任)."""

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the body written by `to_json`, or raise `DocumentError`."""
        members = read_members(
            value,
            required={"body_code", "name", "classes"},
            optional={"delegated_by"},
            where="body",
        )
        delegated = "delegated_by" in members
        return cls(
            body_code=read_name(members, "body_code", BODY_CODE),
            name=read_label(members, "name"),
            classes=tuple(
                BodyClass.from_json(part)
                for part in read_list(members, "classes", longest=CLASSES_MAX)
            ),
            delegated_by=read_name(members, "delegated_by", BODY_CODE) if delegated else None,
        )

    def to_json(self) -> dict[str, object]:
        """Return the body as JSON members."""
        members: dict[str, object] = {
            "body_code": self.body_code,
            "name": self.name,
            "classes": [part.to_json() for part in self.classes],
        }
        return (
            members if self.delegated_by is None else members | {"delegated_by": self.delegated_by}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitPublicKey:
    """A key of the core that permit tokens verify by: ES256, an uncompressed P-256 point."""

    kid: str
    public: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    key: EllipticCurvePublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), self.public)
        except ValueError as error:
            raise DirectoryError("key-malformed", "permit key: no point of P-256") from error
        object.__setattr__(self, "key", key)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the key written by `to_json`, or raise `DocumentError`."""
        members = read_members(
            value, required={"kid", "public", "not_before", "not_after"}, where="permit key"
        )
        not_before, not_after = read_window(members, days_max=KEY_SET_DAYS_MAX)
        public = read_bytes(members, "public")
        if len(public) != P256_POINT_BYTES:
            raise DirectoryError("key-malformed", f"permit key: {P256_POINT_BYTES} bytes")
        return cls(
            kid=read_name(members, "kid", _KID),
            public=public,
            not_before=not_before,
            not_after=not_after,
        )

    def to_json(self) -> dict[str, object]:
        """Return the key as JSON members."""
        return {
            "kid": self.kid,
            "public": b64(self.public),
            "not_before": instant(self.not_before),
            "not_after": instant(self.not_after),
        }

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether tokens made at that moment may name this key."""
        return self.not_before <= moment < self.not_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """One party of the network as the directory lists it."""

    name: str
    title: str
    role: str
    status: str
    slots: int
    bodies: tuple[Body, ...]
    endpoints: Mapping[str, str]
    """Endpoint name → `https://host:port`; see `url`."""
    witnesses: tuple[str, ...]
    """Names of the organisations whose cosignatures every slot must bear."""
    key_sets: tuple[KeySet, ...]
    """Whole and in order, so that old signatures are judged by the keys of their time."""
    key_set_documents: tuple[object, ...] = field(repr=False, compare=False)
    permit_keys: tuple[PermitPublicKey, ...] = ()

    @classmethod
    def from_json(cls, value: object, *, network: str, known: Mapping[str, KeySet]) -> Self:
        """Return the organisation written by `to_json`, key sets verified, or raise.

        Raises `DirectoryError`, `KeySetError`, `SignatureError`, `TlsError`.
        """
        members = read_members(
            value, required=_MEMBERS, optional={"permit_keys"}, where="organisation"
        )
        name = read_name(members, "name", NAME)
        role = _read_choice(members, "role", ROLES)
        if (role == CORE) != (name == CORE):
            raise DirectoryError("core-name", f"the core, and nobody else, is named {CORE}")
        if "permit_keys" in members and role != CORE:
            raise DirectoryError("unknown-member", "permit keys are the core's")
        if members["status"] == RE_ENROLLED:
            raise DirectoryError("re-enrolled", name)
        documents = read_list(members, "key_sets", longest=KEY_SETS_MAX)
        key_sets = read_chain(documents, network=network, organisation=name, known=known)
        if any(certificate.role != role for key_set in key_sets for certificate in key_set.tls):
            raise DirectoryError("another-role", name)
        return cls(
            name=name,
            title=read_label(members, "title"),
            role=role,
            status=_read_choice(members, "status", STATUSES),
            slots=read_slots(members, role),
            bodies=tuple(map(Body.from_json, read_list(members, "bodies", longest=BODIES_MAX))),
            endpoints=_read_endpoints(members["endpoints"]),
            witnesses=_read_witnesses(members, name),
            key_sets=key_sets,
            key_set_documents=tuple(documents),
            permit_keys=_read_permit_keys(members),
        )

    def to_json(self) -> dict[str, object]:
        """Return the organisation as JSON members."""
        members: dict[str, object] = {
            "name": self.name,
            "title": self.title,
            "role": self.role,
            "status": self.status,
            "slots": self.slots,
            "bodies": [body.to_json() for body in self.bodies],
            "endpoints": dict(self.endpoints),
            "witnesses": list(self.witnesses),
            "key_sets": list(self.key_set_documents),
        }
        if self.permit_keys:
            members["permit_keys"] = [key.to_json() for key in self.permit_keys]
        return members

    @property
    def url(self) -> str:
        """The address of its network listener, without a slash at the end."""
        return self.endpoints[NETWORK_ENDPOINT]

    def key_set_at(self, moment: datetime) -> KeySet:
        """Return the newest key set begun by that moment, or raise `DirectoryError`."""
        for key_set in reversed(self.key_sets):
            if key_set.not_before <= moment:
                if moment >= key_set.not_after:
                    raise DirectoryError("key-set-expired", self.name)
                return key_set
        raise DirectoryError("key-set-not-yet-valid", self.name)

    def key_set_begun(self, moment: datetime) -> KeySet:
        """Return the newest key set begun by that moment, expired or not; else the first."""
        begun = [key_set for key_set in self.key_sets if key_set.not_before <= moment]
        return begun[-1] if begun else self.key_sets[0]

    def live_log_keys(self, signed_at: datetime, now: datetime) -> LogPublicKeys:
        """Return the keys that a checkpoint shown now, which says when it was signed, verifies by.

        A log can sign its committed roots again at any time, so nothing shown now needs a key that
        was replaced, but for what was on its way just then: whoever holds an old key, or stole one
        that was revoked, cannot use it by dating back. Raises `DirectoryError`.
        """
        signed_under, present = self.key_set_at(signed_at), self.key_set_at(now)
        is_before = signed_under.version < present.version and signed_under.log != present.log
        if is_before and now >= present.not_before + LATE_MAX:
            raise DirectoryError("log-key-retired", self.name)
        return signed_under.log

    def key_sets_from(self, moment: datetime) -> tuple[KeySet, ...]:
        """Return the set in force and those announced for later; none if withdrawn.

        The next set's certificates are pinned beforehand, so that a change of certificate does
        not depend on who fetches the directory first.
        """
        if self.status == WITHDRAWN:
            return ()
        begun = [n for n, key_set in enumerate(self.key_sets) if key_set.not_before <= moment]
        first = begun[-1] if begun else 0
        return tuple(key_set for key_set in self.key_sets[first:] if moment < key_set.not_after)


def endpoint_address(url: str) -> tuple[str, int]:
    """Return host and port of an endpoint, or raise `DirectoryError`.

    Endpoints are `https://host:port` and nothing else: no path, no user, no second spelling.
    """
    match = _URL.fullmatch(url)
    if match is None or int(match["port"]) > _PORT_MAX:
        raise DirectoryError("endpoint-malformed", "expected https://host:port")
    return match["host"].strip("[]"), int(match["port"])


def read_slots(members: Mapping[str, object], role: str) -> int:
    """Return how many slots an organisation writes: none if it is a witness alone."""
    low, high = (0, 0) if role == WITNESS else (1, SLOTS_MAX)
    return read_integer(members, "slots", low=low, high=high)


def _read_choice(members: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str:
    text = read_text(members, name)
    if text not in choices:
        raise DirectoryError(f"unknown-{name}", "organisation")
    return text


def _read_endpoints(value: object) -> dict[str, str]:
    members = read_members(value, required=set(ENDPOINTS), where="endpoints")
    endpoints = {name: read_text(members, name) for name in members}
    for url in endpoints.values():
        endpoint_address(url)
    return endpoints


def _read_witnesses(members: Mapping[str, object], name: str) -> tuple[str, ...]:
    witnesses = read_list(members, "witnesses", longest=WITNESSES_MAX)
    names = tuple(read_name({"witness": part}, "witness", NAME) for part in witnesses)
    if len(set(names)) != len(names) or name in names:
        raise DirectoryError("witness", f"{name}: itself, or one twice")
    return names


def _read_permit_keys(members: Mapping[str, object]) -> tuple[PermitPublicKey, ...]:
    if "permit_keys" not in members:
        return ()
    values = read_list(members, "permit_keys", longest=PERMIT_KEYS_MAX)
    keys = tuple(map(PermitPublicKey.from_json, values))
    if len({key.kid for key in keys}) != len(keys) or not keys:
        raise DirectoryError("duplicate-key", "none, or one twice: permit keys")
    return keys
