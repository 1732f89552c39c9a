"""The back-office zone's application: its routes, and signed-in clients as its callers."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import wraps

from aiohttp import web

from gateway.clock import Clock
from gateway.errors import SekishoError
from gateway.http.application import build_application
from gateway.http.limits import rate_limit
from gateway.http.routes import Route
from gateway.listeners.backoffice import acquisitions, inquiries, measures, replicas, tokens
from gateway.listeners.backoffice.authentication import authenticate_clients, limit_key
from gateway.listeners.backoffice.services import (
    LISTENER,
    BackofficeCall,
    BackofficeServices,
    Client,
)
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
        [replace(route, handler=_recording(route)) for route in ROUTES],
        listener=LISTENER,
        version=version,
        services=services,
        authenticate=authenticate_clients(services.sign_in, services.refusals),
        limit=rate_limit(limits, limit_key, monotonic=clock.monotonic),
    )


def _recording(route: Route) -> Callable[..., Awaitable[object]]:
    """Return a row's handler that records refusals before the client hears of them."""
    handler = route.handler

    @wraps(handler)
    async def recording(call: BackofficeCall, *body: object) -> object:
        try:
            return await handler(call, *body)
        except SekishoError as error:
            if isinstance(call.caller, Client):
                await call.services.refusals.record(call.caller.registration, route.name, error)
            raise

    return recording
