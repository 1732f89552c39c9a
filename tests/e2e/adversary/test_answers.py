"""What a provider cannot answer, and what must not keep it from answering the others."""

from datetime import date, timedelta

import pytest

from codes.canonical import tokyo_day, unb64
from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.records.entry import parse_entry
from gateway.records.kinds import Provision
from tests.e2e.adversary.forger import granted_by_a_liar
from tests.e2e.adversary.rogue import ITEM, TAX, Reply, Rogue, adds, left_open
from tests.e2e.adversary.test_swaps import lied_to, provision_of
from tests.e2e.parties import Network
from tests.e2e.test_exchange import REGISTRATION, an_order

LONG_AGO = date(2020, 1, 1)


async def outcome_of(union: Rogue, number: UnifiedNumber, **changes: object) -> tuple[str, bool]:
    """Return the outcome about a person, and whether anything sealed came along."""
    reply = await union.present(await union.permitted(number, **changes))
    answer = reply.provisions.results[0].result
    assert answer is not None
    provision = provision_of(reply)
    assert provision.reason is None
    return provision.outcome, answer.sealed is not None


async def a_replica(
    union: Rogue,
    *,
    published: tuple[date, date | None] = (LONG_AGO, None),
    period: tuple[date | None, date | None] = (None, None),
    term: str = TAX,
    items: dict[str, object] | None = None,
) -> UnifiedNumber:
    number = await union.people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))
    await union.people.put_replica(
        cast.NAGAOKA, number, term, items or {ITEM: 1}, published=published, period=period
    )
    return number


async def test_nobody_without_a_replica_is_told_from_nobody_known(
    network: Network, union: Rogue, core: Rogue
) -> None:
    """The core thinks that 長岡市 has a code; 長岡市 has none, and says what it says of others."""
    known = await union.people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))
    unknown = await union.people.add(organisations=(cast.GUNMA_UNION,))
    asked = await union.ask(unknown)
    token, permit_id = granted_by_a_liar(core, asked.recorded, unknown)

    async with adds(network, cast.NAGAOKA, provision=2):
        told_of_known = await outcome_of(union, known)
        reply = await lied_to(union, asked.recorded, token, permit_id)

    provision = provision_of(reply)
    assert told_of_known == ("no-information", False)
    assert (provision.outcome, provision.reason) == ("no-information", None)


async def test_a_provider_without_a_code_is_the_cores_refusal(
    network: Network, union: Rogue
) -> None:
    number = await union.people.add(organisations=(cast.GUNMA_UNION,))
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire

    async with adds(network, cast.CORE, permit=0, refusal=1):
        inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
        await inquire.wait(inquiry_id, 10)

    view = await inquire.find(inquiry_id, REGISTRATION)
    assert (view.row.state, view.row.reason) == (InquiryState.REFUSED, "no-code")


@pytest.mark.parametrize(
    ("begins", "ends", "outcome"),
    [
        (0, 0, "provided"),
        (-1, 0, "provided"),
        (0, None, "provided"),
        (1, None, "no-information"),
        (-9, -1, "no-information"),
    ],
)
async def test_a_replica_answers_from_its_first_published_day_to_its_last(
    union: Rogue, begins: int, ends: int | None, outcome: str
) -> None:
    today = tokyo_day(union.context.clock.now())
    until = None if ends is None else today + timedelta(days=ends)
    number = await a_replica(union, published=(today + timedelta(days=begins), until))

    assert await outcome_of(union, number) == (outcome, outcome == "provided")


YEAR_2025 = (date(2025, 4, 1), date(2026, 3, 31))


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        ({"kind": "latest"}, "provided"),
        ({"kind": "year", "year": 2025}, "provided"),
        ({"kind": "year", "year": 2024}, "no-information"),
        ({"kind": "year", "year": 2026}, "no-information"),
        ({"kind": "period", "from": "2026-03-31", "to": "2026-03-31"}, "provided"),
        ({"kind": "period", "from": "2026-04-01", "to": "2027-03-31"}, "no-information"),
        ({"kind": "period", "from": "2020-01-01", "to": "2025-03-31"}, "no-information"),
    ],
)
async def test_a_replica_answers_only_about_its_own_time(
    union: Rogue, condition: dict[str, object], outcome: str
) -> None:
    number = await a_replica(union, period=YEAR_2025)

    assert await outcome_of(union, number, condition=condition) == (
        outcome,
        outcome == "provided",
    )


