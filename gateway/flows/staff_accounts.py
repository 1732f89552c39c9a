"""Accounts of staff: made by an administrator, taken into use by the person alone.

An administrator hands over an enrolment code and never sees a password or a second factor. The
first account is made over the control socket, by whoever runs the machine. Records name people by
their account's random id; the name itself stays in the table of accounts.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from certs.errors import KeyMaterialError, PasswordError, TokenError
from certs.passwords import Totp
from certs.tokens import AccessToken, token_digest
from gateway.domain.staff import (
    ENROLMENT_LIFE,
    FIRST_ROLES,
    CredentialTakenError,
    MalformedStaffError,
    NameTakenError,
    Role,
    Staff,
    StaffRuleError,
    StaffState,
    parse_name,
    require_another,
)
from gateway.errors import ConflictError, NotAuthenticatedError, NotFoundError
from gateway.flows.context import Context
from gateway.flows.record_types import (
    Draft,
    EffectRefusedError,
    Outcome,
    Recorded,
    SearchColumns,
    new_id,
)
from gateway.flows.sign_in_staff import SOURCE, PasswordDoor
from gateway.storage import staff
from gateway.storage.effects import Effect
from gateway.storage.staff import (
    CREDENTIALS,
    TOTP,
    CredentialSet,
    PasswordSet,
    StaffAdded,
    StaffChanged,
    StaffRow,
)

CONTROL: Final = "control-socket"
ISSUER: Final = "Sekisho"
CREDENTIAL_ID_CHARACTERS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What an administrator hands over: good once, for a few days."""

    staff_id: str
    code: AccessToken
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A credential just made; the second factor is shown this once."""

    staff_id: str
    factor: Totp = field(repr=False)
    uri: str = field(repr=False)


class StaffAccounts:
    """The accounts of one organisation's staff."""

    def __init__(self, context: Context, door: PasswordDoor) -> None:
        self._context = context
        self._door = door
        self._fingerprints = context.vault.keys.column(CREDENTIALS).raw

    async def page(self, *, before: tuple[datetime, str] | None, limit: int) -> list[StaffRow]:
        """Return accounts, newest first."""
        async with self._context.database.read() as connection:
            return await staff.page(connection, before=before, limit=limit)

    async def add_first(self, name: str, password: str, secret: str | None = None) -> Enrolled:
        """Make the first account, an administrator's, ready to be used.

        Raises:
            StaffRuleError: there is an account already; administrators make the others.
        """
        factor, staff_id = _factor(secret), new_id()
        added = StaffAdded(
            staff_id=staff_id, name=parse_name(name), roles=FIRST_ROLES, is_first=True
        )
        credential = await self._credential(staff_id, password, factor)
        outcome = await self._record(
            "staff-added",
            CONTROL,
            added.staff_id,
            {"roles": _words(FIRST_ROLES)},
            added,
            credential,
        )
        if isinstance(outcome, EffectRefusedError):
            raise StaffRuleError("staff: there is a first account", reason="not-the-first")
        return self._enrolled(staff_id, name, factor)

    async def add(self, name: str, roles: tuple[Role, ...], *, by: Staff) -> Enrolment:
        """Make an account that its person takes into use with the code returned.

        Raises:
            NameTakenError: the name is, or was, somebody's.
        """
        code, staff_id = AccessToken.generate(), new_id()
        expires_at = self._context.clock.now() + ENROLMENT_LIFE
        added = StaffAdded(
            staff_id=staff_id,
            name=parse_name(name),
            roles=roles,
            enrolment_digest=code.digest(),
            enrolment_expires=expires_at,
        )
        outcome = await self._record(
            "staff-added", by.staff_id, staff_id, {"roles": _words(roles)}, added
        )
        if isinstance(outcome, EffectRefusedError):
            raise NameTakenError("staff: name taken")
        return Enrolment(staff_id=staff_id, code=code, expires_at=expires_at)

    async def enrol(self, name: str, code: str, password: str, secret: str | None) -> Enrolled:
        """Take an account into use: the person's own password and second factor from now on.

        `secret` is that of a token the person brings; without, one is made.

        Raises:
            NotAuthenticatedError: no such invitation, or it has ended.
            CredentialTakenError: the second factor is somebody's.
            MalformedStaffError: a password or secret that cannot be used.
        """
        digest, factor = _code_digest(code), _factor(secret)
        # Made first, for whoever comes: the work tells nothing about names.
        hashed = await self._hash(password)
        async with self._context.database.read() as connection:
            rows = await staff.find(connection, names=[name])
        row = rows[0] if rows else None
        if row is None or not hmac.compare_digest(row.enrolment_digest or b"", digest):
            raise NotAuthenticatedError("enrolment: no such invitation")
        credential = self._credential_set(row.staff_id, hashed, factor, digest)
        outcome = await self._record(
            "staff-changed", row.staff_id, row.staff_id, {"what": "enrolled"}, credential
        )
        if isinstance(outcome, EffectRefusedError):
            if row.enrolment_expires and row.enrolment_expires <= self._context.clock.now():
                raise NotAuthenticatedError("enrolment: it has ended")
            raise CredentialTakenError("enrolment: this second factor is taken")
        return self._enrolled(row.staff_id, row.name, factor)

    async def change_password(self, person: Staff, password: str) -> None:
        """Give the person, who has just proved both factors, another password."""
        effect = PasswordSet(
            credential_id=person.credential_id, password=await self._hash(password)
        )
        outcome = await self._record(
            "staff-changed", person.staff_id, person.staff_id, {"what": "password"}, effect
        )
        if isinstance(outcome, EffectRefusedError):
            raise NotAuthenticatedError("password: the credential is retired")

    async def change_roles(self, staff_id: str, roles: tuple[Role, ...], *, by: Staff) -> None:
        """Give the account other roles; its sessions end."""
        row = await self._another(staff_id, by)
        await self._change(
            row, by, {"what": "roles", "roles": _words(roles)}, _kept(row, roles=roles)
        )

    async def disable(self, staff_id: str, *, by: Staff) -> None:
        """Let nobody in with the account any more; its sessions end."""
        row = await self._another(staff_id, by)
        await self._change(row, by, {"what": "disabled"}, _kept(row, is_disabled=True))

    async def enable(self, staff_id: str, *, by: Staff) -> None:
        """Let the account in again."""
        row = await self._another(staff_id, by)
        await self._change(row, by, {"what": "enabled"}, _kept(row, is_disabled=False))

    async def reset(self, staff_id: str, *, by: Staff) -> Enrolment:
        """Retire the account's credential; the code returned lets its person make another."""
        row = await self._another(staff_id, by)
        code = AccessToken.generate()
        expires_at = self._context.clock.now() + ENROLMENT_LIFE
        effect = StaffChanged(
            staff_id=row.staff_id,
            version=row.version,
            roles=row.roles,
            is_disabled=row.state is StaffState.DISABLED,
            enrolment_digest=code.digest(),
            enrolment_expires=expires_at,
        )
        await self._change(row, by, {"what": "reset"}, effect)
        return Enrolment(staff_id=row.staff_id, code=code, expires_at=expires_at)

    async def _another(self, staff_id: str, by: Staff) -> StaffRow:
        require_another(staff_id, by=by.staff_id)
        async with self._context.database.read() as connection:
            rows = await staff.find(connection, staff_ids=[staff_id])
        if not rows:
            raise NotFoundError("staff: none of that id")
        return rows[0]

    async def _change(
        self, row: StaffRow, by: Staff, what: dict[str, object], effect: StaffChanged
    ) -> None:
        outcome = await self._record("staff-changed", by.staff_id, row.staff_id, what, effect)
        if isinstance(outcome, EffectRefusedError):
            raise ConflictError("staff: the account changed meanwhile")

    async def _credential(self, staff_id: str, password: str, factor: Totp) -> CredentialSet:
        return self._credential_set(staff_id, await self._hash(password), factor, None)

    def _credential_set(
        self, staff_id: str, password: str, factor: Totp, enrolment: bytes | None
    ) -> CredentialSet:
        year = self._context.clock.now().year
        # Named by the second factor itself: the same one never becomes two people's.
        fingerprint = hmac.digest(self._fingerprints, factor.secret, hashlib.sha256)
        credential_id = fingerprint.hex()[:CREDENTIAL_ID_CHARACTERS]
        box = self._context.vault.seal(CREDENTIALS, TOTP, year, credential_id, factor.secret)
        return CredentialSet(
            credential_id=credential_id,
            staff_id=staff_id,
            password=password,
            totp_box=box,
            key_year=year,
            enrolment_digest=enrolment,
        )

    async def _hash(self, password: str) -> str:
        try:
            return await self._door.hashed(password)
        except PasswordError as error:
            raise MalformedStaffError(
                f"password: {error.reason}", members={"reason": error.reason}
            ) from None

    async def _record(
        self, kind: str, by: str, staff_id: str, what: dict[str, object], *effects: Effect
    ) -> Outcome:
        draft = Draft(
            kind=kind,
            members={},
            private={"account": staff_id, "by": by, **what},
            search=SearchColumns(staff=by),
            effects=effects,
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded | EffectRefusedError):
            raise outcome
        return outcome

    def _enrolled(self, staff_id: str, name: str, factor: Totp) -> Enrolled:
        account = f"{name}@{self._context.trust.organisation}"
        return Enrolled(
            staff_id=staff_id, factor=factor, uri=factor.uri(account=account, issuer=ISSUER)
        )


def _kept(
    row: StaffRow, *, roles: tuple[Role, ...] | None = None, is_disabled: bool | None = None
) -> StaffChanged:
    """Return the account as it is but for what is given; an open invitation stays open."""
    was_disabled = row.state is StaffState.DISABLED
    return StaffChanged(
        staff_id=row.staff_id,
        version=row.version,
        roles=row.roles if roles is None else roles,
        is_disabled=was_disabled if is_disabled is None else is_disabled,
        enrolment_digest=row.enrolment_digest,
        enrolment_expires=row.enrolment_expires,
    )


def _factor(secret: str | None) -> Totp:
    try:
        return Totp.generate() if secret is None else Totp.from_base32(secret)
    except KeyMaterialError as error:
        raise MalformedStaffError(
            f"second factor: {error.reason}", members={"reason": error.reason}
        ) from None


def _code_digest(code: str) -> bytes:
    try:
        return token_digest(code)
    except TokenError:
        raise NotAuthenticatedError("enrolment: no code of ours") from None


def _words(roles: tuple[Role, ...]) -> list[str]:
    return [role.value for role in roles]
