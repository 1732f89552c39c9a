"""Whom the law addresses: bodies and their dated classes, the part of a directory that decides.

It is kept where the directory itself is not: a whole one is tens of megabytes of keys and is made
anew every day, and this part of it is small and rarely changes.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Self

from certs.errors import DirectoryError
from certs.members import read_list, read_members, read_name
from certs.names import NAME
from certs.organisations import BODIES_MAX, Body, Organisation
from codes.canonical import canonical_json, parse_canonical
from codes.errors import CodesError

BODIES_BYTES_MAX: Final = 256 * 1024 * 1024
ORGANISATIONS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBodies:
    """Organisation, bodies, classes; equal ones have one written form and one digest."""

    document: bytes = field(repr=False)
    digest: str
    """Hex SHA-256 of the document."""
    _bodies: Mapping[str, tuple[str, Body]] = field(repr=False, compare=False)

    @classmethod
    def of(cls, organisations: Mapping[str, Organisation]) -> Self:
        """Return the bodies of a directory's organisations; who has none is left out."""
        listed = {name: organisations[name].bodies for name in sorted(organisations)}
        document = canonical_json(
            {
                "organisations": [
                    {
                        "name": name,
                        "bodies": [body.to_json() for body in sorted(bodies, key=_code)],
                    }
                    for name, bodies in listed.items()
                    if bodies
                ]
            },
            bytes_max=BODIES_BYTES_MAX,
        )
        return cls(
            document=document,
            digest=hashlib.sha256(document).hexdigest(),
            _bodies={
                body.body_code: (name, body) for name, bodies in listed.items() for body in bodies
            },
        )

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Return the bodies that were written by `of`, or raise a `CertsError`."""
        try:
            value = parse_canonical(document, bytes_max=BODIES_BYTES_MAX)
        except CodesError as error:
            raise DirectoryError(error.reason, "bodies") from error
        members = read_members(value, required={"organisations"}, where="bodies")
        bodies: dict[str, tuple[str, Body]] = {}
        for part in read_list(members, "organisations", longest=ORGANISATIONS_MAX):
            one = read_members(part, required={"name", "bodies"}, where="bodies")
            name = read_name(one, "name", NAME)
            for raw in read_list(one, "bodies", longest=BODIES_MAX):
                body = Body.from_json(raw)
                if body.body_code in bodies:
                    raise DirectoryError("duplicate-body", body.body_code)
                bodies[body.body_code] = name, body
        return cls(document=document, digest=hashlib.sha256(document).hexdigest(), _bodies=bodies)

    def organisation_of(self, body_code: str) -> str:
        """Return the name of the organisation that has a body, or raise `DirectoryError`."""
        return self._found(body_code)[0]

    def classes_of(self, body_code: str, day: date) -> frozenset[str]:
        """Return the classes a body holds on a law day, its delegator's among them (委任)."""
        return classes_on(self._found(body_code)[1], lambda code: self._found(code)[1], day)

    def _found(self, body_code: str) -> tuple[str, Body]:
        try:
            return self._bodies[body_code]
        except KeyError:
            raise DirectoryError("unknown-body", "bodies") from None


def classes_on(body: Body, body_of: Callable[[str], Body], day: date) -> frozenset[str]:
    """Return the classes a body holds on a day; `body_of` finds its delegator."""
    held = body.classes
    if body.delegated_by is not None:
        held += body_of(body.delegated_by).classes
    return frozenset(part.class_id for part in held if part.holds_on(day))


def _code(body: Body) -> str:
    return body.body_code
