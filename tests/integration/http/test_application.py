"""One application over real HTTP: what comes in wrong, and what it is answered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.errors import (
    TooManyRequestsError,
)
from gateway.http import body as body_module
from gateway.http.application import build_application
from tests.integration.http.things import LIMIT, ROUTES, Client, authenticate


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
