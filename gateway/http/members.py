"""Members of the network as callers: who the certificate says, looked up on every request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from certs.errors import CertsError
from gateway.errors import NotPermittedError
from gateway.flows.evidence import SecurityEvents
from gateway.flows.trust import Trust
from gateway.http.connections import LimitedHandler
from gateway.http.peer import peer_certificate
from gateway.http.routes import PUBLIC, Permission

MEMBER: Final = Permission("network:member")
"""Any organisation of the directory."""
CORE_ONLY: Final = Permission("network:core")
"""The core and nobody else."""
RESIDENT_NETWORK_ONLY: Final = Permission("network:resident-network")
GATEWAY_ONLY: Final = Permission("network:gateway")

STRANGER: Final = "stranger"
_ROLES: Final = {
    CORE_ONLY: "core",
    RESIDENT_NETWORK_ONLY: "resident-network",
    GATEWAY_ONLY: "gateway",
}


class UnknownMemberError(NotPermittedError):
    """The certificate is, or has become, nobody's: it was pinned when the connection began."""

    problem = "unknown-certificate"


class WrongMemberError(NotPermittedError):
    """A member of the network, but not one who may ask for this."""

    problem = "wrong-member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An organisation of the directory by the certificate it proved to hold."""

    organisation: str
    role: str


def authenticate_members(
    trust: Trust,
) -> Callable[[web.Request, Permission], Awaitable[Member | None]]:
    """Return the authentication of a network listener."""

    async def authenticate(request: web.Request, permission: Permission) -> Member | None:
        if permission == PUBLIC:
            return None
        certificate = peer_certificate(request)
        try:
            organisation = trust.directory.organisation_by_certificate(certificate.sha256)
        except CertsError:
            # Removed since the handshake: this connection ends with this answer.
            if isinstance(request.protocol, LimitedHandler):
                request.protocol.retire()
            raise UnknownMemberError("certificate: nobody's") from None
        wanted = _ROLES.get(permission)
        if wanted is not None and organisation.role != wanted:
            raise WrongMemberError(f"route: for {wanted} only")
        return Member(organisation=organisation.name, role=organisation.role)

    return authenticate


def authenticate_and_note(
    trust: Trust, events: SecurityEvents
) -> Callable[[web.Request, Permission], Awaitable[Member | None]]:
    """Return the authentication of members that also counts those who are none."""
    authenticate = authenticate_members(trust)

    async def authenticate_noting(request: web.Request, permission: Permission) -> Member | None:
        try:
            return await authenticate(request, permission)
        except (UnknownMemberError, WrongMemberError) as error:
            events.note(STRANGER, error.problem)
            raise

    return authenticate_noting
