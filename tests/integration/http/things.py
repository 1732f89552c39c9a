"""A small application: a row for each kind of body, answer and error."""

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient

from gateway.errors import (
    ConflictError,
    NotAuthenticatedError,
    RefusedError,
    SekishoError,
)
from gateway.http import body as body_module
from gateway.http.routes import PUBLIC, Call, Permission, Reply, Route

LIMIT = 1024
Client = TestClient[web.Request, web.Application]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    parts: tuple[Part, ...] = ()


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: int = 50


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    grant_type: str


async def create(call: Call[str, str], body: Thing) -> Thing:
    assert call.services == "services"
    assert call.caller == "somebody"
    return body


async def accept(call: Call[str, str], body: Thing) -> Reply:
    return Reply(body, status=202, headers={"Location": f"/v1/things/{call.header('X-Name')}"})


async def listing(call: Call[str, str]) -> Page:
    return call.query(Page)


async def remove(call: Call[str, str]) -> None:
    assert call.path("id") == "a1"


async def token(_call: Call[str, str], body: Grant) -> Grant:
    return body


async def upload(_call: Call[str, str], body: bytes) -> Part:
    return Part(len(body))


async def stream(call: Call[str, str]) -> Part:
    return Part(sum([len(chunk) async for chunk in call.chunks()]))


async def refuse(_call: Call[str, str]) -> None:
    raise RefusedError("for operators only", reason="no-legal-ground")


async def conflict(_call: Call[str, str]) -> None:
    raise ConflictError


async def fail(_call: Call[str, str]) -> None:
    raise ValueError("123456789012345")


async def break_off(call: Call[str, str]) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(call.request)
    await response.write(b"half")
    raise ValueError("after the first bytes")


def as_oauth(error: SekishoError, request_id: str) -> web.Response:
    assert len(request_id) == 32
    return web.json_response({"error": "invalid_request", "was": error.problem}, status=400)


WRITE = Permission("thing:write")
ROUTES = (
    Route(
        method="POST",
        path="/v1/things",
        handler=create,
        permission=WRITE,
        summary="",
        request=Thing,
        response=Thing,
        statuses=(201,),
        bytes_max=LIMIT,
    ),
    Route(
        method="PUT",
        path="/v1/things",
        handler=accept,
        permission=WRITE,
        summary="",
        request=Thing,
        response=Thing,
        headers=("X-Name",),
        statuses=(202,),
    ),
    Route(
        method="GET",
        path="/v1/things",
        handler=listing,
        permission=PUBLIC,
        summary="",
        query=Page,
        response=Page,
    ),
    Route(method="DELETE", path="/v1/things/{id}", handler=remove, permission=WRITE, summary=""),
    Route(
        method="POST",
        path="/oauth2/token",
        handler=token,
        permission=PUBLIC,
        summary="",
        request=Grant,
        response=Grant,
        takes=body_module.FORM,
        render_error=as_oauth,
    ),
    Route(
        method="POST",
        path="/v1/uploads",
        handler=upload,
        permission=WRITE,
        summary="",
        request=bytes,
        response=Part,
        takes="text/csv",
        bytes_max=LIMIT,
    ),
    Route(
        method="POST",
        path="/v1/streams",
        handler=stream,
        permission=WRITE,
        summary="",
        response=Part,
        takes="application/x-ndjson",
        bytes_max=LIMIT,
    ),
    Route(method="GET", path="/v1/refuse", handler=refuse, permission=WRITE, summary=""),
    Route(method="GET", path="/v1/conflict", handler=conflict, permission=WRITE, summary=""),
    Route(method="GET", path="/v1/fail", handler=fail, permission=WRITE, summary=""),
    Route(method="GET", path="/v1/break", handler=break_off, permission=WRITE, summary=""),
)


async def authenticate(request: web.Request, permission: Permission) -> str | None:
    if request.headers.get("X-Who") == "stranger":
        raise NotAuthenticatedError
    if request.headers.get("X-Who") == "nobody":
        return None
    assert permission in {WRITE, PUBLIC}
    return "somebody"
