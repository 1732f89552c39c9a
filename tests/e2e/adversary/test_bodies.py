"""Bodies that no reader should have to guess at: refused by name on every route that takes one."""

import json
from collections import OrderedDict

import msgspec
import pytest

from codes.canonical import b64
from gateway.demo import cast
from gateway.http.application import Endpoint
from gateway.http.limits import TokenBuckets
from gateway.wire.codec import encode_json
from gateway.wire.fields import BODY_BYTES_MAX
from tests.e2e.adversary.rogue import PROVISIONS, Rogue, adds
from tests.e2e.adversary.routes import NetworkRoute, certificate_of, network_routes
from tests.e2e.parties import Network

PARTIES = (cast.NAGAOKA, cast.CORE)

MALFORMED = {
    "nothing": (b"", "not-json"),
    "cut off": (b'{"items": [', "not-json"),
    "two values": (b"{} {}", "not-json"),
    "a comma too many": (b'{"items": [],}', "not-json"),
    "NaN": (b'{"items": NaN}', "not-json"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte-order-mark"),
    "Latin-1": (b'{"items": "\xe9"}', "not-utf-8"),
    "UTF-16": ('{"items": []}'.encode("utf-16-le"), "not-json"),
    "a member twice": (b'{"items": [], "items": []}', "duplicate-member"),
    "a member twice, deep": (b'{"items": [{"group": 0, "group": 1}]}', "duplicate-member"),
    "a member twice, spelt otherwise": (b'{"a": 1, "\\u0061": 2}', "duplicate-member"),
    "U+0000": (b'{"items": "a\\u0000b"}', "nul-character"),
    "U+0000 in a name": (b'{"a\\u0000": 1}', "nul-character"),
    "half of a pair": (b'{"items": "\\ud800"}', "lone-surrogate"),
    "the other half": (b'{"items": "\\udc00 \\ud800"}', "lone-surrogate"),
    "a number beyond 2^53": (b'{"items": 9007199254740992}', "number-out-of-range"),
    "a number of 5,000 digits": (b'{"items": ' + b"9" * 5_000 + b"}", "number-out-of-range"),
    "100,000 open brackets": (b"[" * 100_000, "too-deep"),
    "17 levels": (b"[" * 17 + b"]" * 17, "too-deep"),
}
SHAPES = {
    "a list": b"[]",
    "null": b"null",
    "a string": b'"items"',
    "no member": b"{}",
    "an unknown member": b'{"unknown": 1}',
}


def posts(network: Network) -> list[NetworkRoute]:
    return [route for route in network_routes(network, *PARTIES) if route.schema is not None]


async def send(union: Rogue, route: NetworkRoute, raw: bytes) -> tuple[int, str, str | None]:
    own = certificate_of(union.network, route.caller)
    reply = await union.post(
        route.party, route.path, raw, context=union.client_context(route.party, own)
    )
    return reply.refusal


@pytest.mark.parametrize("what", MALFORMED)
async def test_what_is_no_strict_json_is_refused_on_every_route(
    network: Network, union: Rogue, what: str
) -> None:
    raw, reason = MALFORMED[what]

    for route in posts(network):
        assert await send(union, route, raw) == (400, "malformed-json", reason), route.path


@pytest.mark.parametrize("what", SHAPES)
async def test_json_of_another_shape_is_refused_on_every_route(
    network: Network, union: Rogue, what: str
) -> None:
    for route in posts(network):
        assert await send(union, route, SHAPES[what]) == (422, "invalid-body", None), route.path


async def test_a_body_over_8_mib_is_refused_on_every_route(network: Network, union: Rogue) -> None:
    raw = b" " * (BODY_BYTES_MAX + 1)

    for route in posts(network):
        assert await send(union, route, raw) == (413, "body-too-large", None), route.path


async def test_8_mib_are_read_and_judged(union: Rogue) -> None:
    raw = b'{"tokens": "' + b"a" * (BODY_BYTES_MAX - 14) + b'"}'

    reply = await union.post(cast.NAGAOKA, PROVISIONS, raw)

    assert len(raw) == BODY_BYTES_MAX
    assert reply.refusal == (422, "invalid-body", None)
    assert reply.problem.pointer == "/tokens"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_another_media_type_or_encoding_is_refused(
    union: Rogue, headers: dict[str, str]
) -> None:
    reply = await union.post(cast.NAGAOKA, PROVISIONS, b"{}", headers=headers)

    assert reply.refusal == (415, "unsupported-media-type", None)


async def _honest(union: Rogue) -> dict[str, object]:
    request = await union.provisions_request(await union.permitted())
    document: dict[str, object] = msgspec.json.decode(encode_json(request))
    return document


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/tokens", []),
        ("/tokens", ["a"] * 17),
        ("/tokens/0", 7),
        ("/tokens/0", "a b"),
        ("/tokens/0", "a\n"),
        ("/groups", {}),
        ("/groups/0/indexes/0", -1),
        ("/groups/0/indexes/0", "0"),
        ("/groups/0/indexes/0", 1.0),
        ("/groups/0/indexes/0", True),
        ("/groups/0/entries/0", "not base64url!"),
        ("/groups/0/checkpoint", "x" * 65_537),
        ("/items", []),
        ("/items/0/permit_id", "F" * 32),
        ("/items/0/permit_id", "f" * 31),
        ("/items/0/permit_id", None),
        ("/items/0/token", 256),
        ("/items/0/unknown", 1),
    ],
)
async def test_a_member_of_another_type_is_refused_at_its_place_and_leaves_no_entry(
    network: Network, union: Rogue, pointer: str, value: object
) -> None:
    document = await _honest(union)
    place: object = document
    *steps, last = pointer[1:].split("/")
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]  # type: ignore[index]  # JSON
    if isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value  # type: ignore[index]  # JSON

    async with adds(network, cast.NAGAOKA, provision=0, refusal=0):
        reply = await union.post(cast.NAGAOKA, PROVISIONS, json.dumps(document).encode())

    assert reply.refusal == (422, "invalid-body", None)
    assert (reply.problem.pointer or "").startswith(pointer.removesuffix("/unknown"))


