"""From an acquisition number to a code at its gateway, through core and resident network."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.app import resident_role
from gateway.app.resident_role import LOAD_COMMAND
from gateway.app.roles import RoleApp
from gateway.demo import cast
from gateway.errors import ConfigurationError, InvalidRequestError
from gateway.flows.record_types import new_id
from gateway.http.members import CORE_ONLY
from gateway.http.routes import Call, Route
from gateway.outbound.errors import MessageRefusedError
from gateway.wire.code_changes import (
    ResidentCodeChange,
    ResidentCodeChangesAnswer,
    ResidentCodeChangesRequest,
)
from gateway.wire.codes import (
    CodeDeliveriesRequest,
    NumbersAnswer,
    RequestsAnswer,
    ResidentCode,
    ResidentCodesRequest,
)
from gateway.wire.problems import Problem
from tests.integration.core.acquisition import (
    Gateway,
    Registry,
    a_my_number,
    a_registry,
    bring,
    forgotten,
    load,
    number_of,
    numbers,
)
from tests.integration.core.conftest import Core
from tests.integration.core.world import (
    NAGAOKA,
    UNION,
    Member,
    World,
    a_resident,
    listening,
    serving,
)

pytestmark = pytest.mark.usefixtures("core")


@pytest.fixture(scope="module")
async def gateway(world: World, union: Member) -> AsyncIterator[Gateway]:
    """The union's network listener, for the core alone."""
    taking = Gateway(member=union)

    async def deliveries(
        call: Call[Gateway, object], body: CodeDeliveriesRequest
    ) -> RequestsAnswer:
        return await call.services.take(body)

    route = Route(
        method="POST",
        path="/v1/code-deliveries",
        handler=deliveries,
        permission=CORE_ONLY,
        summary="Take codes",
        request=CodeDeliveriesRequest,
        response=RequestsAnswer,
    )
    async with listening(union, world.ports[UNION], route, taking):
        yield taking


@pytest.fixture(scope="module")
async def residents(world: World) -> AsyncIterator[RoleApp]:
    """The running stand-in."""
    role = await resident_role.build(world.worker(cast.RESIDENT_NETWORK, "resident-network"))
    async with serving(role, world.ports[cast.RESIDENT_NETWORK]):
        yield role


@pytest.fixture
async def mine(residents: RoleApp) -> str:
    """The My Number of somebody the resident network knows."""
    number = a_my_number()
    await load(residents, {number: a_resident().text})
    return number


@pytest.fixture
def registry(world: World, residents: RoleApp, tmp_path: Path) -> Registry:
    assert not residents.not_ready()
    return a_registry(world, tmp_path, organisation=UNION)


async def answered(registry: Registry, *brought: tuple[str, str]) -> NumbersAnswer:
    status, answer = await registry.look_up(*brought)
    assert isinstance(answer, NumbersAnswer), (status, answer)
    return answer


async def test_a_code_reaches_its_gateway_and_the_number_is_forgotten(
    *, core: Core, union: Member, gateway: Gateway, registry: Registry, mine: str
) -> None:
    request_id = new_id()
    number = await number_of(union, request_id)

    (result,) = (await answered(registry, (number, mine))).results

    assert result.result is not None
    state, code = await gateway.code(request_id)
    assert state == "acquired"
    assert code is not None
    await forgotten(core, number)


async def test_somebody_coded_already_is_told_as_such_without_a_code(
    union: Member, gateway: Gateway, registry: Registry, mine: str
) -> None:
    first, second = new_id(), new_id()
    await answered(registry, (await number_of(union, first), mine))
    before = await gateway.code(first)

    await answered(registry, (await number_of(union, second), mine))

    assert before[0] == "acquired"
    assert await gateway.code(second) == ("already-acquired", None)


async def test_two_numbers_for_one_person_in_one_message_make_one_code(
    union: Member, gateway: Gateway, registry: Registry, mine: str
) -> None:
    first, second = new_id(), new_id()
    pair = [await number_of(union, first), await number_of(union, second)]

    answer = await answered(registry, *((number, mine) for number in pair))

    assert all(result.result is not None for result in answer.results)
    states = sorted([(await gateway.code(first))[0], (await gateway.code(second))[0]])
    assert states == ["acquired", "already-acquired"]


