"""Bad input at the back-office listener: refused by name, on every route, with nothing echoed."""

from collections.abc import AsyncIterator

import pytest

from gateway.demo import cast
from gateway.domain.scopes import INQUIRIES_WRITE
from gateway.http.body import JSON
from gateway.http.routes import Route
from gateway.listeners.backoffice.app import ROUTES
from gateway.wire.backoffice import NewInquiry
from gateway.wire.codec import encode_json
from tests.e2e.clients import a_client
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.raw_client import RawClient, Reply, raw_client
from tests.e2e.test_backoffice import an_inquiry

UNION = cast.GUNMA_UNION
SECRET = "himitsu"
POSTS = [route for route in ROUTES if route.request is not None and route.takes == JSON]
MALFORMED = {
    "nothing": (b"", "not-json"),
    "cut off": (b'{"unified_number": "himitsu', "not-json"),
    "two values": (b"{} {}", "not-json"),
    "NaN": (b'{"unified_number": NaN}', "not-json"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte-order-mark"),
    "no UTF-8": (b'{"unified_number": "\xe9"}', "not-utf-8"),
    "a member twice": (b'{"reason": "a", "reason": "himitsu"}', "duplicate-member"),
    "U+0000": (b'{"reason": "himitsu\\u0000"}', "nul-character"),
    "a lone surrogate": (b'{"reason": "himitsu\\ud800"}', "lone-surrogate"),
    "a number too large": (b'{"row": 9007199254740992}', "number-out-of-range"),
    "100,000 brackets": (b"[" * 3_000, "too-deep"),
}
SHAPES = {
    "a list": b"[]",
    "null": b"null",
    "a text": b'"himitsu"',
    "nothing in it": b"{}",
    "an unknown member": b'{"himitsu": 1}',
    "a wrong type": b'{"unified_number": 17, "unified_numbers": 17, "id": 17, "on_date": 17}',
}


@pytest.fixture(scope="module")
async def client(network: Network) -> AsyncIterator[RawClient]:
    async with raw_client(await a_client(network, UNION, "kouki-input")) as raw:
        yield raw


@pytest.fixture(scope="module")
async def token(client: RawClient) -> str:
    return await client.token()


def names(routes: list[Route]) -> list[str]:
    return [route.name for route in routes]


@pytest.mark.parametrize("route", POSTS, ids=names(POSTS))
@pytest.mark.parametrize("what", MALFORMED)
async def test_a_body_that_is_no_strict_json_is_refused(
    client: RawClient, token: str, route: Route, what: str
) -> None:
    raw, reason = MALFORMED[what]

    reply = await client.with_token(token, "POST", route.path, raw)

    assert reply.refusal == (400, "malformed-json")
    assert reply.body["reason"] == reason
    assert SECRET.encode() not in reply.raw


@pytest.mark.parametrize("route", POSTS, ids=names(POSTS))
@pytest.mark.parametrize("what", SHAPES)
async def test_a_body_of_another_shape_is_refused_without_repeating_it(
    client: RawClient, token: str, route: Route, what: str
) -> None:
    reply = await client.with_token(token, "POST", route.path, SHAPES[what])

    assert reply.refusal == (422, "invalid-body")
    assert SECRET.encode() not in reply.raw


@pytest.mark.parametrize("route", POSTS, ids=names(POSTS))
async def test_a_body_over_the_routes_limit_is_refused(
    client: RawClient, token: str, route: Route
) -> None:
    raw = b'"' + b"x" * route.bytes_max + b'"'

    reply = await client.with_token(token, "POST", route.path, raw)

    assert reply.refusal == (413, "body-too-large")


@pytest.mark.parametrize("route", POSTS, ids=names(POSTS))
async def test_another_media_type_is_refused(client: RawClient, token: str, route: Route) -> None:
    reply = await client.with_token(
        token, "POST", route.path, b"{}", content_type="application/xml"
    )

    assert reply.refusal == (415, "unsupported-media-type")


@pytest.mark.parametrize("route", ROUTES, ids=names(list(ROUTES)))
async def test_a_query_that_a_route_does_not_know_is_refused(
    client: RawClient, token: str, route: Route
) -> None:
    path = route.path.replace("{id}", "0" * 32) + "?himitsu=1"
    raw = None if route.method in {"GET", "DELETE"} else b"{}"

    reply = await client.with_token(token, route.method, path, raw, content_type=route.takes)

    assert reply.refusal in {(400, "invalid-query"), (400, "invalid_request")}
    assert SECRET.encode() not in reply.raw


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "after=x", "after=" + "A" * 200, "state=himitsu"]
)
@pytest.mark.parametrize("path", ["/v1/inquiries", "/v1/code-acquisitions"])
async def test_a_page_that_there_is_not_is_refused(
    client: RawClient, token: str, path: str, query: str
) -> None:
    reply = await client.with_token(token, "GET", f"{path}?{query}")

    assert reply.refusal == (400, "invalid-query")


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"provider_body": "XB99999999999999"}, (404, "unknown-body")),
        ({"inquirer_body": cast.NAGAOKA_MAYOR}, (403, "refused")),
        ({"information": "なにか"}, (403, "refused")),
        ({"procedure": "XP999", "citation": None}, (403, "refused")),
        ({"citation": None}, (422, "invalid-body")),
        ({"procedure": "XP999"}, (422, "invalid-body")),
        ({"items": ["XTK0000010000099"]}, (403, "refused")),
        ({"legal_basis": "act19-9"}, (403, "refused")),
        ({"unified_number": "000000000000000"}, (409, "no-network-code")),
    ],
)
async def test_unknown_codes_and_numbers_are_refused_by_name(
    client: RawClient, token: str, changed: dict[str, object], refusal: tuple[int, str]
) -> None:
    raw = encode_json(an_inquiry("000000000000000", **changed))

    reply = await client.with_token(token, "POST", "/v1/inquiries", raw)

    assert reply.refusal == refusal


