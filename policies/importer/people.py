"""Whose information: from the description of people to the roles they play in the procedure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from policies.importer.review import Role
from policies.importer.text import strip_brackets
from policies.model import SubjectRole

_JOINT: Final = re.compile("、|又は|若しくは|及び|並びに")


def roles_of(description: str, roles: Iterable[Role]) -> tuple[SubjectRole, ...]:
    """Return the roles a description names, in the order of the model; none for no description."""
    if not description:
        return ()
    table = tuple(roles)
    found = {_role(part, table) for part in _JOINT.split(strip_brackets(description)) if part}
    return tuple(role for role in SubjectRole if role in found)


def _role(part: str, roles: tuple[Role, ...]) -> SubjectRole:
    for role in roles:
        if any(_says(part, word) for word in role.words):
            return SubjectRole(role.role)
    return SubjectRole.PERSON


def _says(part: str, word: str) -> bool:
    """A word that begins with ^ or ends with $ must stand there; else anywhere."""
    if word.endswith("$"):
        return part.endswith(word[:-1])
    return word in part
