"""A table of routes made into one listener's application: identify, read, call, render."""

from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final, Generic, TypeVar

import msgspec
from aiohttp import web

from gateway.errors import InvalidQueryError, NotPermittedError, SekishoError
from gateway.http.body import JSON, read_body, read_bytes
from gateway.http.edge import edge_middleware, request_id_of, tidy_headers
from gateway.http.routes import PUBLIC, Call, Permission, Reply, Route
from gateway.wire.openapi import openapi_document

S = TypeVar("S")
C = TypeVar("C")

Authenticate = Callable[[web.Request, Permission], Awaitable[C]]
Limit = Callable[[C], None]
OPENAPI_PATH: Final = "/openapi.json"
_NO_BODY: Final = frozenset({"GET", "DELETE"})


def build_application(
    routes: Iterable[Route],
    *,
    listener: str,
    version: str,
    services: object,
    authenticate: Authenticate[C],
    limit: Limit[C] | None = None,
) -> web.Application:
    """Return the application of one listener, its OpenAPI document included.

    `authenticate` is asked for every route but the public OpenAPI document: it returns the
    caller or raises NotAuthenticatedError or NotPermittedError; it gets `PUBLIC` where the row
    says so. `limit` may raise TooManyRequestsError for a caller.
    """
    application = web.Application(middlewares=[edge_middleware(listener)])
    application.on_response_prepare.append(tidy_headers)
    table = tuple(routes)
    for route in table:
        endpoint = Endpoint(route=route, services=services, authenticate=authenticate, limit=limit)
        application.router.add_route(route.method, route.path, endpoint.answer, name=None)
    document = msgspec.json.encode(
        openapi_document(
            [route.operation() for route in table],
            title=f"Sekisho {listener}",
            version=version,
        )
    )
    application.router.add_route("GET", OPENAPI_PATH, _serve(document))
    return application


class Endpoint(Generic[S, C]):
    """One row of the table, ready to answer."""

    def __init__(
        self,
        *,
        route: Route,
        services: S,
        authenticate: Authenticate[C],
        limit: Limit[C] | None,
    ) -> None:
        self._route = route
        self._services = services
        self._authenticate = authenticate
        self._limit = limit

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Return the response to one request; errors are left to the edge, but for a row's own."""
        try:
            return render(await self._call(request), self._route)
        except SekishoError as error:
            if self._route.render_error is None:
                raise
            return self._route.render_error(error, request_id_of(request))

    async def _call(self, request: web.Request) -> object:
        route = self._route
        caller = await self._authenticate(request, route.permission)
        if caller is None and route.permission != PUBLIC:
            raise NotPermittedError("a route with a permission was reached by nobody")
        if self._limit is not None:
            self._limit(caller)
        if route.query is None and request.rel_url.raw_query_string:
            raise InvalidQueryError("query: this route takes none")
        if route.method in _NO_BODY and request.can_read_body:
            raise InvalidQueryError("body: this route takes none")
        call = Call(
            request=request,
            route=route,
            services=self._services,
            caller=caller,
            request_id=request_id_of(request),
        )
        if route.request is None:
            return await route.handler(call)
        if route.request is bytes:
            raw = await read_bytes(request, bytes_max=route.bytes_max, media_type=route.takes)
            return await route.handler(call, raw)
        body: object = await read_body(
            request, route.request, bytes_max=route.bytes_max, media_type=route.takes
        )
        return await route.handler(call, body)


def render(result: object, route: Route) -> web.StreamResponse:
    """Return what a handler gave as a response."""
    if isinstance(result, web.StreamResponse):
        return result
    reply = result if isinstance(result, Reply) else Reply(result, status=route.statuses[0])
    if reply.body is None:
        status = HTTPStatus.NO_CONTENT if reply.status == HTTPStatus.OK else reply.status
        return web.Response(status=status, headers=reply.headers)
    return web.Response(
        status=reply.status,
        body=msgspec.json.encode(reply.body),
        content_type=JSON,
        headers=reply.headers,
    )


def _serve(document: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def openapi(_request: web.Request) -> web.StreamResponse:
        """Serve the document that describes this listener."""
        return web.Response(body=document, content_type=JSON)

    return openapi
