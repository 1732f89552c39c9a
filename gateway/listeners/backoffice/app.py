"""The back-office zone's application: its routes, and signed-in clients as its callers."""

from aiohttp import web

from gateway.clock import Clock
from gateway.http.application import build_application
from gateway.http.limits import rate_limit
from gateway.listeners.backoffice import acquisitions, inquiries, measures, replicas, tokens
from gateway.listeners.backoffice.authentication import authenticate_clients, limit_key
from gateway.listeners.backoffice.services import LISTENER, BackofficeServices
from gateway.settings import HttpLimits

ROUTES = (
    *tokens.ROUTES,
    *inquiries.ROUTES,
    *acquisitions.ROUTES,
    *replicas.ROUTES,
    *measures.ROUTES,
)


def build(
    services: BackofficeServices, *, limits: HttpLimits, clock: Clock, version: str
) -> web.Application:
    """Return the application of the back-office listener."""
    return build_application(
        ROUTES,
        listener=LISTENER,
        version=version,
        services=services,
        authenticate=authenticate_clients(services.sign_in),
        limit=rate_limit(limits, limit_key, monotonic=clock.monotonic),
    )
