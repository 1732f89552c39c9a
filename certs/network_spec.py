"""What a network is to look like before any key exists: read from TOML or made in code."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Self

from certs.bodies import ORGANISATIONS_MAX
from certs.directory import LAW_DAY_ENVIRONMENTS, PRODUCTION, VALIDITY_MAX
from certs.errors import DirectoryError
from certs.members import (
    read_day,
    read_integer,
    read_label,
    read_list,
    read_members,
    read_name,
    read_text,
)
from certs.names import CORE, NAME, ROLES, WITNESS
from certs.organisations import BODIES_MAX, Body, endpoint_address, read_slots

SLOTS: Final = 8
SPEC_BYTES_MAX: Final = 16 * 1024 * 1024
LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost")
_HOURS_MAX: Final = VALIDITY_MAX // timedelta(hours=1)
_LISTS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationSpec:
    """One organisation to enrol: who it is, where it listens, which bodies it has."""

    name: str
    role: str
    endpoint: str
    """`https://host:port` of its network listener."""
    title: str = ""
    hosts: tuple[str, ...] = ()
    """Further DNS names and IP addresses for its certificates, beside the endpoint's host."""
    slots: int = SLOTS
    bodies: tuple[Body, ...] = ()
    witnesses: tuple[str, ...] = ()

    @classmethod
    def from_members(cls, value: object) -> Self:
        """Return the organisation written in a TOML table, or raise `DocumentError`."""
        members = read_members(
            value,
            required={"name", "role", "endpoint"},
            optional={"title", "hosts", "slots", "bodies", "witnesses"},
            where="organisation",
        )
        role = read_text(members, "role")
        slots = {"slots": members.get("slots", 0 if role == WITNESS else SLOTS)}
        return cls(
            name=read_name(members, "name", NAME),
            role=role,
            endpoint=read_text(members, "endpoint"),
            title=read_label(members, "title") if "title" in members else "",
            hosts=_texts(members, "hosts"),
            slots=read_slots(slots, role),
            bodies=_bodies(members),
            witnesses=_texts(members, "witnesses"),
        )

    @property
    def certificate_hosts(self) -> tuple[str, ...]:
        """Every name and address its certificates are good for, the endpoint's host first."""
        host, _ = endpoint_address(self.endpoint)
        return tuple(dict.fromkeys((host, *self.hosts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network to be built: its name, its organisations, how long a directory is good."""

    network: str
    organisations: tuple[OrganisationSpec, ...]
    environment: str = PRODUCTION
    law_day: date | None = None
    validity: timedelta = timedelta(hours=24)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the network written in a TOML file, or raise `DocumentError`."""
        with path.open("rb") as file:
            raw = file.read(SPEC_BYTES_MAX + 1)
        if len(raw) > SPEC_BYTES_MAX:
            raise DirectoryError("too-large", f"network file: at most {SPEC_BYTES_MAX} bytes")
        return cls.parse(raw.decode("utf-8"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the network written in TOML, or raise `DocumentError`."""
        try:
            value = _days_as_text(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise DirectoryError("not-toml", "network file") from error
        members = read_members(
            value,
            required={"network", "organisations"},
            optional={"environment", "law_day", "validity_h"},
            where="network file",
        )
        hours = {"validity_h": members.get("validity_h", 24)}
        spec = cls(
            network=read_name(members, "network", NAME),
            organisations=tuple(
                OrganisationSpec.from_members(part)
                for part in read_list(members, "organisations", longest=ORGANISATIONS_MAX)
            ),
            environment=read_text(members, "environment")
            if "environment" in members
            else PRODUCTION,
            law_day=read_day(members, "law_day") if "law_day" in members else None,
            validity=timedelta(hours=read_integer(hours, "validity_h", low=1, high=_HOURS_MAX)),
        )
        spec.require_sound()
        return spec

    def require_sound(self) -> None:
        """Return quietly if keys may be made for this network, else raise `DirectoryError`."""
        names = [organisation.name for organisation in self.organisations]
        if len(set(names)) != len(names):
            raise DirectoryError("duplicate-name", "network file")
        if CORE not in names:
            raise DirectoryError("no-core", "network file")
        if self.law_day is not None and self.environment not in LAW_DAY_ENVIRONMENTS:
            raise DirectoryError("law-day-not-allowed", f"environment {self.environment}")
        for organisation in self.organisations:
            _require_sound(organisation)


def _require_sound(organisation: OrganisationSpec) -> None:
    # Names become directories: the form is checked again for specs that were made in code.
    if not NAME.fullmatch(organisation.name):
        raise DirectoryError("name-malformed", "organisation")
    if organisation.role not in ROLES:
        raise DirectoryError("unknown-role", organisation.name)
    if (organisation.role == CORE) != (organisation.name == CORE):
        raise DirectoryError("core-name", f"the core, and nobody else, is named {CORE}")
    endpoint_address(organisation.endpoint)


def _texts(members: Mapping[str, object], name: str) -> tuple[str, ...]:
    if name not in members:
        return ()
    return tuple(
        read_label({name: part}, name) for part in read_list(members, name, longest=_LISTS)
    )


def _bodies(members: Mapping[str, object]) -> tuple[Body, ...]:
    if "bodies" not in members:
        return ()
    return tuple(map(Body.from_json, read_list(members, "bodies", longest=BODIES_MAX)))


def _days_as_text(value: object) -> object:
    # TOML has days of its own; the readers take the one written form of the documents.
    if isinstance(value, dict):
        return {name: _days_as_text(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_days_as_text(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value
