"""One application over real HTTP: what comes in wrong, and what it is answered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.errors import (
    ConflictError,
    NotAuthenticatedError,
    RefusedError,
    SekishoError,
    TooManyRequestsError,
)
from gateway.http import body as body_module
from gateway.http.application import build_application
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


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    application = build_application(
        ROUTES, listener="test", version="1", services="services", authenticate=authenticate
    )
    async with TestClient(TestServer(application)) as made:
        yield made


async def problem(response: Any) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    document = await response.json()
    assert document["status"] == response.status
    assert document["request_id"] == response.headers["X-Request-Id"]
    return response.status, document["type"]


async def test_a_body_becomes_its_struct_and_back(client: Client) -> None:
    response = await client.post("/v1/things", json={"name": "a", "parts": [{"count": 1}]})

    assert response.status == 201
    assert await response.json() == {"name": "a", "parts": [{"count": 1}]}
    assert response.headers["Server"] == "sekisho"
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_reply_has_its_own_status_and_headers(client: Client) -> None:
    response = await client.put("/v1/things", json={"name": "a"}, headers={"X-Name": "a1"})

    assert response.status == 202
    assert response.headers["Location"] == "/v1/things/a1"


async def test_nothing_is_204(client: Client) -> None:
    assert (await client.delete("/v1/things/a1")).status == 204


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not-json"),
        (b'{"name":', "not-json"),
        (b'{"name":"a","name":"b"}', "duplicate-member"),
        (b'{"name":"\\u0000"}', "nul-character"),
        (b'{"name":"\\ud800"}', "lone-surrogate"),
        (b'{"name":"\xff"}', "not-utf-8"),
        (b'{"name":' + b"[" * 400 + b"]" * 400 + b"}", "too-deep"),
        (b'{"name":NaN}', "not-json"),
    ],
)
async def test_what_is_no_strict_json_is_refused_with_the_reason(
    client: Client, raw: bytes, reason: str
) -> None:
    response = await client.post(
        "/v1/things", data=raw, headers={"Content-Type": "application/json"}
    )

    assert await problem(response) == (400, "malformed-json")
    assert (await response.json())["reason"] == reason


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({}, ""),
        ({"name": 1}, "/name"),
        ({"name": "a", "nickname": "花子"}, ""),
        ({"name": "a", "parts": [{"count": 1}, {"count": "花子"}]}, "/parts/1/count"),
        ({"name": "a", "parts": {"花子": 1}}, "/parts"),
        ([], ""),
    ],
)
async def test_another_shape_is_refused_with_the_place_and_never_the_value(
    client: Client, document: Any, pointer: str
) -> None:
    response = await client.post("/v1/things", json=document)

    assert await problem(response) == (422, "invalid-body")
    assert (await response.json())["pointer"] == pointer
    assert "花子" not in await response.text()
    assert "nickname" not in await response.text()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/things", "application/json"),
        ("/v1/uploads", "text/csv"),
        ("/v1/streams", "application/x-ndjson"),
    ],
)
async def test_a_body_over_the_limit_is_refused(
    client: Client, path: str, kind: str, *, chunked: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b" " * LIMIT
        yield b" "

    data: Any = pieces() if chunked else b" " * (LIMIT + 1)
    response = await client.post(path, data=data, headers={"Content-Type": kind})

    assert await problem(response) == (413, "body-too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=shift_jis"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_another_media_type_is_refused(client: Client, headers: dict[str, str]) -> None:
    response = await client.post("/v1/things", data=b"{}", headers=headers)

    if "Content-Encoding" in headers:  # aiohttp may find the stream broken before we look
        assert response.status in {400, 415}
    else:
        assert await problem(response) == (415, "unsupported-media-type")


async def test_bytes_and_streams_reach_the_handler_whole(client: Client) -> None:
    one = await client.post("/v1/uploads", data=b"a,b\n", headers={"Content-Type": "text/csv"})
    two = await client.post(
        "/v1/streams", data=b"{}\n", headers={"Content-Type": "application/x-ndjson"}
    )

    assert await one.json() == {"count": 4}
    assert await two.json() == {"count": 3}


async def test_a_body_that_stops_coming_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "CHUNK_READ_S", 0.05)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(1)

    response = await client.post(
        "/v1/things", data=pieces(), headers={"Content-Type": "application/json"}
    )
    assert await problem(response) == (408, "request-timeout")


async def test_a_body_that_drips_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "BODY_READ_S", 0.1)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" "
            await asyncio.sleep(0.02)

    response = await client.post(
        "/v1/things", data=pieces(), headers={"Content-Type": "application/json"}
    )
    assert await problem(response) == (408, "request-timeout")


async def test_a_query_becomes_its_struct(client: Client) -> None:
    response = await client.get("/v1/things?limit=7")

    assert await response.json() == {"limit": 7}


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=1&limit=2", "lmiit=1", "limit=%00", "limit=" + "1" * 5000]
)
async def test_another_query_is_refused(client: Client, query: str) -> None:
    assert await problem(await client.get(f"/v1/things?{query}")) == (400, "invalid-query")


async def test_a_route_without_a_query_takes_none(client: Client) -> None:
    assert await problem(await client.get("/v1/conflict?a=1")) == (400, "invalid-query")


async def test_a_route_without_a_body_takes_none(client: Client) -> None:
    response = await client.request("DELETE", "/v1/things/a1", data=b"x")

    assert await problem(response) == (400, "invalid-query")


async def test_a_header_sent_twice_is_refused(client: Client) -> None:
    response = await client.put(
        "/v1/things", json={"name": "a"}, headers=[("X-Name", "a"), ("X-Name", "b")]
    )

    assert await problem(response) == (400, "invalid-query")


async def test_a_form_becomes_its_struct(client: Client) -> None:
    response = await client.post("/oauth2/token", data={"grant_type": "client_credentials"})

    assert await response.json() == {"grant_type": "client_credentials"}


@pytest.mark.parametrize(
    "raw", [b"grant_type=a&grant_type=b", b"grant_type=a&x=1", b"grant_type=%00", b"=&&", b"%ff=a"]
)
async def test_another_form_is_refused_in_the_rows_own_manner(client: Client, raw: bytes) -> None:
    response = await client.post(
        "/oauth2/token", data=raw, headers={"Content-Type": body_module.FORM}
    )

    assert response.status == 400
    assert await response.json() == {"error": "invalid_request", "was": "invalid-body"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/refuse", (403, "refused")),
        ("/v1/conflict", (409, "conflict")),
        ("/v1/fail", (500, "internal-error")),
        ("/v1/nothing", (404, "not-found")),
    ],
)
async def test_an_error_is_a_problem_without_the_operators_words(
    client: Client, path: str, expected: tuple[int, str]
) -> None:
    response = await client.get(path)

    assert await problem(response) == expected
    assert "for operators" not in await response.text()
    assert "123456789012345" not in await response.text()


async def test_another_method_is_refused_with_those_there_are(client: Client) -> None:
    response = await client.patch("/v1/things")

    assert await problem(response) == (405, "method-not-allowed")
    assert response.headers["Allow"] == "GET,POST,PUT"


async def test_a_response_that_fails_half_way_breaks_off(client: Client) -> None:
    response = await client.get("/v1/break")

    with pytest.raises(Exception, match="payload"):
        await response.read()


@pytest.mark.parametrize(
    ("who", "expected"),
    [("stranger", (401, "not-authenticated")), ("nobody", (403, "not-permitted"))],
)
async def test_who_is_not_known_gets_no_further(
    client: Client, who: str, expected: tuple[int, str]
) -> None:
    response = await client.post("/v1/things", data=b"{", headers={"X-Who": who})

    assert await problem(response) == expected


async def test_the_request_id_is_ours_and_never_the_callers(client: Client) -> None:
    response = await client.get("/v1/things", headers={"X-Request-Id": "mine"})

    assert len(response.headers["X-Request-Id"]) == 32


async def test_a_limit_is_asked_about_every_caller() -> None:
    def limit(caller: str | None) -> None:
        assert caller == "somebody"
        raise TooManyRequestsError(retry_after_s=3)

    application = build_application(
        ROUTES,
        listener="test",
        version="1",
        services="services",
        authenticate=authenticate,
        limit=limit,
    )
    async with TestClient(TestServer(application)) as client:
        response = await client.get("/v1/conflict")

        assert await problem(response) == (429, "too-many-requests")
        assert response.headers["Retry-After"] == "3"


async def test_the_document_is_served(client: Client) -> None:
    document = await (await client.get("/openapi.json")).json()

    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {route.path for route in ROUTES}
