"""Flags that bind what is answered, and questions to the law's table, over the listener."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from gateway.client import BackofficeClient, GatewayRefusedError, NotFoundError, RequestInvalidError
from gateway.demo import cast
from gateway.storage.gate import read_gate_version
from gateway.wire.decisions import DecisionQuestion
from gateway.wire.replicas import BatchHeader, ReplicaRow
from tests.e2e.clients import a_client
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.test_backoffice import TAX, an_inquiry


@pytest.fixture(scope="module")
async def city(network: Network) -> AsyncIterator[BackofficeClient]:
    async with BackofficeClient(await a_client(network, cast.NAGAOKA, "shimin")) as client:
        yield client


@pytest.fixture(scope="module")
async def other(network: Network) -> AsyncIterator[BackofficeClient]:
    async with BackofficeClient(await a_client(network, cast.NAGAOKA, "fukushi")) as client:
        yield client


@pytest.fixture(scope="module")
async def union(network: Network) -> AsyncIterator[BackofficeClient]:
    async with BackofficeClient(
        await a_client(network, cast.GUNMA_UNION, "kouki-measures")
    ) as client:
        yield client


async def test_a_flag_withholds_the_next_answer_and_lifted_it_does_not(
    people: People, city: BackofficeClient, union: BackofficeClient
) -> None:
    number = await people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))
    await people.put_replica(cast.NAGAOKA, number, TAX, {"XTK0000010000003": 3500})

    flag = await city.set_flag(number.text, "automatic-answer-disabled", reason="dv-protection")
    held = await union.ask(an_inquiry(number.text), wait_s=10)
    await city.lift_flag(flag, reason="protection-ended")
    free = await union.ask(an_inquiry(number.text), wait_s=10)

    assert (held.state, free.state) == ("withheld", "provided")


async def test_a_flag_is_seen_and_lifted_by_its_maker_alone(
    people: People, city: BackofficeClient, other: BackofficeClient
) -> None:
    number = (await people.add(organisations=(cast.NAGAOKA,))).text
    flag = await city.set_flag(
        number,
        "record-not-disclosed",
        reason="dv-protection",
        term=TAX,
        item="XTK0000010000003",
        until=datetime.now(UTC) + timedelta(days=30),
    )

    with pytest.raises(NotFoundError):
        await other.lift_flag(flag, reason="mistake")
    seen = [(one.id, one.item) for one in (await city.flags(number)).flags]
    others = (await other.flags(number)).flags
    await city.lift_flag(flag, reason="mistake")
    with pytest.raises(GatewayRefusedError) as again:
        await city.lift_flag(flag, reason="mistake")

    assert (seen, others) == ([(flag, "XTK0000010000003")], [])
    assert again.value.type == "conflict"
    assert (await city.flags(number)).flags == []
    assert [one.id for one in (await city.flags(number, lifted=True)).flags] == [flag]


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"term": "TM99999999999999"}, "/term"),
        ({"item": "XTK0000010000003"}, "/item"),
        ({"term": TAX, "item": "XTK0000020000001"}, "/item"),
        ({"until": datetime(2026, 1, 1, tzinfo=UTC)}, "/until"),
    ],
)
async def test_a_flag_about_nothing_is_refused(
    city: BackofficeClient, changed: dict[str, object], pointer: str
) -> None:
    with pytest.raises(RequestInvalidError) as refused:
        await city.set_flag(
            "1",
            "automatic-answer-disabled",
            reason="dv-protection",
            **changed,  # type: ignore[arg-type]  # as above
        )

    assert refused.value.problem.pointer == pointer


async def test_the_table_is_explained_by_class_and_by_body(city: BackofficeClient) -> None:
    asked = DecisionQuestion(
        on_date=date(2026, 7, 1),
        inquirer_body=cast.UNION_HEAD,
        provider_class="市町村長",
        article="117",
        item="6",
        sub_item="ロ",
        row="115",
        information="地方税関係情報",
    )

    answer = await city.explain(asked)

    assert (answer.decision, answer.reason) == ("permit", "narrowed")
    assert answer.basis[0]["article"] == "117"


async def test_a_question_with_two_inquirers_is_none(city: BackofficeClient) -> None:
    with pytest.raises(RequestInvalidError) as refused:
        await city.explain(
            DecisionQuestion(
                on_date=date(2026, 7, 1),
                inquirer_body=cast.UNION_HEAD,
                inquirer_class="市町村長",
                provider_class="市町村長",
                article="117",
                information="地方税関係情報",
            )
        )

    assert refused.value.type == "invalid-body"


async def test_what_answers_rest_on_moves_the_gate(
    network: Network, people: People, city: BackofficeClient
) -> None:
    number = (await people.add(organisations=(cast.NAGAOKA,))).text
    header = BatchHeader(kind="change", term=TAX, layout="7.0")
    row = ReplicaRow(
        unified_number=number,
        record_key="2026",
        items={"XTK0000010000003": 1},
        published_from=date(2026, 6, 1),
    )
    context = network.gateway(cast.NAGAOKA).context

    async def version() -> int:
        async with context.database.read() as connection:
            return await read_gate_version(connection)

    versions = [await version()]
    flag = await city.set_flag(number, "automatic-answer-disabled", reason="dv-protection")
    versions.append(await version())
    await city.lift_flag(flag, reason="protection-ended")
    versions.append(await version())
    await city.load_replicas(header, [row])
    versions.append(await version())
    await city.suspend_code(number, reason="wrong-link")
    versions.append(await version())
    await city.move_code(number, "777", reason="merged")
    versions.append(await version())

    assert all(after > before for before, after in pairwise(versions))
