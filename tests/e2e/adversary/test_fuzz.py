"""Anything at all, sent to every network route: documented refusals, never a failure of ours.

Bodies come from the OpenAPI documents and from honest messages, whole and with one place changed.
Both are drawn from a fixed seed, so that a failure comes again.
"""

import copy
import json
import random
import warnings
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core import NotSet

from codes.canonical import instant
from gateway.demo import cast
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.network import (
    AcknowledgedAnswer,
    DeliveriesRequest,
    Delivery,
    Notice,
    NoticesRequest,
    Outcome,
    OutcomesRequest,
    Sealed,
)
from gateway.wire.problems import PROBLEM_TYPES, Problem
from tests.e2e.adversary.rogue import Reply, Rogue
from tests.e2e.adversary.routes import NetworkRoute, certificate_of, documents, network_routes
from tests.e2e.adversary.test_deliveries import delivery, held
from tests.e2e.parties import Network

PARTIES = (cast.NAGAOKA, cast.CORE)
SEED = 20261123
EXAMPLES = 4
NEARLY = 8
MUTATIONS = 60

NASTY: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2**53 - 1,
    1.5,
    "",
    " ",
    "0" * 32,
    "0" * 64,
    "f" * 64,
    "A" * 1000,
    "９９",
    "\ufffe",
    "core",
    cast.NAGAOKA,
    "9999-12-31T23:59:59.999Z",
    "0001-01-01T00:00:00.000Z",
    "2026-02-30T00:00:00.000Z",
    "2026-02-30",
    "9999-12-31",
    [],
    {},
    [None],
    [[]],
    {"": ""},
)


def judged(route: NetworkRoute, reply: Reply) -> None:
    """Hold one answer to what the document promises."""
    assert reply.status in route.statuses(), (route.path, reply.status, reply.body[:300])
    assert reply.status != 500, (route.path, reply.body)
    if reply.status >= 400:
        assert PROBLEM_TYPES[reply.problem.type].status == reply.status
    elif route.method == "POST":
        for result in msgspec.json.decode(reply.body).get("results", ()):
            if "problem" in result:
                problem = msgspec.convert(result["problem"], Problem)
                assert PROBLEM_TYPES[problem.type].status == problem.status
                assert problem.status != 500, (route.path, problem)


async def send(union: Rogue, route: NetworkRoute, raw: bytes, path: str | None = None) -> None:
    own = certificate_of(union.network, route.caller)
    reply = await union.send(
        route.method,
        route.party,
        path or route.path,
        raw if route.method == "POST" else None,
        context=union.client_context(route.party, own),
    )
    judged(route, reply)


def bodies(schema: Any, route: NetworkRoute) -> list[Any]:
    """Draw cases that fit the document."""
    operation = schema[route.path][route.method]
    drawn: list[Any] = []

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def draw(case: Any) -> None:
        drawn.append(case)

    draw()
    return drawn