@pytest.mark.parametrize(
    ("registered", "reason"),
    [
        ({"may_ask": False}, "does-not-ask"),
        ({"departments": ["0000000000"]}, "department"),
        ({"information": ["TM00000000000089"]}, "information"),
        ({"procedures": []}, "procedure"),
    ],
)
async def test_a_client_asks_nothing_outside_its_registration(
    network: Network, people: People, registered: dict[str, object], reason: str
) -> None:
    number = await people.add(organisations=(UNION, cast.NAGAOKA))
    credentials = await a_client(network, UNION, f"no-{reason}", **registered)

    async with raw_client(credentials) as raw:
        body = encode_json(an_inquiry(number.text))
        reply = await raw.with_token(await raw.token(), "POST", "/v1/inquiries", body)

    assert reply.refusal == (403, "outside-registration")
    assert reply.body["reason"] == reason


async def test_another_clients_inquiry_is_not_found(
    network: Network, people: People, client: RawClient, token: str
) -> None:
    number = await people.add(organisations=(UNION, cast.NAGAOKA))
    reply = await client.with_token(
        token, "POST", "/v1/inquiries", encode_json(an_inquiry(number.text))
    )
    place = f"/v1/inquiries/{reply.body['id']}"

    async with raw_client(await a_client(network, UNION, "nosy")) as raw:
        its = await raw.token()
        refusals = [
            (await raw.with_token(its, "GET", place)).refusal,
            (await raw.with_token(its, "DELETE", place)).refusal,
            (await raw.with_token(its, "POST", place + "/acknowledgement")).refusal,
        ]
        listed = (await raw.with_token(its, "GET", "/v1/inquiries")).body

    assert refusals == [(404, "not-found")] * 3
    assert listed == {"inquiries": []}


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 129])
async def test_a_key_that_is_none_is_refused(client: RawClient, token: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    raw = encode_json(an_inquiry("1"))

    reply = await client.send("POST", "/v1/inquiries", raw, headers=headers)

    assert reply.refusal == (400, "invalid-query")


async def test_one_key_is_one_inquiry(people: People, client: RawClient, token: str) -> None:
    number = await people.add(organisations=(UNION, cast.NAGAOKA))
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "one-inquiry"}

    async def send(inquiry: NewInquiry) -> Reply:
        return await client.send("POST", "/v1/inquiries", encode_json(inquiry), headers=headers)

    first = await send(an_inquiry(number.text))
    again = await send(an_inquiry(number.text))
    other = await send(an_inquiry(number.text, staff="S002"))

    assert first.body["id"] == again.body["id"]
    assert other.refusal == (422, "idempotency-mismatch")


async def test_a_route_of_another_listener_does_not_exist_here(
    client: RawClient, token: str
) -> None:
    for path in ("/v1/provisions", "/v1/deliveries", "/v1/holds", "/metrics", "/v1/session"):
        assert (await client.with_token(token, "POST", path, b"{}")).refusal == (404, "not-found")


async def test_what_a_client_may_not_have_is_recorded_before_it_hears_of_it(
    network: Network, people: People
) -> None:
    number = await people.add(organisations=(UNION, cast.NAGAOKA))
    credentials = await a_client(
        network, UNION, "curious", scopes=[INQUIRIES_WRITE], departments=["0000000000"]
    )
    context = network.gateway(UNION).context

    async def refusals() -> int:
        async with context.database.read() as connection:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM log_entries WHERE kind = 'refusal'"
            )
            return count

    async with raw_client(credentials) as raw:
        token, before = await raw.token(), await refusals()
        outside = await raw.with_token(
            token, "POST", "/v1/inquiries", encode_json(an_inquiry(number.text))
        )
        scope = await raw.with_token(token, "GET", "/v1/inquiries")
        malformed = await raw.with_token(token, "POST", "/v1/inquiries", b"{")

    assert [outside.status, scope.status, malformed.status] == [403, 403, 400]
    assert await refusals() == before + 2
