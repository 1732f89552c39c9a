"""Who comes to the staff listener: a session's token, or the credential in the message itself."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from gateway.domain.staff import Staff, StaffPermission
from gateway.errors import NotAuthenticatedError, NotPermittedError
from gateway.flows.sign_in_staff import Proof, SignInStaff
from gateway.http.routes import PUBLIC, Call, Permission
from gateway.listeners.staff.services import Caller, Services
from gateway.wire.staff import Credential

BEARER: Final = "Bearer "
AUTHORIZATION_CHARACTERS_MAX: Final = 128

AT_THAT_MOMENT: Final[frozenset[str]] = frozenset(
    {
        StaffPermission.SESSION_BEGIN,
        StaffPermission.CREDENTIAL_ENROL,
        StaffPermission.CREDENTIAL_CHANGE,
        StaffPermission.HOLDS_DECIDE,
        StaffPermission.ERASURES_DECIDE,
        StaffPermission.RECORDS_CORRECT,
    }
)
"""What takes its proof in the message: a session, which may be another's, counts for nothing."""


def authenticate_staff(
    sign_in: SignInStaff,
) -> Callable[[web.Request, Permission], Awaitable[Caller]]:
    """Return the authentication of the staff listener."""

    async def authenticate(request: web.Request, permission: Permission) -> Caller:
        address = request.remote or ""
        if permission == PUBLIC or permission in AT_THAT_MOMENT:
            return Caller(address=address)
        token = _token(request)
        person = await sign_in.resume(token)
        if not person.may(permission):
            raise NotPermittedError(f"staff: no role with {permission}")
        return Caller(address=address, signed_in=person, token=token)

    return authenticate


async def prove(call: Call[Services, Caller], credential: Credential) -> Staff:
    """Return who proves this credential now and may do what the route is for, or raise."""
    return await call.services.sign_in.authenticate(
        proof_of(credential), address=call.caller.address, permission=call.route.permission
    )


def proof_of(credential: Credential) -> Proof:
    """Return what a message shows as the flows take it."""
    return Proof(name=credential.name, password=credential.password, totp=credential.totp)


def bucket_of(caller: Caller) -> str:
    """Return whom requests are counted for."""
    return caller.address if caller.signed_in is None else caller.signed_in.staff_id


def _token(request: web.Request) -> str:
    values = request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(values) != 1 or len(values[0]) > AUTHORIZATION_CHARACTERS_MAX:
        raise NotAuthenticatedError("session: one Bearer token")
    if not values[0].startswith(BEARER):
        raise NotAuthenticatedError("session: no Bearer token")
    return values[0].removeprefix(BEARER)