async def test_a_changed_resident_code_keeps_its_person(
    *,
    core: Core,
    union: Member,
    gateway: Gateway,
    residents: RoleApp,
    registry: Registry,
    mine: str,
) -> None:
    await answered(registry, (await number_of(union, new_id()), mine))

    async with core.adds(**{"resident-code-changed": 1}):
        loaded = await load(residents, {mine: a_resident().text})
    request_id = new_id()
    await answered(registry, (await number_of(union, request_id), mine))

    assert loaded == {"loaded": 1, "changed": 1}
    assert await gateway.code(request_id) == ("already-acquired", None)


async def test_a_new_resident_code_that_is_somebody_elses_is_refused(
    world: World, core: Core
) -> None:
    one, other = a_resident(), a_resident()
    async with core.database.read() as connection:
        for code in (one, other):
            met = core.codes.meet(code)
            await connection.execute(
                "INSERT INTO core_people (lookup, person) VALUES ($1, $2)", met.lookup, met.person
            )
    request = ResidentCodeChangesRequest(
        items=[ResidentCodeChange(previous=one.text, current=other.text)]
    )

    async with world.member(cast.RESIDENT_NETWORK) as network:
        answer = await network.context.peers.post(
            "core", "/v1/resident-code-changes", request, ResidentCodeChangesAnswer
        )

    assert answer.results[0].problem is not None
    assert answer.results[0].problem.type == "conflict"


async def test_a_request_asked_again_keeps_its_number(core: Core, union: Member) -> None:
    request_id = new_id()

    async with core.adds(**{"code-requested": 1}):
        asked = {await number_of(union, request_id) for _ in range(2)}

    assert len(asked) == 1


async def test_the_same_request_id_of_another_organisation_is_another_request(
    union: Member, nagaoka: Member
) -> None:
    request_id = new_id()

    assert await number_of(union, request_id) != await number_of(nagaoka, request_id)


async def test_a_delivery_is_told_until_the_gateway_has_it(
    *, core: Core, union: Member, gateway: Gateway, registry: Registry, mine: str
) -> None:
    request_id = new_id()
    number = await number_of(union, request_id)
    gateway.problems[request_id] = Problem(type="unavailable", title="Not now", status=503)
    await answered(registry, (number, mine))
    await gateway.code(request_id)
    async with core.database.read() as connection:
        kept = await connection.fetchval(
            "SELECT count(*) FROM core_code_requests WHERE number = $1", bytes.fromhex(number)
        )

    gateway.problems.clear()

    assert kept == 1
    await forgotten(core, number)


async def test_a_code_its_gateway_will_never_link_can_be_acquired_again(
    *, core: Core, union: Member, gateway: Gateway, registry: Registry, mine: str
) -> None:
    lost, again = new_id(), new_id()
    number = await number_of(union, lost)
    gateway.problems[lost] = Problem(type="lapsed", title="Gone", status=409)

    async with core.adds(**{"code-changed": 1}):
        await answered(registry, (number, mine))
        await forgotten(core, number)
    gateway.problems.clear()
    await answered(registry, (await number_of(union, again), mine))

    assert (await gateway.code(again))[0] == "acquired"


async def test_lookups_are_refused_item_by_item_with_their_reasons(
    union: Member, registry: Registry, mine: str
) -> None:
    number = await number_of(union, new_id())
    stranger = a_my_number()

    answer = await answered(
        registry,
        (number, "123456789012"),
        (await number_of(union, new_id()), stranger),
        ("0" * 32, mine),
        (number, mine),
    )

    assert [result.problem and result.problem.type for result in answer.results] == [
        "invalid-request",
        "not-found",
        "not-found",
        "conflict",
    ]


async def test_a_number_that_lapsed_stands_for_nothing(
    *, world: World, core: Core, union: Member, registry: Registry, mine: str
) -> None:
    number = await number_of(union, new_id())
    async with core.database.read() as connection:
        await connection.execute(
            "UPDATE core_code_requests SET expires_at = $2 WHERE number = $1",
            bytes.fromhex(number),
            world.clock.now() - timedelta(seconds=1),
        )

    answer = await answered(registry, (number, mine))

    assert answer.results[0].problem is not None
    assert answer.results[0].problem.type == "not-found"


