"""Accounts of staff and their credentials; a one-time password's step is used once, by SQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, LiteralString

from gateway.domain.staff import Role, StaffState
from gateway.storage.database import Connection
from gateway.storage.effects import Effect

CREDENTIALS: Final = "staff_credentials"
TOTP: Final = "totp"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffAdded(Effect):
    """The account is there exactly when its entry is; a first one only where there is no other."""

    KIND: ClassVar[str] = "staff_added"
    ORDER: ClassVar[int] = 10

    staff_id: str
    name: str = field(repr=False)
    roles: tuple[str, ...]
    is_first: bool = False
    enrolment_digest: bytes | None = field(default=None, repr=False)
    enrolment_expires: datetime | None = None

    @property
    def key(self) -> str:
        """Return the name: two accounts never get it together."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSet(Effect):
    """The account's credential from now on; with an enrolment's digest, that is used up."""

    KIND: ClassVar[str] = "staff_credential"
    ORDER: ClassVar[int] = 20

    credential_id: str
    staff_id: str
    password: str = field(repr=False)
    totp_box: bytes = field(repr=False)
    key_year: int
    enrolment_digest: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """Return the account: it gets one credential at a time."""
        return self.staff_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSet(Effect):
    """The credential has another password; its sessions end."""

    KIND: ClassVar[str] = "staff_password"
    ORDER: ClassVar[int] = 20

    credential_id: str
    password: str = field(repr=False)

    @property
    def key(self) -> str:
        """Return the credential."""
        return self.credential_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffChanged(Effect):
    """The account is as said here, if nobody changed it meanwhile; its sessions end.

    A new enrolment retires the credential.
    """

    KIND: ClassVar[str] = "staff_changed"
    ORDER: ClassVar[int] = 10

    staff_id: str
    version: int
    roles: tuple[str, ...]
    is_disabled: bool
    enrolment_digest: bytes | None = field(default=None, repr=False)
    enrolment_expires: datetime | None = None

    @property
    def key(self) -> str:
        """Return the account."""
        return self.staff_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffRow:
    """One account as it stands."""

    staff_id: str
    name: str = field(repr=False)
    roles: tuple[Role, ...]
    state: StaffState
    version: int
    added_at: datetime
    enrolment_digest: bytes | None = field(repr=False)
    enrolment_expires: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRow:
    """What an account in use proves itself by."""

    credential_id: str
    staff_id: str
    name: str = field(repr=False)
    roles: tuple[Role, ...]
    password: str = field(repr=False)
    totp_box: bytes = field(repr=False)
    key_year: int


_SELECT: Final[LiteralString] = """
    SELECT s.staff_id, s.name, s.roles, s.is_disabled, s.version, s.added_at,
           s.enrolment_digest, s.enrolment_expires, c.credential_id
      FROM staff AS s
      LEFT JOIN staff_credentials AS c ON c.staff_id = s.staff_id AND c.retired_at IS NULL
"""
_PAGE: Final[LiteralString] = f"""
    {_SELECT}
     WHERE $1::timestamptz IS NULL OR (s.added_at, s.staff_id) < ($1, $2)
     ORDER BY s.added_at DESC, s.staff_id DESC
     LIMIT $3
"""


async def page(
    connection: Connection, *, before: tuple[datetime, str] | None, limit: int
) -> list[StaffRow]:
    """Return accounts, newest first."""
    at, staff_id = before if before is not None else (None, None)
    return [_row(row) for row in await connection.fetch(_PAGE, at, staff_id, limit)]


_FIND: Final[LiteralString] = f"""
    {_SELECT}
     WHERE s.staff_id = ANY ($1::text[]) OR s.name = ANY ($2::text[])
"""


async def find(
    connection: Connection, *, staff_ids: Sequence[str] = (), names: Sequence[str] = ()
) -> list[StaffRow]:
    """Return the accounts of these ids or names."""
    rows = await connection.fetch(_FIND, list(staff_ids), list(names))
    return [_row(row) for row in rows]


_CREDENTIAL: Final[LiteralString] = """
    SELECT c.credential_id, c.staff_id, s.name, s.roles, c.password, c.totp_box, c.key_year
      FROM staff AS s
      JOIN staff_credentials AS c ON c.staff_id = s.staff_id AND c.retired_at IS NULL
     WHERE s.name = $1 AND NOT s.is_disabled
"""


async def credential_of(connection: Connection, name: str) -> CredentialRow | None:
    """Return the credential in use of an account in use."""
    row = await connection.fetchrow(_CREDENTIAL, name)
    if row is None:
        return None
    return CredentialRow(
        credential_id=row["credential_id"],
        staff_id=row["staff_id"],
        name=row["name"],
        roles=tuple(Role(role) for role in row["roles"]),
        password=row["password"],
        totp_box=row["totp_box"],
        key_year=row["key_year"],
    )


# RFC 6238 §5.2: a one-time password is accepted once, so a step must be later than the last.
_USE_STEP: Final[LiteralString] = """
    UPDATE staff_credentials AS c SET last_step = $2
      FROM staff AS s
     WHERE c.credential_id = $1 AND c.last_step < $2 AND c.retired_at IS NULL
       AND s.staff_id = c.staff_id AND NOT s.is_disabled
    RETURNING true
"""


async def use_step(connection: Connection, credential_id: str, step: int) -> bool:
    """Use a time step up; tells whether this call was the one that did."""
    return bool(await connection.fetchval(_USE_STEP, credential_id, step))


def _row(row: Any) -> StaffRow:  # noqa: ANN401 - a driver's record, read by column name
    has_credential = row["credential_id"] is not None
    state = StaffState.ACTIVE if has_credential else StaffState.INVITED
    return StaffRow(
        staff_id=row["staff_id"],
        name=row["name"],
        roles=tuple(Role(role) for role in row["roles"]),
        state=StaffState.DISABLED if row["is_disabled"] else state,
        version=row["version"],
        added_at=row["added_at"],
        enrolment_digest=row["enrolment_digest"],
        enrolment_expires=row["enrolment_expires"],
    )
