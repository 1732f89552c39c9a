"""Flags of people, set by people: honoured by the next statement, and nobody's own approval."""

import pytest

from codes.numbers import UnifiedNumber
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.domain.hold import HoldState
from gateway.domain.inquiry import InquiryState
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.staff import Person, a_person, run_cli
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order

HERE = cast.NAGAOKA
HOLDING = "automatic-answer-disabled"


@pytest.fixture(scope="module")
async def clerk(root: Person) -> Person:
    return await (await a_person(root, "clara", "clerk", "approver")).sign_in()


async def somebody(people: People) -> UnifiedNumber:
    number = await people.add(organisations=(cast.GUNMA_UNION, HERE))
    await people.put_replica(HERE, number, TAX, {"XTK0000010000003": 3500})
    return number


async def asked(network: Network, number: UnifiedNumber) -> tuple[InquiryState, str | None]:
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
    await inquire.wait(inquiry_id, 20)
    row = (await inquire.find(inquiry_id, REGISTRATION)).row
    return row.state, row.permit_id


async def test_a_flag_holds_the_next_answer_and_its_lifting_lets_it_go(
    network: Network, people: People, clerk: Person
) -> None:
    number = await somebody(people)
    body = {"unified_number": number.text, "kind": HOLDING, "reason": "protection"}

    made = await clerk.post("/v1/flags", body)
    held, _ = await asked(network, number)
    lifted = await clerk.post(f"/v1/flags/{made.body['id']}/lifting", {"reason": "it is over"})
    after, _ = await asked(network, number)

    assert (made.status, lifted.status) == (201, 204)
    assert held is InquiryState.WITHHELD
    assert after is InquiryState.PROVIDED


async def test_who_set_the_flag_is_none_of_the_pairs_of_eyes(
    network: Network, people: People, clerk: Person
) -> None:
    number = await somebody(people)
    body = {"unified_number": number.text, "kind": HOLDING, "reason": "protection"}
    await clerk.post("/v1/flags", body)
    _, permit_id = await asked(network, number)
    release = network.gateway(HERE).flows.release
    rows = await release.page(state=HoldState.WAITING, before=None, limit=50)
    hold = next(row for row in rows if row.permit_id == permit_id)

    answer = await clerk.post(
        f"/v1/holds/{hold.hold_id}/approvals",
        {"credential": clerk.credential(), "digest": hold.digest.hex()},
    )

    assert (answer.status, answer.body["type"]) == (403, "flag-maker")


async def test_a_lookup_shows_what_stands_or_all_there_was_and_is_on_record(
    network: Network, people: People, clerk: Person
) -> None:
    number = await somebody(people)
    body = {"unified_number": number.text, "reason": "protection"}
    made = [
        await clerk.post("/v1/flags", body | {"kind": kind})
        for kind in (HOLDING, "record-not-disclosed")
    ]
    await clerk.post(f"/v1/flags/{made[0].body['id']}/lifting", {"reason": "it is over"})
    before = await reads(network)

    standing = await clerk.post("/v1/flags:lookup", {"unified_number": number.text})
    every = await clerk.post("/v1/flags:lookup", {"unified_number": number.text, "all": True})

    assert [flag["id"] for flag in standing.body["flags"]] == [made[1].body["id"]]  # type: ignore[attr-defined]
    assert [flag["id"] for flag in every.body["flags"]] == [one.body["id"] for one in made]  # type: ignore[attr-defined]
    assert await reads(network) == before + 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "dangerous"},
        {"kind": HOLDING, "item": "XTK0000010000003"},
        {"kind": HOLDING, "term": "TM99999999999999"},
        {"kind": HOLDING, "until": "2020-01-01T00:00:00.000Z"},
        {"kind": HOLDING, "unified_number": "12a"},
        {"kind": HOLDING, "reason": ""},
        {"kind": HOLDING, "maker": "somebody else"},
    ],
)
async def test_a_flag_that_says_nothing_right_is_refused(
    clerk: Person, wrong: dict[str, str]
) -> None:
    body = {"unified_number": "12345", "reason": "x"}

    answer = await clerk.post("/v1/flags", body | wrong)

    assert (answer.status, answer.body["type"]) == (422, "invalid-body")


async def test_commands_set_show_and_lift_a_flag(
    network: Network, people: People, root: Person
) -> None:
    number = await somebody(people)
    clerk = await a_person(root, "carlo", "clerk")
    line = {"unified_number": number.text}

    made = await run_cli(
        network,
        HERE,
        *("flags", "set", "record-not-disclosed", "--reason", "protection"),
        lines=[clerk.credential(), line],
    )
    shown = await run_cli(network, HERE, "flags", "show", lines=[clerk.credential(), line])

    assert (made.code, shown.code) == (ExitCode.DONE, ExitCode.DONE)
    assert [flag["id"] for flag in shown.json["flags"]] == [made.json["id"]]


async def reads(network: Network) -> int:
    async with network.gateway(HERE).context.database.read() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM log_entries WHERE kind = 'records-read'"
        )
    return count
