"""A person's exchanges for the disclosure system: what staff would show, from all who know them."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from certs.sealing import unpack_answer
from codes.network_code import NetworkCode
from codes.numbers import UnifiedNumber
from gateway.errors import SekishoError
from gateway.flows.context import Context
from gateway.flows.record_types import new_id
from gateway.outbound.errors import MessageRefusedError
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from gateway.wire.codec import decode_json, encode_json
from gateway.wire.disclosures import (
    DisclosedPage,
)
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.alone.disclosing import PURPOSE, Asking, looked_at, members, plain, staffs
from tests.e2e.alone.offices import CORE, NAGAOKA, UNION, Office, an_exchange, entries, until
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.test_exchange import an_order


@pytest.fixture(scope="module")
async def core(network: Network, people: People) -> AsyncIterator[Context]:
    async with Rogue.of(network, people, CORE) as rogue:
        yield rogue.context


@pytest.fixture
def asking(core: Context) -> Asking:
    return Asking(core=core, gateway=NAGAOKA)


async def test_what_comes_is_what_staff_would_show(
    people: People, offices: dict[str, Office], number: UnifiedNumber, permit: str, core: Context
) -> None:
    office = offices[NAGAOKA]
    provision = (await office.entry(permit, "provision")).stored.entry_id
    await office.correct(provision, {"department": "市民課"})

    shown = {name: await staffs(one, number) for name, one in offices.items()}
    pages = {
        name: await Asking(core=core, gateway=name).page(people.code(number, name))
        for name in offices
    }

    for name, page in pages.items():
        assert members(page) == shown[name]["exchanges"]
        assert (page.organisation, page.title) == (name, shown[name]["title"])
        assert [one.permit_id for one in page.exchanges] == [permit]
    assert pages[NAGAOKA].exchanges[0].department == "市民課"


async def test_what_a_mark_covers_does_not_come_and_nothing_tells_that_it_was_left_out(
    network: Network, people: People, offices: dict[str, Office], asking: Asking
) -> None:
    marked, nobody = [await people.add(organisations=(UNION, NAGAOKA)) for _ in range(2)]
    order = an_order(marked)
    hidden = replace(order, wording=replace(order.wording, non_disclosure=True))
    await an_exchange(network, marked, order=hidden)

    codes = [people.code(one, NAGAOKA) for one in (marked, nobody)]
    invented = NetworkCode(secrets.token_bytes(32))
    answer = await asking.post(asking.request(*codes, invented))
    plain = [asking.opened(answer, place) for place in range(3)]
    pages = [decode_json(unpack_answer(one)[1], DisclosedPage) for one in plain]

    assert (await staffs(offices[NAGAOKA], marked))["left_out"] == 1
    assert [page.exchanges for page in pages] == [[], [], []]
    assert len({len(one) for one in plain}) == 1
    assert len({replace_time(page) for page in pages}) == 1
    assert {name for one in plain for name in json.loads(unpack_answer(one)[1])} == {
        "organisation",
        "title",
        "made_at",
        "exchanges",
    }


def replace_time(page: DisclosedPage) -> bytes:
    return encode_json(plain(page) | {"made_at": ""})


@pytest.mark.parametrize("marked_by", [UNION, NAGAOKA])
async def test_either_sides_later_mark_takes_the_exchange_out_until_it_is_lifted(
    *,
    people: People,
    offices: dict[str, Office],
    number: UnifiedNumber,
    permit: str,
    asking: Asking,
    marked_by: str,
) -> None:
    office = offices[marked_by]
    kind = "receipt" if marked_by == UNION else "provision"
    name = "non_disclosure" if marked_by == UNION else "non_disclosure_provider"
    entry_id = (await office.entry(permit, kind)).stored.entry_id
    other = offices[NAGAOKA if marked_by == UNION else UNION].context

    async def shown(value: int, told: int) -> int:
        await office.correct(entry_id, {name: value})

        async def is_told() -> bool:
            return len(await entries(other, permit, "correction-received")) == told

        await until(is_told)
        return len((await asking.page(people.code(number, NAGAOKA))).exchanges)

    assert [await shown(1, 1), await shown(0, 2)] == [0, 1]


async def test_that_the_system_asked_stands_on_record_with_the_request_it_was(
    people: People, offices: dict[str, Office], number: UnifiedNumber, permit: str, asking: Asking
) -> None:
    context = offices[NAGAOKA].context
    provision = (await offices[NAGAOKA].entry(permit, "provision")).stored.entry_id
    request_id = new_id()
    code = people.code(number, NAGAOKA)

    await asking.post(asking.request(code, request_id=request_id, since="2020-01-01T00:00:00.000Z"))

    read = (await looked_at(context))[0]
    assert read.private is not None
    assert read.private["request_id"] == request_id
    assert read.private["asked"] == {"since": "2020-01-01T00:00:00.000Z"}
    assert read.private["entries"] == [provision]
    assert (read.private["exchanges"], read.private["left_out"]) == (1, 0)
    found = await offices[NAGAOKA].officer.post(
        "/v1/records:search", {"unified_number": number.text, "kinds": ["records-read"]}
    )
    shown = await offices[NAGAOKA].show(found.body["records"][0]["id"])  # type: ignore[index]  # a list
    assert shown["private"]["code"] == "hidden"


async def test_nothing_leaves_before_the_record_stands(
    *,
    postgres: EmbeddedPostgres,
    people: People,
    offices: dict[str, Office],
    number: UnifiedNumber,
    asking: Asking,
) -> None:
    """Whoever holds the slot's row holds every answer back."""
    context = offices[NAGAOKA].context
    before = len(await looked_at(context))
    async with context.database.read() as connection:
        name = await connection.fetchval("SELECT current_database()")
    owner = await asyncpg.connect(postgres.dsn(OWNER_ROLE, name))
    try:
        async with owner.transaction():
            await owner.execute("SELECT FROM log_slots FOR UPDATE")
            answer = asyncio.ensure_future(
                asking.post(asking.request(people.code(number, NAGAOKA)))
            )

            async def is_waiting() -> bool:
                return (
                    bool(
                        await owner.fetchval(
                            "SELECT count(*) FROM pg_stat_activity"
                            " WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
                        )
                    )
                    or answer.done()
                )

            await until(is_waiting)
            await asyncio.sleep(0.2)
            answered_early = answer.done()
    finally:
        await owner.close()
    given = await answer

    assert not answered_early
    assert given.results[0].result is not None
    assert len(await looked_at(context)) == before + 1