async def test_a_number_stands_for_one_person_and_says_so_again_to_who_brings_the_same(
    world: World, union: Member, gateway: Gateway
) -> None:
    request_id = new_id()
    number = await number_of(union, request_id)
    gateway.problems[request_id] = Problem(type="unavailable", title="Not now", status=503)
    one, other = a_resident().text, a_resident().text

    async with world.member(cast.RESIDENT_NETWORK) as network:
        both = await bring(network, (number, one), (number, other))
        said = [await bring(network, (number, code)) for code in (one, one, other)]
    gateway.problems.clear()

    assert both == ["conflict", "conflict"]
    assert said == [["taken"], ["taken"], ["conflict"]]


async def test_a_gateway_may_not_tell_resident_codes(union: Member) -> None:
    request = ResidentCodesRequest(
        items=[ResidentCode(acquisition_number="0" * 32, resident_code="0" * 11)]
    )

    with pytest.raises(MessageRefusedError) as refused:
        await union.context.peers.post("core", "/v1/resident-codes", request, NumbersAnswer)

    assert refused.value.refusal.type == "wrong-member"


@pytest.mark.usefixtures("residents")
@pytest.mark.parametrize(
    ("organisation", "role"),
    [(cast.CORE, "registry"), ("nobody", "registry"), (NAGAOKA, "gateway")],
)
async def test_a_certificate_that_names_no_organisations_registry_is_refused(
    world: World, tmp_path: Path, organisation: str, role: str
) -> None:
    stranger = a_registry(world, tmp_path, organisation=organisation, role=role)

    status, problem = await stranger.look_up(("0" * 32, a_my_number()))

    assert isinstance(problem, Problem)
    assert (status, problem.type) == (403, "not-permitted")


async def test_my_numbers_stand_nowhere_in_clear(world: World, mine: str) -> None:
    async with (
        world.member(cast.RESIDENT_NETWORK) as network,
        network.context.database.read() as connection,
    ):
        rows = await connection.fetch("SELECT number, code_box FROM resident_people")

    assert rows
    assert not any(mine.encode() in row["number"] + row["code_box"] for row in rows)


async def test_load_refuses_a_number_without_its_check_digit(residents: RoleApp) -> None:

    with pytest.raises(InvalidRequestError, match="my-number-check-digit"):
        await load(residents, {"123456789012": "0" * 11})


async def test_a_request_whose_code_was_made_gets_no_second_number(
    *, core: Core, union: Member, gateway: Gateway, registry: Registry, mine: str
) -> None:
    request_id = new_id()
    number = await number_of(union, request_id)
    gateway.problems[request_id] = Problem(type="unavailable", title="Not now", status=503)
    await answered(registry, (number, mine))

    (result,) = (await numbers(union, request_id)).results

    gateway.problems.clear()
    assert result.problem is not None
    assert result.problem.type == "conflict"
    await forgotten(core, number)


def residents_file(world: World) -> Path:
    settings = world.worker(cast.RESIDENT_NETWORK, "resident-network").settings
    assert settings.resident_network is not None
    return settings.resident_network.residents


async def test_the_file_that_the_settings_name_is_loaded_at_start(
    world: World, union: Member, registry: Registry
) -> None:
    mine = a_my_number()
    file = residents_file(world)
    file.write_text(f"my_number,resident_code\n{mine},{a_resident().text}\n")

    role = await resident_role.build(world.worker(cast.RESIDENT_NETWORK, "resident-network"))

    await role.close()
    file.unlink()
    (result,) = (await answered(registry, (await number_of(union, new_id()), mine))).results
    assert result.result is not None


@pytest.mark.parametrize("text", ["other,columns\n", "my_number,resident_code\n1\n"])
async def test_a_file_that_cannot_be_read_keeps_the_stand_in_from_starting(
    world: World, text: str
) -> None:
    file = residents_file(world)
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=r"residents\.csv"):
        await resident_role.build(world.worker(cast.RESIDENT_NETWORK, "resident-network"))

    file.unlink()


async def test_a_load_of_another_shape_is_refused(residents: RoleApp) -> None:
    with pytest.raises(InvalidRequestError, match="lines of two texts"):
        await residents.commands[LOAD_COMMAND]({"residents": [["one"]]})
