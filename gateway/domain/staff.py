"""Members of staff: what each role may do, and the rules about their accounts. Pure.

One enum of permissions and one table of roles: whatever a role is not given here, it may not do.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.errors import ConflictError, InvalidRequestError, RefusedError

SESSION_IDLE: Final = timedelta(minutes=15)
SESSION_LIFE: Final = timedelta(hours=9)
ENROLMENT_LIFE: Final = timedelta(days=3)
ROLES_MAX: Final = 4
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}", re.ASCII)


class StaffPermission(StrEnum):
    """What can be permitted, as `resource:action`."""

    SESSION_BEGIN = "session:begin"
    SESSION_END = "session:end"
    CREDENTIAL_ENROL = "credential:enrol"
    CREDENTIAL_CHANGE = "credential:change"
    STAFF_READ = "staff:read"
    STAFF_WRITE = "staff:write"
    HOLDS_READ = "holds:read"
    HOLDS_SHOW = "holds:show"
    HOLDS_DECIDE = "holds:decide"
    FLAGS_READ = "flags:read"
    FLAGS_WRITE = "flags:write"
    SWITCHES_READ = "switches:read"
    SWITCHES_WRITE = "switches:write"
    RECORDS_READ = "records:read"
    RECORDS_SEARCH_PERSON = "records:search-person"
    RECORDS_OPEN = "records:open"
    RECORDS_EXPORT = "records:export"
    RECORDS_RECONCILE = "records:reconcile"
    RECORDS_CORRECT = "records:correct"
    RECORDS_DISCLOSE = "records:disclose"
    OPERATIONS_READ = "operations:read"
    ERASURES_READ = "erasures:read"
    ERASURES_DECIDE = "erasures:decide"
    LEGAL_HOLDS_WRITE = "legal-holds:write"


class Role(StrEnum):
    """What somebody is here for."""

    ADMINISTRATOR = "administrator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    CLERK = "clerk"
    OPERATOR = "operator"
    SECURITY_OFFICER = "security-officer"


_P = StaffPermission

EVERYBODY: Final = frozenset({_P.SESSION_BEGIN, _P.SESSION_END, _P.CREDENTIAL_CHANGE})
"""What comes with an account, whatever its roles."""

NOBODY_YET: Final = frozenset({_P.CREDENTIAL_ENROL})
"""What is done before there is a credential: the enrolment code says who comes."""

# Who would miss the evidence, and who answers for the data: neither erases alone.
_ERASURES: Final = (_P.ERASURES_READ, _P.ERASURES_DECIDE, _P.LEGAL_HOLDS_WRITE)

ROLE_PERMISSIONS: Final[Mapping[Role, frozenset[StaffPermission]]] = MappingProxyType(
    {
        # Keeps accounts and sees nobody's data; so this role stands alone (`ALONE`).
        Role.ADMINISTRATOR: frozenset({_P.STAFF_READ, _P.STAFF_WRITE}),
        Role.APPROVER: frozenset({_P.HOLDS_READ, _P.HOLDS_SHOW, _P.HOLDS_DECIDE}),
        Role.AUDITOR: frozenset(
            {
                _P.STAFF_READ,
                _P.HOLDS_READ,
                _P.SWITCHES_READ,
                _P.RECORDS_READ,
                _P.RECORDS_SEARCH_PERSON,
                _P.RECORDS_OPEN,
                _P.RECORDS_EXPORT,
                _P.OPERATIONS_READ,
                *_ERASURES,
            }
        ),
        Role.CLERK: frozenset({_P.HOLDS_READ, _P.FLAGS_READ, _P.FLAGS_WRITE}),
        Role.OPERATOR: frozenset(
            {
                _P.HOLDS_READ,
                _P.SWITCHES_READ,
                _P.SWITCHES_WRITE,
                _P.RECORDS_READ,
                _P.ERASURES_READ,
            }
        ),
        Role.SECURITY_OFFICER: frozenset(
            {
                _P.STAFF_READ,
                _P.HOLDS_READ,
                _P.FLAGS_READ,
                _P.FLAGS_WRITE,
                _P.SWITCHES_READ,
                _P.SWITCHES_WRITE,
                _P.RECORDS_READ,
                _P.RECORDS_SEARCH_PERSON,
                _P.RECORDS_OPEN,
                _P.RECORDS_EXPORT,
                _P.RECORDS_RECONCILE,
                _P.RECORDS_CORRECT,
                _P.RECORDS_DISCLOSE,
                _P.OPERATIONS_READ,
                *_ERASURES,
            }
        ),
    }
)

ALONE: Final = frozenset({Role.ADMINISTRATOR})
"""Roles that stand alone: whoever makes accounts must not profit from making one."""

FIRST_ROLES: Final = (Role.ADMINISTRATOR,)


class NameTakenError(ConflictError):
    """An account of that name is there, also if it is disabled: names are not given twice."""

    problem = "name-taken"


class CredentialTakenError(ConflictError):
    """This second factor is, or was, an account's already."""

    problem = "credential-taken"


class StaffRuleError(RefusedError):
    """A rule about accounts says no; `reason` says which."""

    problem = "staff-rule"


class MalformedStaffError(InvalidRequestError):
    """A name or role that no account can have."""

    problem = "malformed-staff"


class StaffState(StrEnum):
    """Where an account stands."""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Somebody who proved to be a member of staff, with what they may do."""

    staff_id: str
    credential_id: str
    name: str = field(repr=False)
    roles: frozenset[Role]

    def may(self, permission: str) -> bool:
        """Tell whether one of the roles gives this permission."""
        return permission in permissions_of(self.roles)


def permissions_of(roles: Iterable[Role]) -> frozenset[StaffPermission]:
    """Return everything these roles permit together."""
    return EVERYBODY.union(*(ROLE_PERMISSIONS[role] for role in roles))


def parse_roles(words: Collection[str]) -> tuple[Role, ...]:
    """Return roles in their order, or raise `MalformedStaffError` or `StaffRuleError`."""
    try:
        roles = tuple(sorted({Role(word) for word in words}))
    except ValueError:
        raise MalformedStaffError("staff: no such role") from None
    if not 0 < len(roles) <= ROLES_MAX:
        raise MalformedStaffError(f"staff: 1 to {ROLES_MAX} roles")
    if len(roles) > 1 and not ALONE.isdisjoint(roles):
        raise StaffRuleError("staff: this role stands alone", reason="role-stands-alone")
    return roles


def parse_name(text: str) -> str:
    """Return an account's name in its one spelling, or raise `MalformedStaffError`."""
    if not _NAME.fullmatch(text):
        raise MalformedStaffError("staff: a name is 2 to 32 of a-z, 0-9, '.', '_', '-'")
    return text


def require_another(staff_id: str, *, by: str) -> None:
    """Refuse to let anybody change their own account: it takes another administrator."""
    if staff_id == by:
        raise StaffRuleError("staff: somebody else must do this", reason="own-account")
