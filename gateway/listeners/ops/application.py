"""What Prometheus and the orchestrator ask the parent: metrics, alive, ready."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from gateway.http.application import build_application
from gateway.http.routes import PUBLIC, Call, Permission, Reply, Route
from gateway.metrics import CONTENT_TYPE

LISTENER: Final = "ops"


class Liveness(msgspec.Struct, frozen=True):
    """The parent answers, so it lives."""

    live: bool


class ReadinessReport(msgspec.Struct, frozen=True):
    """Whether every worker is ready, and what is missing where not."""

    ready: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsServices:
    """What the routes ask."""

    missing: Callable[[], tuple[str, ...]]
    exposition: Callable[[], bytes]


async def livez(_call: Call[OpsServices, None]) -> Liveness:
    """Answer as long as the parent runs."""
    return Liveness(live=True)


async def readyz(call: Call[OpsServices, None]) -> Reply:
    """Answer 200 when all workers are ready, else 503 with what is missing."""
    missing = call.services.missing()
    status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
    return Reply(ReadinessReport(ready=not missing, missing=missing), status=status)


async def metrics(call: Call[OpsServices, None]) -> web.Response:
    """Answer the values of all processes of this run in Prometheus' text format."""
    return web.Response(body=call.services.exposition(), headers={"Content-Type": CONTENT_TYPE})


ROUTES: Final = (
    Route(
        method="GET",
        path="/livez",
        handler=livez,
        permission=PUBLIC,
        summary="Whether the parent runs",
        response=Liveness,
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=readyz,
        permission=PUBLIC,
        summary="Whether all workers are ready",
        response=ReadinessReport,
        statuses=(HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Route(
        method="GET",
        path="/metrics",
        handler=metrics,
        permission=PUBLIC,
        summary="The metrics of all processes",
        response=bytes,
        gives=CONTENT_TYPE,
    ),
)


async def _anybody(_request: web.Request, _permission: Permission) -> None:
    """Ask for nobody: the address is the trust (loopback or the operations segment)."""


def ops_application(services: OpsServices, *, version: str) -> web.Application:
    """Return the application of the operations listener."""
    return build_application(
        ROUTES, listener=LISTENER, version=version, services=services, authenticate=_anybody
    )