async def test_a_replica_of_another_term_answers_nothing(union: Rogue) -> None:
    number = await a_replica(union, term="TM00000000000001")

    assert await outcome_of(union, number) == ("no-information", False)


async def test_items_that_the_permit_does_not_name_stay_back(union: Rogue) -> None:
    number = await a_replica(union, items={"XTK0000099999999": "not asked for"})

    assert await outcome_of(union, number) == ("no-information", False)


UNFIT: dict[str, dict[str, object]] = {
    "longer than any answer": {ITEM: "a" * (1024 * 1024)},
    "a number no answer can carry": {ITEM: -1},
    "no replica at all": {ITEM: 1.5},
}


@pytest.mark.parametrize("what", [*UNFIT, "damaged"])
async def test_one_persons_damaged_replica_keeps_nobody_else_from_an_answer(
    network: Network, union: Rogue, what: str
) -> None:
    hurt = await a_replica(union, items=UNFIT.get(what))
    if what == "damaged":
        await _damage(network, hurt)
    permitted = [await union.permitted(number) for number in (await a_replica(union), hurt)]

    async with adds(network, cast.NAGAOKA, provision=1, refusal=0):
        reply = await union.present(*permitted)

    assert reply.provisions.results[0].result is not None
    assert reply.item_problem(1) == (503, "replica-unreadable", None)


async def test_a_provider_that_cannot_answer_now_ends_no_inquiry(
    network: Network, union: Rogue
) -> None:
    number = await a_replica(union)
    await _damage(network, number)
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire

    async with adds(network, cast.GUNMA_UNION, inquiry=1, receipt=0):
        inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
        await inquire.wait(inquiry_id, 10)

    await left_open(network, inquiry_id)


async def test_answers_too_many_for_one_message_come_in_the_next(
    network: Network, union: Rogue
) -> None:
    """Together they would be over 8 MiB, which nobody reads; what was recorded is not lost."""
    large: dict[str, object] = {ITEM: "a" * 1_040_000}
    numbers = [await a_replica(union, items=large) for _ in range(8)]
    permitted = await union.permits([await union.ask(number) for number in numbers])

    async with adds(network, cast.NAGAOKA, provision=8, refusal=0):
        first = (await union.present(*permitted)).provisions
        answered = [result.result is not None for result in first.results]
        rest = [one for one, is_there in zip(permitted, answered, strict=True) if not is_there]
        second = await union.present(*rest)

    assert 0 < len(rest) < 8
    problems = [result.problem for result in first.results if result.problem is not None]
    assert [problem.type for problem in problems] == ["unavailable"] * len(rest)
    assert all(result.result is not None for result in second.provisions.results)


async def test_a_refused_item_does_not_fail_its_neighbours(network: Network, union: Rogue) -> None:
    first, second, third = [await union.permitted() for _ in range(3)]
    request = await union.provisions_request(first, second, third)
    request.items[1] = type(request.items[1])(
        token=request.items[1].token,
        permit_id=third.permit_id,
        group=request.items[1].group,
        index=request.items[1].index,
    )

    async with adds(network, cast.NAGAOKA, provision=2, refusal=1):
        reply = await union.post(cast.NAGAOKA, "/v1/provisions", request)

    results = reply.provisions.results
    assert [result.result is not None for result in results] == [True, False, True]
    assert reply.item_problem(1)[1] in {"permit-refused", "statement-invalid"}
    assert _permits_of(reply) == [first.permit_id, third.permit_id]


def _permits_of(reply: Reply) -> list[str]:
    entries = [
        parse_entry(unb64(entry)).public
        for group in reply.provisions.groups
        for entry in group.entries
    ]
    return [entry.permit_id for entry in entries if isinstance(entry, Provision)]


async def _damage(network: Network, number: UnifiedNumber) -> None:
    context = network.gateway(cast.NAGAOKA).context
    async with context.database.read() as connection:
        await connection.execute(
            "UPDATE replicas SET items_box = set_byte(items_box, 20, 255 - get_byte(items_box, 20))"
            " WHERE subject = $1",
            context.vault.subject(number),
        )
