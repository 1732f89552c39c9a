"""The outermost middleware: request id, one log line, one measurement, every error a problem."""

import secrets
import time
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import Counter, Histogram

from gateway.errors import (
    BodyTooLargeError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    SekishoError,
)
from gateway.http.problems import problem_response
from gateway.logs import get_logger
from gateway.metrics import HTTP_PROBLEMS, HTTP_REQUESTS, HTTP_SECONDS

REQUEST_ID: Final[web.RequestKey[str]] = web.RequestKey("request_id", str)
REQUEST_ID_HEADER: Final = "X-Request-Id"
SERVER_NAME: Final = "sekisho"
_UNMATCHED: Final = "unmatched"
_MEASURES_MAX: Final = 1024

log = get_logger()


def request_id_of(request: web.Request) -> str:
    """Return the id under which operators find this request; made here, never the caller's."""
    return request[REQUEST_ID]


def edge_middleware(listener: str) -> Middleware:
    """Return the middleware for one listener; it must be the outermost."""

    @web.middleware
    async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = request_id = secrets.token_hex(16)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id, listener=listener):
            response, problem = await _answer(request, handler)
            seconds = time.perf_counter() - started
            _account(request, response, listener=listener, problem=problem, seconds=seconds)
        if getattr(request.protocol, "is_retired", False):
            response.force_close()
        return response

    return edge


async def tidy_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Keep answers out of caches and the program's make out of answers; name the request."""
    response.headers[REQUEST_ID_HEADER] = request_id_of(request)
    response.headers[hdrs.SERVER] = SERVER_NAME
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")


async def _answer(
    request: web.Request, handler: Handler
) -> tuple[web.StreamResponse, SekishoError | None]:
    """Return the response, and the error where it tells of one."""
    try:
        return await handler(request), None
    except web.HTTPException as raised:
        error = _from_aiohttp(raised)
        allow = raised.headers.get(hdrs.ALLOW)
    except SekishoError as raised:
        error, allow = raised, None
    except Exception as raised:
        log.exception("request_failed", route=_route(request))
        if request.writer.output_size > 0:
            raise  # a response has begun: only breaking off tells the caller
        error, allow = SekishoError(type(raised).__qualname__), None
    response = problem_response(error, request_id=request_id_of(request))
    if allow is not None:
        response.headers[hdrs.ALLOW] = allow
    return response, error


def _from_aiohttp(raised: web.HTTPException) -> SekishoError:
    if raised.status == HTTPStatus.NOT_FOUND:
        return NotFoundError("no such route on this listener")
    if raised.status == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowedError("route with other methods")
    if raised.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return BodyTooLargeError("body: too large")
    return InvalidRequestError(f"refused by the HTTP server with {raised.status}")


def _account(
    request: web.Request,
    response: web.StreamResponse,
    *,
    listener: str,
    problem: SekishoError | None,
    seconds: float,
) -> None:
    """Count and log one request: the route's own pattern, never the path or query as they came."""
    route, status = _route(request), response.status
    method = request.method if route != _UNMATCHED else _UNMATCHED
    count, durations = _measures(listener, method, route, status)
    count.inc()
    durations.observe(seconds)
    fields: dict[str, str] = {}
    if problem is not None:
        HTTP_PROBLEMS.labels(listener=listener, problem=problem.problem).inc()
        fields = {"problem": problem.problem, "message": str(problem)}
    log.info(
        "request_answered",
        method=method,
        route=route,
        status=status,
        seconds=round(seconds, 6),
        **fields,
    )


@lru_cache(_MEASURES_MAX)
def _measures(listener: str, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Return what counts such requests; finding a child by its labels costs more than counting."""
    return (
        HTTP_REQUESTS.labels(listener=listener, method=method, route=route, status=status),
        HTTP_SECONDS.labels(listener=listener, route=route),
    )


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return _UNMATCHED if resource is None else resource.canonical
