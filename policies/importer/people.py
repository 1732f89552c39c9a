"""Whose information: from the description of people to the roles they play in the procedure."""

from __future__ import annotations

import re
from typing import Final

from policies.importer.review import Roles
from policies.importer.text import strip_brackets
from policies.model import SubjectRole

_JOINT: Final = re.compile("、|又は|若しくは|及び|並びに")
_KEPT: Final = "\N{MIDDLE DOT}"


def roles_of(description: str, roles: Roles) -> tuple[SubjectRole, ...]:
    """Return the roles a description names, in the order of the model; none for no description."""
    bare = strip_brackets(description)
    for role in roles.role:
        if role.whole and re.search(role.pattern, bare):
            return (role.role,)
    found = {_role(part, roles) for part in _people(bare, roles)}
    return tuple(role for role in SubjectRole if role in found)


def _people(description: str, roles: Roles) -> list[str]:
    """Return the members of a description, without clauses that a conjunction cut in two."""
    for words in roles.joined:
        description = description.replace(words, _JOINT.sub(_KEPT, words))
    parts = [part for part in _JOINT.split(description) if part]
    people = [part for part in parts if not re.search(roles.passed_over, part)]
    return people or parts


def _role(part: str, roles: Roles) -> SubjectRole:
    for role in roles.role:
        pattern = role.pattern
        for words in roles.joined:
            pattern = pattern.replace(words, _JOINT.sub(_KEPT, words))
        if re.search(pattern, part):
            return role.role
    return SubjectRole.PERSON
