"""A person's code from the registry's request to the link, through core and resident network."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from codes.numbers import UnifiedNumber
from gateway.client import BackofficeClient, GatewayRefusedError, NotFoundError
from gateway.demo import cast
from gateway.flows.vault import key_month
from gateway.wire.acquisitions import PersonFacts
from tests.conftest import NewDatabase
from tests.e2e.clients import a_client
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.residents import Residents, resident_network
from tests.e2e.test_backoffice import TAX, an_inquiry


@pytest.fixture(scope="module")
async def residents(network: Network, new_database: NewDatabase) -> AsyncIterator[Residents]:
    async with resident_network(network, (await new_database()).app) as running:
        yield running


@pytest.fixture(scope="module")
async def registry(network: Network) -> AsyncIterator[BackofficeClient]:
    async with BackofficeClient(await a_client(network, cast.NAGAOKA, "atena")) as client:
        yield client


@pytest.fixture(scope="module")
async def union_registry(network: Network) -> AsyncIterator[BackofficeClient]:
    async with BackofficeClient(await a_client(network, cast.GUNMA_UNION, "atena")) as client:
        yield client


def a_number() -> str:
    return f"{secrets.randbelow(10**15):015d}"


async def acquired(
    registry: BackofficeClient, residents: Residents, organisation: str, number: str, mine: str
) -> str:
    """Take one person through the acquisition; return how the code stands in the end."""
    (begun,) = (await registry.acquire([number])).acquisitions
    assert begun.acquisition_number is not None
    answer = await residents.look_up(organisation, [(begun.acquisition_number, mine)])
    assert answer.results[0].problem is None
    async with asyncio.timeout(20):
        while True:
            (standing,) = (await registry.code_standings([number])).people
            if standing.state != "requested":
                return standing.state
            await asyncio.sleep(0.05)


async def test_a_code_is_acquired_and_an_exchange_rests_on_it(
    people: People,
    residents: Residents,
    registry: BackofficeClient,
    union_registry: BackofficeClient,
) -> None:
    number, union_number, mine = a_number(), a_number(), await residents.add()

    states = [
        await acquired(registry, residents, cast.NAGAOKA, number, mine),
        await acquired(union_registry, residents, cast.GUNMA_UNION, union_number, mine),
    ]
    await people.put_replica(
        cast.NAGAOKA, UnifiedNumber.parse(number), TAX, {"XTK0000010000003": 3500}
    )
    answered = await union_registry.ask(an_inquiry(union_number), wait_s=20)

    assert states == ["linked", "linked"]
    assert answered.state == "provided"


async def test_asked_again_the_same_acquisition_number_comes_back(
    registry: BackofficeClient,
) -> None:
    number = a_number()

    first = await registry.acquire([number, number])
    again = await registry.acquire([number])

    numbers = {one.acquisition_number for one in (*first.acquisitions, *again.acquisitions)}
    assert len(numbers) == 1
    assert None not in numbers


async def test_the_acquisition_number_is_erased_when_the_code_is_linked(
    network: Network, residents: Residents, registry: BackofficeClient
) -> None:
    number, mine = a_number(), await residents.add()
    context = network.gateway(cast.NAGAOKA).context

    state = await acquired(registry, residents, cast.NAGAOKA, number, mine)
    async with context.database.read() as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM code_acquisitions"
            " WHERE state = 'linked' AND acquisition_box IS NOT NULL"
        )
    (listed, *_) = (await registry.acquisitions(state="linked")).acquisitions

    assert (state, left) == ("linked", 0)
    assert listed.finished_at is not None


async def test_a_person_coded_under_another_number_is_told_as_such(
    residents: Residents, registry: BackofficeClient
) -> None:
    first, second, mine = a_number(), a_number(), await residents.add()

    states = [
        await acquired(registry, residents, cast.NAGAOKA, first, mine),
        await acquired(registry, residents, cast.NAGAOKA, second, mine),
    ]

    assert states == ["linked", "already-acquired"]


async def test_a_suspended_code_is_nobodys_until_it_is_resumed(
    people: People, union_registry: BackofficeClient
) -> None:
    number = await people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))

    await union_registry.suspend_code(number.text, reason="wrong-link")
    with pytest.raises(GatewayRefusedError) as refused:
        await union_registry.ask(an_inquiry(number.text))
    await union_registry.resume_code(number.text, reason="checked")
    asked = await union_registry.ask(an_inquiry(number.text), wait_s=20)

    assert refused.value.type == "no-network-code"
    assert asked.state == "no-information"


async def test_a_code_goes_over_to_another_number_once(
    people: People, registry: BackofficeClient
) -> None:
    number, other = await people.add(organisations=(cast.NAGAOKA,)), a_number()

    await registry.move_code(number.text, other, reason="merged")
    with pytest.raises(NotFoundError):
        await registry.move_code(number.text, other, reason="merged")
    standings = (await registry.code_standings([number.text, other])).people

    assert [one.state for one in standings] == ["none", "linked"]


async def test_whom_another_organisation_wants_a_code_for_reaches_the_registry(
    registry: BackofficeClient, union_registry: BackofficeClient
) -> None:
    person = PersonFacts(
        name="長岡 花子", birth_date="1948-04-01", sex="female", address="長岡市大手通1-4-10"
    )
    wanted_id = secrets.token_hex(16)

    await union_registry.want_code(cast.NAGAOKA, person, request_id=wanted_id)
    await union_registry.want_code(cast.NAGAOKA, person, request_id=wanted_id)
    listed = [one for one in (await registry.wanted_codes()).requests if one.id == wanted_id]

    assert [(one.inquirer, one.person) for one in listed] == [(cast.GUNMA_UNION, person)]


async def test_what_lives_for_weeks_lies_under_the_key_of_its_month(
    network: Network, registry: BackofficeClient, union_registry: BackofficeClient
) -> None:
    """So that its key can end with it: an older backup of the database reads it no longer."""
    context = network.gateway(cast.NAGAOKA).context
    person = PersonFacts(
        name="長岡 花子", birth_date="1948-04-01", sex="female", address="長岡市大手通1-4-10"
    )

    await registry.acquire([a_number()])
    await union_registry.want_code(cast.NAGAOKA, person, request_id=secrets.token_hex(16))
    async with context.database.read() as connection:
        rows = await connection.fetch(
            "SELECT 'code_acquisitions' AS name, key_year FROM code_acquisitions"
            " UNION SELECT 'code_wanted', key_year FROM code_wanted"
        )

    month = key_month(context.clock.now())
    assert {(row["name"], row["key_year"]) for row in rows} == {
        ("code_acquisitions", month),
        ("code_wanted", month),
    }
