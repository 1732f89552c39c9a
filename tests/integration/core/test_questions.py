"""What the core answers without recording it, and what it counts without believing it."""

import hashlib

import aiohttp
import pytest

from gateway.app.floor import RouteBook
from gateway.demo import cast
from gateway.flows.record_read import RecordReader, Search
from gateway.outbound.errors import MessageRefusedError
from gateway.records.note import log_origin, verify_checkpoint
from gateway.records.statements import posix_instant
from gateway.wire.lookups import ProvidersAnswer, ProvidersQuestion, ProvidersRequest
from gateway.wire.network import OutcomesAnswer, OutcomesRequest, PermitsRequest
from tests.integration.core.answers import a_person
from tests.integration.core.conftest import Core
from tests.integration.core.world import LEVY, NAGAOKA, TAX, UNION, Member, World

pytestmark = pytest.mark.usefixtures("core")


async def providers(member: Member, procedure: str, information: str) -> ProvidersAnswer:
    request = ProvidersRequest(
        items=[ProvidersQuestion(procedure=procedure, information=information)]
    )
    return await member.context.peers.post("core", "/v1/providers:lookup", request, ProvidersAnswer)


async def test_an_inquirer_learns_whom_the_law_lets_it_ask(union: Member) -> None:
    (result,) = (await providers(union, LEVY, TAX)).results

    assert result.result is not None
    found = [(one.organisation, one.body, one.name) for one in result.result.providers]
    assert found == [(NAGAOKA, cast.NAGAOKA_MAYOR, "長岡市長")]


@pytest.mark.parametrize(
    ("asking", "procedure", "information", "reason"),
    [
        (UNION, LEVY, "道府県民税に関する情報", "information-not-in-procedure"),
        (UNION, "XP00000000000000", TAX, "no-such-procedure"),
        (NAGAOKA, LEVY, TAX, "wrong-inquirer"),
    ],
)
async def test_who_may_ask_nobody_learns_why(
    *,
    union: Member,
    nagaoka: Member,
    asking: str,
    procedure: str,
    information: str,
    reason: str,
) -> None:
    member = union if asking == UNION else nagaoka

    (result,) = (await providers(member, procedure, information)).results

    assert result.problem is not None
    assert (result.problem.type, result.problem.reason) == ("refused", reason)


def path_of(slot: int) -> str:
    origin = log_origin(cast.NETWORK, cast.CORE, slot)
    return f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"


async def test_a_checkpoint_of_a_slot_one_holds_a_permit_of_verifies_by_the_cores_keys(
    core: Core, union: Member
) -> None:
    await union.permits(await union.ask((await a_person(core))[1]))

    note = (await union.context.peers.get("core", path_of(0))).body.decode()

    origin = log_origin(cast.NETWORK, cast.CORE, 0)
    keys = union.context.trust.directory.log_keys_at(cast.CORE, union.context.clock.now())
    verified = verify_checkpoint(note, origin=origin, keys=keys)
    assert verified.checkpoint.size > 1
    assert posix_instant(verified.time) <= union.context.clock.now()


@pytest.mark.parametrize("path", [path_of(3), f"/{'0' * 64}/checkpoint"])
async def test_a_checkpoint_of_which_one_holds_nothing_is_not_found(
    union: Member, path: str
) -> None:
    with pytest.raises(MessageRefusedError) as refused:
        await union.context.peers.get("core", path)

    assert refused.value.refusal.type == "not-found"


@pytest.mark.parametrize("path", ["/v1/provisions"])
async def test_what_comes_later_or_belongs_to_others_is_not_there(union: Member, path: str) -> None:
    with pytest.raises(MessageRefusedError) as refused:
        await union.context.peers.post("core", path, OutcomesRequest(groups=[], items=[]), bytes)

    assert refused.value.refusal.type == "not-found"


async def test_noise_is_folded_into_one_entry(
    world: World, core: Core, union: Member, nagaoka: Member
) -> None:
    request = await union.permits_request(await union.ask((await a_person(core))[1]))
    assert core.role is not None
    await core.role.drain()

    async with core.adds(**{"security-events": 1, "refusal": 0}):
        for _ in range(3):
            with pytest.raises(MessageRefusedError):
                await nagaoka.send_permits(request)
        await core.role.drain()

    reader = RecordReader(
        database=core.database, organisation=cast.CORE, keys=world.core_key_store()
    )
    entry = (await reader.search(Search(kinds=["security-events"])))[0]
    assert entry.private is not None
    assert {name: entry.private[name] for name in ("peer", "event", "count")} == {
        "peer": NAGAOKA,
        "event": "wrong-organisation",
        "count": 3,
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"groups":[],"keys":[],"items":[]}',
        b'{"groups":[],"keys":[],"items":[],"items":[]}',
        b'{"groups":[],"keys":[],"items":[{"group":0,"index":0,"code":{"key":0,"n":0,"ct":1}}]}',
        b'{"groups":[],"keys":[],"items":[],"more":1}',
        b"[" * 1000,
        b'{"groups":"\\u0000"}',
        b'{"groups":"\\ud800"}',
    ],
)
async def test_a_body_of_another_shape_is_refused_as_a_whole(union: Member, body: bytes) -> None:
    route = RouteBook(union.context.trust).route(cast.CORE)
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            route.url + "/v1/permits",
            ssl=route.context,
            data=body,
            headers={"Content-Type": "application/json"},
        ) as response,
    ):
        problem = await response.json(content_type="application/problem+json")

    assert response.status in (400, 422)
    assert problem["type"] in ("malformed-json", "invalid-body")


async def test_an_item_that_names_no_statement_is_its_own_problem(
    core: Core, union: Member
) -> None:
    request = await union.permits_request(await union.ask((await a_person(core))[1]))
    (item,) = request.items
    astray = type(item)(group=item.group, index=item.index + 1, code=item.code)

    answer = await union.send_permits(
        PermitsRequest(groups=request.groups, keys=request.keys, items=[astray, item])
    )

    problem = answer.results[0].problem
    assert problem is not None
    assert (problem.type, problem.reason) == ("statement-invalid", "no-statement")
    assert answer.results[1].result is not None


async def test_outcomes_without_a_statement_are_refused_as_a_whole(union: Member) -> None:
    with pytest.raises(MessageRefusedError) as refused:
        await union.context.peers.post(
            "core", "/v1/outcomes", OutcomesRequest(groups=[], items=[]), OutcomesAnswer
        )

    assert refused.value.refusal.type == "invalid-body"
