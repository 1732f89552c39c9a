"""The staff zone's application: its routes in a gateway and at the core, people as its callers.

Pages for browsers come beside these routes; what a page may do is permitted by the same table.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from gateway.clock import Clock
from gateway.http.application import build_application
from gateway.http.limits import rate_limit
from gateway.http.routes import Route
from gateway.listeners.staff import (
    accounts,
    corrections,
    disclosures,
    erasures,
    flags,
    holds,
    operations,
    reconciliations,
    records,
    switches,
)
from gateway.listeners.staff.identity import authenticate_staff, bucket_of
from gateway.listeners.staff.services import LISTENER, LogStaffServices, StaffServices
from gateway.settings import HttpLimits

LOG_ROUTES: Final = (*accounts.ROUTES, *operations.ROUTES, *erasures.ROUTES)
"""What staff do wherever a record log is kept; at the core that is all."""

ROUTES: Final = (
    *LOG_ROUTES,
    *holds.ROUTES,
    *flags.ROUTES,
    *switches.ROUTES,
    *records.ROUTES,
    *corrections.ROUTES,
    *disclosures.ROUTES,
    *reconciliations.ROUTES,
)


def build(
    services: StaffServices, *, limits: HttpLimits, clock: Clock, version: str
) -> web.Application:
    """Return the application of a gateway's staff listener."""
    return _build(ROUTES, services, limits=limits, clock=clock, version=version)


def build_of_core(
    services: LogStaffServices, *, limits: HttpLimits, clock: Clock, version: str
) -> web.Application:
    """Return the application of the core's staff listener."""
    return _build(LOG_ROUTES, services, limits=limits, clock=clock, version=version)


def _build(
    routes: Sequence[Route],
    services: LogStaffServices,
    *,
    limits: HttpLimits,
    clock: Clock,
    version: str,
) -> web.Application:
    return build_application(
        routes,
        listener=LISTENER,
        version=version,
        services=services,
        authenticate=authenticate_staff(services.sign_in),
        limit=rate_limit(limits, bucket_of, monotonic=clock.monotonic),
    )
