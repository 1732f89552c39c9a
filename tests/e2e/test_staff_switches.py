"""A stop switch, once acknowledged, binds everything that is committed after it (PROTOCOL §4)."""

import asyncio

import msgspec
import pytest

from codes.canonical import instant
from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.flows.inquire import InquiryView
from gateway.flows.record_types import new_id
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.staff import Person, a_person
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order

SWITCH = {"by": "information", "value": TAX, "reason": "a mistake in the replicas"}


@pytest.fixture(scope="module")
async def operator(root: Person) -> Person:
    return await (await a_person(root, "oscar", "operator")).sign_in()


async def somebody(people: People) -> UnifiedNumber:
    number = await people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))
    await people.put_replica(cast.NAGAOKA, number, TAX, {"XTK0000010000003": 3500})
    return number


async def begun(network: Network, people: People, number: UnifiedNumber | None = None) -> str:
    order = an_order(number or await somebody(people))
    return await network.gateway(cast.GUNMA_UNION).flows.inquire.begin(order, REGISTRATION)


async def ended(network: Network, inquiry_id: str) -> InquiryView:
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    await inquire.wait(inquiry_id, 20)
    return await inquire.find(inquiry_id, REGISTRATION)


async def test_a_switch_stops_the_next_answer_and_its_lifting_lets_it_go(
    network: Network, people: People, operator: Person
) -> None:
    before = await ended(network, await begun(network, people))
    made = await operator.post("/v1/switches", SWITCH)
    listed = await operator.get("/v1/switches")
    stopped = await ended(network, await begun(network, people))
    lifted = await operator.post(f"/v1/switches/{made.body['id']}/lifting")
    again = await operator.post(f"/v1/switches/{made.body['id']}/lifting")
    after = await ended(network, await begun(network, people))

    assert before.row.state is InquiryState.PROVIDED
    assert made.status == 201
    assert [one["id"] for one in listed.body["switches"]] == [made.body["id"]]  # type: ignore[attr-defined]
    assert stopped.row.state is InquiryState.DENIED
    assert (lifted.status, again.status) == (204, 409)
    assert after.row.state is InquiryState.PROVIDED


async def test_a_switch_set_between_decision_and_commit_makes_the_decision_be_made_again(
    network: Network, people: People
) -> None:
    """The provider has decided and waits for the gate; whoever holds it sets a switch."""
    provider = network.gateway(cast.NAGAOKA).context
    row = {"switch_id": new_id(), "reason": "x", "maker": "test", "until": None}
    number = await somebody(people)
    async with provider.database.transaction() as holder:
        await holder.execute("SELECT gate_take_exclusive()")
        inquiry_id = await begun(network, people, number)
        await somebody_waits_for_the_gate(network)
        switch = [{**row, "by": "information", "value": TAX}]
        await holder.execute(
            "SELECT effect_switch_set($1::jsonb)", msgspec.json.encode(switch).decode()
        )
        await holder.execute("SELECT gate_change()")
    view = await ended(network, inquiry_id)
    async with provider.database.read() as connection:
        outcomes = await connection.fetch(
            "SELECT outcome FROM log_entries WHERE kind = 'provision' AND permit_id = $1::uuid",
            view.row.permit_id,
        )
        await connection.execute("UPDATE stop_switches SET lifted_at = now()")
        await connection.execute("SELECT gate_change()")

    assert view.row.state is InquiryState.DENIED
    assert [found["outcome"] for found in outcomes] == ["denied"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "information", "value": "TM99999999999999"},
        {"by": "procedure", "value": "第117条"},
        {"by": "counterparty", "value": "nowhere"},
        {"by": "body", "value": cast.NAGAOKA},
        {"by": "all", "value": cast.NAGAOKA},
        {"by": "body", "value": ""},
        {"by": "all", "value": "", "until": "2020-01-01T00:00:00.000Z"},
        {"by": "all", "value": "", "until": "2026-02-30T00:00:00.000Z"},
        {"by": "everything", "value": ""},
    ],
)
async def test_a_switch_that_would_stop_nothing_is_refused(
    operator: Person, wrong: dict[str, str]
) -> None:
    answer = await operator.post("/v1/switches", {**wrong, "reason": "x"})

    assert (answer.status, answer.body["type"]) == (422, "invalid-body")


async def test_a_switch_shows_its_end(network: Network, operator: Person) -> None:
    clock = network.gateway(cast.NAGAOKA).context.clock
    until = instant(clock.now().replace(year=clock.now().year + 1))
    made = await operator.post("/v1/switches", {"by": "all", "reason": "x", "until": until})
    shown = await operator.get("/v1/switches?all=true&limit=1")
    await operator.post(f"/v1/switches/{made.body['id']}/lifting")

    assert shown.body["switches"][0]["until"] == until  # type: ignore[index]


async def somebody_waits_for_the_gate(network: Network) -> None:
    """Return as soon as a writer of 長岡市's waits for the gate (advisory lock 1, 0)."""
    database = network.gateway(cast.NAGAOKA).context.database
    async with database.read() as watcher, asyncio.timeout(20):
        while not await watcher.fetchval(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
            " AND classid = 1 AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        ):
            await asyncio.sleep(0.005)
