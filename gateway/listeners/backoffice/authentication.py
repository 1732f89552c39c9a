"""Who calls the back-office listener: a certificate of its CA, and a token given to that one."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from gateway.domain.scopes import InsufficientScopeError, require_scope
from gateway.errors import NotAuthenticatedError
from gateway.flows.client_refusals import ClientRefusals
from gateway.flows.sign_in_clients import PresentedCertificate, SignInClients
from gateway.http.peer import peer_certificate
from gateway.http.routes import PUBLIC, Permission
from gateway.listeners.backoffice.services import Caller, Certified, Client

CERTIFICATE: Final = Permission("backoffice:certificate")
"""A certificate of the listener's CA is enough: the caller is about to sign in."""
ANY_CLIENT: Final = Permission("backoffice:client")
"""Any client that signed in, whatever its scopes."""

_SCHEME: Final = "bearer"


class TokenMissingError(NotAuthenticatedError):
    """The request carries no bearer token, or more than one."""

    problem = "not-authenticated"


def authenticate_clients(
    sign_in: SignInClients, refusals: ClientRefusals
) -> Callable[[web.Request, Permission], Awaitable[Caller | None]]:
    """Return the authentication of the back-office listener; a permission is a scope."""

    async def authenticate(request: web.Request, permission: Permission) -> Caller | None:
        if permission == PUBLIC:
            return None
        certificate = presented(request)
        if permission == CERTIFICATE:
            return Certified(certificate=certificate)
        held = await sign_in.signed_in(_bearer(request), certificate)
        scopes = held.token.scopes & held.client.scopes
        if permission != ANY_CLIENT:
            try:
                require_scope(scopes, permission)
            except InsufficientScopeError as error:
                await refusals.record(held.client.registration, permission, error)
                raise
        return Client(registration=held.client.registration, scopes=scopes)

    return authenticate


def presented(request: web.Request) -> PresentedCertificate:
    """Return the certificate of the connection, or raise `NotAuthenticatedError`."""
    certificate = peer_certificate(request)
    return PresentedCertificate(sha256=bytes.fromhex(certificate.sha256), uris=certificate.uris)


def limit_key(caller: Caller | None) -> str:
    """Return whose bucket a request is taken from."""
    match caller:
        case Client(registration=registration):
            return f"client/{registration.client_id}"
        case Certified(certificate=certificate):
            return f"certificate/{certificate.sha256.hex()}"
        case None:
            return "nobody"


def _bearer(request: web.Request) -> str:
    """Return the token of the one Authorization header (RFC 6750 §2.1)."""
    values = request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(values) != 1:
        raise TokenMissingError("authorization: one bearer token")
    scheme, _, token = values[0].partition(" ")
    if scheme.lower() != _SCHEME or not token:
        raise TokenMissingError("authorization: one bearer token")
    return token
