"""Routes as a table: from one row come the application's route and its OpenAPI operation.

A handler parses nothing that the row already says. It is one of

    async def create(call: Call[S, C], body: NewThing) -> Thing: ...
    async def show(call: Call[S, C]) -> Thing: ...

where S is what the listener's handlers work with and C is who the listener's callers are.
It returns the response struct (answered with the row's first status), a `Reply` where status
or headers differ, None for 204, or a `web.StreamResponse` for anything that is not JSON.
"""

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Generic, NewType, TypeVar

from aiohttp import web

from gateway.errors import InvalidQueryError, SekishoError
from gateway.http.body import JSON, body_chunks, read_query
from gateway.wire.fields import BODY_BYTES_MAX
from gateway.wire.openapi import Operation
from gateway.wire.problems import PROBLEM_TYPES

S = TypeVar("S")
C = TypeVar("C")
Q = TypeVar("Q")

Permission = NewType("Permission", str)
PUBLIC: Final = Permission("public")  # no caller is asked for: say so, never leave it out

_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE"})
_PATH: Final = re.compile(r"(/[A-Za-z0-9.:_-]*(\{[a-z_]+\})?[A-Za-z0-9.:_-]*)+(\{[a-z_]+:\.\+\})?")
_REST: Final = ":.+"  # the last part of a path that may hold slashes
HEADER_CHARACTERS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Reply:
    """A response whose status or headers are not the row's."""

    body: object = None
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One thing a listener answers: every row names who may ask for it.

    `request` is the struct of the body, `bytes` for a whole body that is not JSON, or None
    for no body or one the handler reads by `call.chunks()`; `takes` is its media type.
    `problems` are the slugs beyond those that every route can answer.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[object]]
    permission: Permission
    summary: str
    request: type | None = None
    response: type | None = None
    query: type | None = None
    headers: tuple[str, ...] = ()
    answer_headers: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (HTTPStatus.OK,)
    problems: tuple[str, ...] = ()
    takes: str = JSON
    gives: str = JSON
    bytes_max: int = BODY_BYTES_MAX
    # Where another standard fixes the shape of errors (RFC 6749 §5.2), how they are shown.
    render_error: Callable[[SekishoError, str], web.StreamResponse] | None = None

    def __post_init__(self) -> None:
        """Refuse a row that could not be served or documented."""
        unknown = [slug for slug in self.problems if slug not in PROBLEM_TYPES]
        if unknown:
            raise ValueError(f"{self.name}: not in the catalogue of problems: {unknown}")
        if self.method not in _METHODS or not _PATH.fullmatch(self.path):
            raise ValueError(f"{self.name}: method or path")
        if not self.permission or not self.statuses:
            raise ValueError(f"{self.name}: a permission and a status belong to every route")
        takes = len(inspect.signature(self.handler).parameters)
        if takes != (1 if self.request is None else 2):
            raise ValueError(f"{self.name}: the handler takes {takes} arguments")

    @property
    def name(self) -> str:
        """Return the handler's name, which is the operation's."""
        return str(getattr(self.handler, "__name__", self.path))

    def operation(self) -> Operation:
        """Return what the OpenAPI document says about this route."""
        return Operation(
            method=self.method,
            path=self.path.replace(_REST, ""),
            name=self.name,
            summary=self.summary,
            description=inspect.getdoc(self.handler) or "",
            permission=self.permission,
            is_public=self.permission == PUBLIC,
            request=self.request,
            takes=self.takes,
            response=self.response,
            gives=self.gives,
            query=self.query,
            headers=self.headers,
            answer_headers=self.answer_headers,
            statuses=self.statuses,
            problems=self.problems,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[S, C]):
    """One request on its way: who asks, and what the handler works with."""

    request: web.Request
    route: Route
    services: S
    caller: C
    request_id: str

    def path(self, name: str) -> str:
        """Return a part of the path; the route names it, so it is always there."""
        return self.request.match_info[name]

    def query(self, type_: type[Q]) -> Q:
        """Return the query as the struct that stands in the row, or raise InvalidQueryError."""
        if type_ is not self.route.query:
            raise TypeError(f"{self.route.name}: the row names another query")
        return read_query(self.request, type_)

    def header(self, name: str) -> str | None:
        """Return a header of the row, sent at most once and of bounded length."""
        if name not in self.route.headers:
            raise TypeError(f"{self.route.name}: the row does not name this header")
        values = self.request.headers.getall(name, [])
        if len(values) > 1 or any(len(value) > HEADER_CHARACTERS_MAX for value in values):
            raise InvalidQueryError(f"header {name}: twice or too long")
        return values[0] if values else None

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the body as it comes, within the row's limit; for rows without `request`."""
        route = self.route
        return body_chunks(self.request, bytes_max=route.bytes_max, media_type=route.takes)
