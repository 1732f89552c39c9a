"""The outermost middleware: request id, one log line, one measurement, every error a problem."""

import secrets
import time
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

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
_UNMATCHED: Final = "unmatched"
_NOT_FOUND: Final = 404
_METHOD_NOT_ALLOWED: Final = 405
_TOO_LARGE: Final = 413

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
            response = await _answer(request, handler, listener)
            _account(request, response, listener, time.perf_counter() - started)
        if getattr(request.protocol, "is_retired", False):
            response.force_close()
        return response

    return edge


async def tidy_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Keep answers out of caches and the program's make out of answers; name the request."""
    response.headers[REQUEST_ID_HEADER] = request_id_of(request)
    response.headers[hdrs.SERVER] = "sekisho"
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")


async def _answer(request: web.Request, handler: Handler, listener: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as raised:
        error = _from_aiohttp(raised)
    except SekishoError as raised:
        error = raised
    except Exception as raised:
        log.exception("request_failed", route=_route(request))
        if request.writer.output_size > 0:
            raise  # a response has begun: only breaking off tells the caller
        error = SekishoError()
        error.__cause__ = raised
    HTTP_PROBLEMS.labels(listener=listener, problem=error.problem).inc()
    response = problem_response(error, request_id=request_id_of(request))
    log.info("request_refused", problem=error.problem, error=type(error).__qualname__)
    return response


def _from_aiohttp(raised: web.HTTPException) -> SekishoError:
    match raised.status:
        case status if status == _NOT_FOUND:
            return NotFoundError("no such route on this listener")
        case status if status == _METHOD_NOT_ALLOWED:
            return MethodNotAllowedError("route with other methods")
        case status if status == _TOO_LARGE:
            return BodyTooLargeError("body: too large")
        case status:
            return InvalidRequestError(f"refused by the HTTP server with {status}")


def _account(
    request: web.Request, response: web.StreamResponse, listener: str, seconds: float
) -> None:
    route, status = _route(request), response.status
    method = request.method if route != _UNMATCHED else _UNMATCHED
    HTTP_REQUESTS.labels(listener=listener, method=method, route=route, status=status).inc()
    HTTP_SECONDS.labels(listener=listener, route=route).observe(seconds)
    # The route's own pattern, never the path or the query as they came.
    log.info(
        "request_answered", method=method, route=route, status=status, seconds=round(seconds, 6)
    )


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return _UNMATCHED if resource is None else resource.canonical