async def test_what_was_sent_is_never_repeated(union: Rogue) -> None:
    secret = b64(b"a personal datum, misplaced")
    document = await _honest(union)
    document[secret] = secret

    reply = await union.post(cast.NAGAOKA, PROVISIONS, json.dumps(document).encode())

    assert reply.status == 422
    assert secret.encode() not in reply.body
    assert secret not in str(reply.headers)


async def test_a_member_who_asks_too_often_is_put_off_and_nobody_else(
    network: Network, union: Rogue, immigration: Rogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = next(
        spec for spec in network.parties[cast.NAGAOKA].role.listeners if spec.name == "network"
    )
    endpoints = [
        getattr(route.handler, "__self__", None) for route in listener.application.router.routes()
    ]
    limit = next(one._limit for one in endpoints if isinstance(one, Endpoint))
    assert limit is not None
    buckets = next(
        cell.cell_contents
        for cell in limit.__closure__ or ()
        if isinstance(cell.cell_contents, TokenBuckets)
    )
    with monkeypatch.context() as hurried:
        hurried.setattr(buckets, "_per_s", 0.001)
        hurried.setattr(buckets, "_burst", 1)
        hurried.setattr(buckets, "_buckets", OrderedDict())
        first, refused = [await union.post(cast.NAGAOKA, PROVISIONS, b"{}") for _ in range(2)]
        other = await immigration.post(cast.NAGAOKA, PROVISIONS, b"{}")

    assert first.refusal == (422, "invalid-body", None)
    assert refused.refusal == (429, "too-many-requests", None)
    assert int(refused.headers["Retry-After"]) >= 1
    assert other.refusal == (422, "invalid-body", None)
