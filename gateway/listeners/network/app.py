"""The network zone's application: its routes, and members of the network as its callers."""

from aiohttp import web

from gateway.flows.trust import Trust
from gateway.http.application import Limit, build_application
from gateway.http.log_routes import LOG_ROUTES
from gateway.http.members import Member, authenticate_and_note
from gateway.listeners.network import codes, disclosures, evidence, exchange
from gateway.listeners.network.services import LISTENER, NetworkServices

ROUTES = (*exchange.ROUTES, *codes.ROUTES, *evidence.ROUTES, *disclosures.ROUTES, *LOG_ROUTES)


def build(
    services: NetworkServices, trust: Trust, *, version: str, limit: Limit[Member | None]
) -> web.Application:
    """Return the application of the network listener; `limit` counts each member's requests."""
    return build_application(
        ROUTES,
        listener=LISTENER,
        version=version,
        services=services,
        authenticate=authenticate_and_note(trust, services.events),
        limit=limit,
    )
