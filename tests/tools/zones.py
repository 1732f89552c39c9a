"""Every listener of every role with its rows, as the composition roots serve them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.resident_routes import ROUTES as RESIDENT_NETWORK
from gateway.core.routes import ROUTES as CORE
from gateway.http.log_routes import WITNESS_ROUTES
from gateway.http.routes import Route
from gateway.listeners.backoffice.app import ROUTES as BACKOFFICE
from gateway.listeners.network.app import ROUTES as NETWORK
from gateway.listeners.ops.application import ROUTES as OPS
from gateway.listeners.staff.app import LOG_ROUTES as CORE_STAFF
from gateway.listeners.staff.app import ROUTES as STAFF

GATEWAY_ZONES: Final = ("backoffice", "network", "staff", "ops")
"""The four listeners of one gateway; `ops` is there in every role."""

CORE_ZONES: Final = ("core", "core-staff", "ops")
"""The listeners of a core that has people of its own."""

ZONES: Final[Mapping[str, tuple[Route, ...]]] = MappingProxyType(
    {
        "backoffice": tuple(BACKOFFICE),
        "network": tuple(NETWORK),
        "staff": tuple(STAFF),
        "ops": tuple(OPS),
        "core": tuple(CORE),
        "core-staff": tuple(CORE_STAFF),
        "resident-network": tuple(RESIDENT_NETWORK),
        "witness": tuple(WITNESS_ROUTES),
    }
)