async def test_a_code_of_another_organisation_opens_to_nothing(
    people: People, number: UnifiedNumber, permit: str, asking: Asking
) -> None:
    assert permit
    foreign = people.code(number, UNION)

    assert (await asking.page(foreign)).exchanges == []


@pytest.mark.parametrize(
    "changed",
    [{"recipient": UNION}, {"purpose": "code-delivery"}, {"bound_to": "0" * 32}],
)
async def test_a_code_that_is_not_sealed_for_this_is_refused_and_not_looked_for(
    people: People,
    offices: dict[str, Office],
    number: UnifiedNumber,
    asking: Asking,
    changed: dict[str, str],
) -> None:
    before = len(await looked_at(offices[NAGAOKA].context))

    problem = await asking.problem(asking.request(people.code(number, NAGAOKA), **changed))

    assert problem == "sealed-invalid"
    assert len(await looked_at(offices[NAGAOKA].context)) == before


async def test_an_answer_opens_for_its_own_request_and_purpose_alone(
    people: People, number: UnifiedNumber, asking: Asking
) -> None:
    answer = await asking.post(asking.request(people.code(number, NAGAOKA)))

    assert len(asking.opened(answer)) % 1024 == 0
    for purpose, bound_to in ((PURPOSE, "0" * 32), ("answer", None)):
        with pytest.raises(SekishoError) as refused:
            asking.opened(answer, purpose=purpose, bound_to=bound_to)
        assert refused.value.problem == "sealed-invalid"


async def test_a_request_id_stands_once_and_a_period_ends_after_it_begins(
    people: People, number: UnifiedNumber, asking: Asking
) -> None:
    code = people.code(number, NAGAOKA)
    moment = "2026-07-01T00:00:00.000Z"

    with pytest.raises(MessageRefusedError) as twice:
        await asking.post(asking.request(code, code, request_id="1" * 32))
    backwards = await asking.problem(asking.request(code, since=moment, until=moment))
    nonsense = await asking.problem(asking.request(code, since="2026-13-01T00:00:00.000Z"))

    assert twice.value.refusal.type == "invalid-body"
    assert (backwards, nonsense) == ("invalid-body", "invalid-body")


async def test_exchanges_of_the_period_alone_come(
    network: Network, people: People, number: UnifiedNumber, asking: Asking
) -> None:
    first, second = [await an_exchange(network, number) for _ in range(2)]
    code = people.code(number, NAGAOKA)
    border = (await asking.page(code)).exchanges[1].requested_at

    before = await asking.page(code, until=border)
    after = await asking.page(code, since=border)

    assert [one.permit_id for one in before.exchanges] == [first]
    assert [one.permit_id for one in after.exchanges] == [second]


async def test_another_gateway_is_refused_and_that_it_tried_is_on_record(
    network: Network, people: People, offices: dict[str, Office], number: UnifiedNumber
) -> None:
    gateway = network.gateway(NAGAOKA)
    asking = Asking(core=offices[UNION].context, gateway=NAGAOKA)

    with pytest.raises(MessageRefusedError) as refused:
        await asking.post(asking.request(people.code(number, NAGAOKA)))
    await gateway.flows.events.turn()

    assert refused.value.refusal.type == "wrong-member"
    async with gateway.context.database.read() as connection:
        recorded = await connection.fetchval(
            "SELECT count(*) FROM log_entries WHERE kind = 'security-events'"
            " AND outcome = 'wrong-member'"
        )
    assert recorded == 1
