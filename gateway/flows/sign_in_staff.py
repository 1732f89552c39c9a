"""People prove who they are: password and second factor, for a session or for one decision.

Whoever fails learns nothing but that: a name that is not there costs the same work, the same
back-off and the same words. A time step is used up in the database, before anything is done.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from certs.errors import PasswordError, TokenError
from certs.passwords import Totp, hash_password, verify_password
from certs.tokens import AccessToken, token_digest
from gateway.domain.staff import SESSION_IDLE, SESSION_LIFE, Staff, permissions_of
from gateway.errors import (
    NotAuthenticatedError,
    NotPermittedError,
    TooManyRequestsError,
    UnavailableError,
)
from gateway.flows.context import Context
from gateway.flows.evidence import SecurityEvents
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.storage import sessions, staff
from gateway.storage.effects import Effect
from gateway.storage.sessions import BackOff, SessionBegun, SessionEnded, SessionRow
from gateway.storage.staff import CREDENTIALS, TOTP, CredentialRow

SOURCE: Final = "staff"
ACCOUNT_ATTEMPTS_FREE: Final = 5
ADDRESS_ATTEMPTS_FREE: Final = 30
BACK_OFF: Final = BackOff(first_s=15.0, longest_s=900.0, forget=timedelta(hours=24))
HASHES_AT_ONCE: Final = 1
"""Each takes 64 MiB and all cores while it runs (RFC 9106); two would only wait for each other."""
HASHES_WAITING_MAX: Final = 16
USED_EVERY: Final = timedelta(seconds=60)
_ATTEMPTS: Final = "staff_attempts"
_NOBODY: Final = "0" * 32
_FAILED: Final = "sign-in-failed"
_BLOCKED: Final = "sign-in-blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a person shows: name, password and the digits of this moment; prints masked."""

    name: str = field(repr=False)
    password: str = field(repr=False)
    totp: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session just begun; the token is shown this once."""

    token: AccessToken
    staff: Staff
    expires_at: datetime


class SignInStaff:
    """The door of the staff zone."""

    def __init__(self, context: Context, events: SecurityEvents, door: "PasswordDoor") -> None:
        self._context = context
        self._events = events
        self._door = door
        self._key = context.vault.keys.column(_ATTEMPTS).raw
        self._nobody = Totp.generate()

    async def authenticate(
        self, proof: Proof, *, address: str, permission: str | None = None
    ) -> Staff:
        """Return who this is, by password and a time step that nobody has used.

        Raises:
            NotAuthenticatedError: one of the three is wrong; which one is not told.
            TooManyRequestsError: too many failures under this name or from this address.
            NotPermittedError: it is somebody, who may not do this.
        """
        now = self._context.clock.now()
        keys = {
            self._attempt_key("name", proof.name): ACCOUNT_ATTEMPTS_FREE,
            self._attempt_key("address", address): ADDRESS_ATTEMPTS_FREE,
        }
        async with self._context.database.read() as connection:
            blocked = await sessions.attempt(connection, keys, BACK_OFF, now=now)
            row = await staff.credential_of(connection, proof.name)
        if blocked is not None:
            self._events.note(address, _BLOCKED)
            wait_s = max(1, round((blocked - now).total_seconds()))
            raise TooManyRequestsError("sign-in: failed too often", retry_after_s=wait_s)
        known = await self._prove(proof, row)
        account, *others = keys
        async with self._context.database.read() as connection:
            if known is None:
                self._events.note(address, _FAILED)
                raise NotAuthenticatedError("sign-in: name, password or one-time password")
            await sessions.succeeded(connection, account, [account, *others])
        if permission is not None and not known.may(permission):
            raise NotPermittedError(f"staff: no role with {permission}")
        return known

    async def begin(self, proof: Proof, *, address: str) -> NewSession:
        """Begin a session; it lives as long as its entry says and no longer idle than 15 minutes.

        Raises as `authenticate`.
        """
        person = await self.authenticate(proof, address=address)
        token, now = AccessToken.generate(), self._context.clock.now()
        expires_at = now + SESSION_LIFE
        effect = SessionBegun(
            token_digest=token.digest(),
            staff_id=person.staff_id,
            credential_id=person.credential_id,
            begun_at=now,
            expires_at=expires_at,
        )
        await self._record(person, "begun", effect)
        return NewSession(token=token, staff=person, expires_at=expires_at)

    async def resume(self, token: str) -> Staff:
        """Return whose session this token is, or raise `NotAuthenticatedError`."""
        now = self._context.clock.now()
        digest = _digest(token)
        async with self._context.database.read() as connection:
            row = await sessions.find(connection, digest, now=now, idle=SESSION_IDLE)
            if row is None:
                raise NotAuthenticatedError("session: none, or it has ended")
            if now - row.used_at > USED_EVERY:
                await sessions.used(connection, digest, now)
        return _person(row)

    async def end(self, token: str, person: Staff) -> None:
        """End the session of this token."""
        await self._record(person, "ended", SessionEnded(token_digest=_digest(token)))

    async def _prove(self, proof: Proof, row: CredentialRow | None) -> Staff | None:
        """Return who it is, or nobody; both factors are always worked out."""
        has_password = await self._door.opens(proof.password, row.password if row else None)
        step = self._step(proof, row)
        async with self._context.database.read() as connection:
            credential_id = row.credential_id if row and has_password and step else _NOBODY
            is_first_use = await staff.use_step(connection, credential_id, step or 0)
        if row is None or not is_first_use:
            return None
        return Staff(
            staff_id=row.staff_id,
            credential_id=row.credential_id,
            name=row.name,
            roles=frozenset(row.roles),
        )

    def _step(self, proof: Proof, row: CredentialRow | None) -> int | None:
        vault, factor = self._context.vault, self._nobody
        if row is not None:
            secret = vault.open(CREDENTIALS, TOTP, row.key_year, row.credential_id, row.totp_box)
            factor = Totp(secret)
        try:
            return factor.verify(proof.totp, now=self._context.clock.now())
        except PasswordError:
            return None

    async def _record(self, person: Staff, what: str, effect: Effect) -> None:
        draft = Draft(
            kind="staff-session",
            members={},
            private={"staff": person.staff_id, "credential": person.credential_id, "what": what},
            search=SearchColumns(staff=person.staff_id),
            effects=(effect,),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            # The account was disabled or the session ended between the look and the entry.
            raise NotAuthenticatedError("session: the account has changed") from outcome

    def _attempt_key(self, kind: str, value: str) -> bytes:
        message = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, hashlib.sha256)


class PasswordDoor:
    """Works passwords out in a thread, one after another, so many waiting and no more."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0

    async def hashed(self, password: str) -> str:
        """Return a password as it is stored, or raise `PasswordError`."""
        async with self._place():
            return await asyncio.to_thread(hash_password, password)

    async def opens(self, password: str, stored: str | None) -> bool:
        """Tell whether the password is the stored one; `None` costs the same and never is."""
        try:
            async with self._place():
                await asyncio.to_thread(verify_password, password, stored)
        except PasswordError:
            return False
        return True

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._waiting >= HASHES_WAITING_MAX:
            raise UnavailableError("sign-in: too many at once")
        self._waiting += 1
        try:
            async with self._places:
                yield
        finally:
            self._waiting -= 1


def session_permissions(person: Staff) -> list[str]:
    """Return what the person may do, for screens and scripts to know what to offer."""
    return sorted(permissions_of(person.roles))


def _person(row: SessionRow) -> Staff:
    return Staff(
        staff_id=row.staff_id,
        credential_id=row.credential_id,
        name=row.name,
        roles=frozenset(row.roles),
    )


def _digest(token: str) -> bytes:
    try:
        return token_digest(token)
    except TokenError:
        raise NotAuthenticatedError("session: no token of ours") from None
