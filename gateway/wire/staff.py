"""Messages of the staff listener: who comes, sessions, accounts (DESIGN §3).

Nothing here names who decides: that is whoever proves a credential in the same message.
"""

from typing import Annotated, Final

import msgspec

from gateway.wire.fields import END, Hex32, Instant, Message, Slug

PAGE_ITEMS_MAX: Final = 200
PASSWORD_CHARACTERS_MAX: Final = 256

StaffName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{1,31}" + END)]
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=PASSWORD_CHARACTERS_MAX)]
OneTimePassword = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6}" + END)]
EnrolmentCode = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{16,64}" + END)]
TotpSecret = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z2-7 =]{16,64}" + END)]
Cursor = Annotated[str, msgspec.Meta(max_length=128)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_ITEMS_MAX)]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
"""A reason in people's own words; nobody's name or number belongs there."""


class Credential(Message, frozen=True):
    """Who comes, and the proof of it at this moment: password and one-time password."""

    name: StaffName
    password: Password
    totp: OneTimePassword


class Session(Message, frozen=True):
    """A session begun; `token` is shown this once, as Bearer from now on."""

    token: str
    staff_id: Hex32
    roles: list[Slug]
    permissions: list[str]
    expires_at: Instant
    idle_s: int


class NewStaff(Message, frozen=True):
    """An account to be made."""

    name: StaffName
    roles: Annotated[list[Slug], msgspec.Meta(min_length=1, max_length=8)]


class Invitation(Message, frozen=True):
    """What the administrator hands over: good once, until `expires_at`."""

    staff_id: Hex32
    enrolment_code: str
    expires_at: Instant


class NewEnrolment(Message, frozen=True):
    """A person takes an account into use; `totp_secret` is that of a token they bring."""

    name: StaffName
    enrolment_code: EnrolmentCode
    password: Password
    totp_secret: TotpSecret | None = None


class Enrolment(Message, frozen=True):
    """The second factor, shown this once: as people type it and as authenticators scan it."""

    staff_id: Hex32
    totp_secret: str
    totp_uri: str


class NewPassword(Message, frozen=True):
    """A person's own new password, with both factors as they are now."""

    credential: Credential
    password: Password


class RolesChange(Message, frozen=True):
    """The roles of an account from now on."""

    roles: Annotated[list[Slug], msgspec.Meta(min_length=1, max_length=8)]


class StaffAccount(Message, frozen=True):
    """One account."""

    staff_id: Hex32
    name: str
    roles: list[Slug]
    state: Slug
    added_at: Instant


class StaffAccounts(Message, frozen=True):
    """A page of accounts, newest first."""

    staff: list[StaffAccount]
    next: str | None = None


class PageQuery(Message, frozen=True):
    """Which page."""

    after: Cursor | None = None
    limit: Limit = 50