@pytest.mark.parametrize("party", PARTIES)
async def test_whatever_the_document_allows_or_nearly_is_answered_as_documented(
    network: Network, union: Rogue, party: str
) -> None:
    chosen = random.Random(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(copy.deepcopy(documents(network, party)))
        for route in network_routes(network, party):
            for case in bodies(schema, route):
                await send(union, route, written(case.body), case.formatted_path)
                if not isinstance(case.body, dict):
                    continue
                for at in chosen.choices(list(places(case.body)), k=NEARLY):
                    nearly = changed(case.body, at, chosen.choice(NASTY))
                    await send(union, route, written(nearly), case.formatted_path)


def written(body: object) -> bytes:
    """Return a drawn body as a careless sender would write it."""
    if isinstance(body, NotSet):
        return b""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def places(value: object, at: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield the way to every place of a JSON value."""
    yield at
    if isinstance(value, dict):
        for name, part in value.items():
            yield from places(part, (*at, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from places(part, (*at, index))


def changed(document: Any, at: tuple[Any, ...], value: object) -> Any:
    """Return a copy with another value in one place."""
    if not at:
        return value
    copied = copy.deepcopy(document)
    place = copied
    for step in at[:-1]:
        place = place[step]
    place[at[-1]] = value
    return copied


async def honest_messages(
    network: Network, union: Rogue, nagaoka: Rogue
) -> dict[tuple[str, str], msgspec.Struct]:
    """Return one good message for every route that takes statements or sealed items."""
    permitted = await union.permitted()
    one = await held(network, union)
    recorded, key, sealed = await delivery(nagaoka, one)
    proven = await nagaoka.proven(recorded)
    place = proven.reference(recorded)
    item = Delivery(permit_id=one.permit_id, group=place.group, index=place.index, sealed=sealed)
    provisions = await union.provisions_request(permitted)
    return {
        (cast.NAGAOKA, "/v1/provisions"): provisions,
        (cast.CORE, "/v1/permits"): await union.member.permits_request(await union.ask()),
        (cast.GUNMA_UNION, "/v1/deliveries"): DeliveriesRequest(
            groups=proven.groups, keys=[key], items=[item]
        ),
        (cast.CORE, "/v1/outcomes"): OutcomesRequest(
            groups=provisions.groups,
            items=[Outcome(permit_id=permitted.permit_id, group=0, index=permitted.recorded.index)],
        ),
        (cast.NAGAOKA, "/v1/notices"): notices(union, key, sealed),
    }


def notices(union: Rogue, key: Any, sealed: Sealed) -> NoticesRequest:
    now = instant(union.context.clock.now())
    return NoticesRequest(
        keys=[key],
        items=[
            Notice(
                permit_id="ab" * 16,
                inquirer=union.name,
                inquirer_body=cast.UNION_HEAD,
                provider_body=cast.NAGAOKA_MAYOR,
                department="x",
                affair="x",
                procedure="x",
                citation="x",
                term="x",
                scope="x",
                items=["x"],
                law_day="2026-07-01",
                requested_at=now,
                token_expires=now,
                request_expires=now,
                non_disclosure=0,
                code=sealed,
            )
        ],
    )


SENDERS = {
    "/v1/provisions": cast.GUNMA_UNION,
    "/v1/permits": cast.GUNMA_UNION,
    "/v1/deliveries": cast.NAGAOKA,
    "/v1/outcomes": cast.GUNMA_UNION,
    "/v1/notices": cast.CORE,
}


@pytest.mark.parametrize("path", SENDERS)
async def test_an_honest_message_with_one_place_changed_is_answered_as_documented(
    network: Network, union: Rogue, nagaoka: Rogue, path: str
) -> None:
    messages = await honest_messages(network, union, nagaoka)
    ((party, _), message) = next(one for one in messages.items() if one[0][1] == path)
    route = next(route for route in network_routes(network, party) if route.path == path)
    document = msgspec.json.decode(encode_json(message))
    chosen = random.Random(SEED)
    spots = list(places(document))
    own = union.client_context(party, certificate_of(network, SENDERS[path]))

    for _ in range(MUTATIONS):
        raw = msgspec.json.encode(changed(document, chosen.choice(spots), chosen.choice(NASTY)))
        judged(route, await union.send("POST", party, path, raw, context=own))


@pytest.mark.parametrize("member", ["requested_at", "token_expires", "request_expires", "law_day"])
async def test_a_notice_of_an_impossible_day_is_one_items_problem(
    network: Network, union: Rogue, nagaoka: Rogue, member: str
) -> None:
    one = await held(network, union)
    _, key, sealed = await delivery(nagaoka, one)
    request = notices(union, key, sealed)
    day = "2026-02-30" if member == "law_day" else "2026-02-30T00:00:00.000Z"
    bad = msgspec.structs.replace(request.items[0], permit_id="cd" * 16, **{member: day})
    message = msgspec.structs.replace(request, items=[bad, request.items[0]])
    own = union.client_context(cast.NAGAOKA, certificate_of(network, cast.CORE))

    reply = await union.post(cast.NAGAOKA, "/v1/notices", message, context=own)

    answer = decode_json(reply.body, AcknowledgedAnswer)
    assert answer.results[0].problem is not None
    assert answer.results[0].problem.type == "invalid-body"
    assert answer.results[1].result is not None
