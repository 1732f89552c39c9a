"""The resident network's one listener: registries come, by certificates of its own CA.

A registry is not a member of the network: the resident network issues it a client certificate
that names its organisation, `urn:sekisho:<network>:<organisation>:registry`, and trusts no other.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from certs.errors import CertsError
from certs.names import GATEWAY, certificate_uri
from certs.organisations import WITHDRAWN
from gateway.core.resident_network import ResidentNetwork
from gateway.errors import NotPermittedError
from gateway.flows.trust import Trust
from gateway.http.peer import peer_certificate
from gateway.http.routes import PUBLIC, Call, Permission, Route
from gateway.wire.codes import LookupsRequest, NumbersAnswer

REGISTRY: Final = "registry"
REGISTRY_ONLY: Final = Permission("resident-network:registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The unified address registry of one organisation."""

    organisation: str


RegistryCall: TypeAlias = Call[ResidentNetwork, Registry]


def registry_uri(network: str, organisation: str) -> str:
    """Return the URI that a registry's client certificate carries."""
    return certificate_uri(network, organisation, REGISTRY)


def authenticate_registries(
    trust: Trust,
) -> Callable[[web.Request, Permission], Awaitable[Registry | None]]:
    """Return the authentication of the resident network's listener."""

    async def authenticate(request: web.Request, permission: Permission) -> Registry | None:
        if permission == PUBLIC:
            return None
        return registry_of(trust, peer_certificate(request).uris)

    return authenticate


def registry_of(trust: Trust, uris: tuple[str, ...]) -> Registry:
    """Return whose registry these names of a certificate say, or raise `NotPermittedError`."""
    for name in _named(uris):
        try:
            organisation = trust.directory.organisation(name)
        except CertsError:
            continue
        is_here = organisation.role == GATEWAY and organisation.status != WITHDRAWN
        if is_here and uris == (registry_uri(trust.network, name),):
            return Registry(organisation=name)
    raise NotPermittedError("registry: the certificate is of no organisation's registry")


def _named(uris: tuple[str, ...]) -> list[str]:
    suffix = f":{REGISTRY}"
    return [uri.removesuffix(suffix).rpartition(":")[2] for uri in uris if uri.endswith(suffix)]


async def look_up(call: RegistryCall, body: LookupsRequest) -> NumbersAnswer:
    """Tell the core whose these acquisition numbers are (令27①–③); nothing is kept of them."""
    return await call.services.look_up(body)


ROUTES = (
    Route(
        method="POST",
        path="/v1/lookups",
        handler=look_up,
        permission=REGISTRY_ONLY,
        summary="Bring acquisition numbers and My Numbers",
        request=LookupsRequest,
        response=NumbersAnswer,
        problems=("stale-directory",),
    ),
)
