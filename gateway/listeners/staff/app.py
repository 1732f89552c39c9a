"""The staff zone's application: its routes, and people as its callers.

Pages for browsers come beside these routes; what a page may do is permitted by the same table.
"""

from typing import Final

from aiohttp import web

from gateway.clock import Clock
from gateway.http.application import build_application
from gateway.http.limits import rate_limit
from gateway.listeners.staff import (
    accounts,
    erasures,
    flags,
    holds,
    operations,
    reconciliations,
    records,
    switches,
)
from gateway.listeners.staff.identity import authenticate_staff, bucket_of
from gateway.listeners.staff.services import LISTENER, StaffServices
from gateway.settings import HttpLimits

ROUTES: Final = (
    *accounts.ROUTES,
    *holds.ROUTES,
    *flags.ROUTES,
    *switches.ROUTES,
    *records.ROUTES,
    *operations.ROUTES,
    *reconciliations.ROUTES,
    *erasures.ROUTES,
)


def build(
    services: StaffServices, *, limits: HttpLimits, clock: Clock, version: str
) -> web.Application:
    """Return the application of the staff listener."""
    return build_application(
        ROUTES,
        listener=LISTENER,
        version=version,
        services=services,
        authenticate=authenticate_staff(services.sign_in),
        limit=rate_limit(limits, bucket_of, monotonic=clock.monotonic),
    )
