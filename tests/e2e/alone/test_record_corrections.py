"""Records of ours corrected by people: a later entry, told to everybody who knows the exchange."""

import pytest

from codes.canonical import b64, unb64
from codes.numbers import UnifiedNumber
from gateway.cli.output import ExitCode
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.records.entry import parse_entry
from gateway.records.kinds import Correction
from gateway.storage.records import find_by_permit
from tests.e2e.alone.offices import (
    CORE,
    NAGAOKA,
    UNION,
    Office,
    an_exchange,
    entries,
    inquiry_of,
    until,
)
from tests.e2e.parties import Network
from tests.e2e.staff import a_person, fresh, run_cli, run_plain

ABSENT = "0" * 32


async def test_a_correction_is_an_entry_of_its_own_and_the_old_one_stays(
    offices: dict[str, Office], permit: str
) -> None:
    office = offices[NAGAOKA]
    before = await office.entry(permit, "provision")

    made = await office.correct(
        before.stored.entry_id,
        {"department": "福祉課", "requested_at": "2026-07-01T00:00:00.000Z"},
        ground="request-of-person",
    )
    after, correction = (
        await office.entry(permit, "provision"),
        await office.entry(permit, "correction"),
    )

    assert made.status == 201, made.body
    assert made.body["told"] == [CORE, UNION]
    assert after.stored == before.stored
    assert correction.stored.entry_id == made.body["id"]
    assert isinstance(correction.public, Correction)
    assert correction.public.of == before.stored.leaf_hash.hex()
    assert correction.public.permit_id == permit
    assert b"department" not in correction.stored.leaf
    assert correction.private is not None
    assert correction.private["entry_id"] == before.stored.entry_id
    assert correction.private["members"] == {
        "department": "福祉課",
        "requested_at": "2026-07-01T00:00:00.000Z",
    }
    assert correction.private["ground"] == "request-of-person"
    assert correction.private["staff"] == office.officer.staff_id


async def test_core_and_other_party_hear_of_a_correction_and_of_nothing_it_says(
    network: Network, offices: dict[str, Office], permit: str
) -> None:
    city, union = offices[NAGAOKA], offices[UNION]
    provision = await city.entry(permit, "provision")
    made = await city.correct(provision.stored.entry_id, {"department": "福祉課"})

    async def is_told() -> bool:
        async with city.context.database.read() as connection:
            return not await connection.fetchval(
                "SELECT count(*) FROM outbox WHERE body ->> 'entry_id' = $1", made.body["id"]
            )

    await until(is_told)
    told = await union.entry(permit, "correction-received")
    async with network.core_database.read() as connection:
        at_core = [
            parse_entry(one.leaf)
            for one in await find_by_permit(connection, [permit])
            if one.kind == "correction"
        ]

    assert told.private is not None
    statement = parse_entry(unb64(str(told.private["statement"])))
    assert statement.public.id == made.body["id"]
    assert (told.private["party"], told.private["permit_id"]) == (NAGAOKA, permit)
    assert [one.public.of for one in at_core] == [statement.leaf_hash.hex()]  # type: ignore[attr-defined]
    assert "福祉課".encode() not in told.stored.leaf + at_core[0].raw + statement.raw


async def test_nobody_is_shown_a_wrong_entry_without_its_correction(
    offices: dict[str, Office], permit: str
) -> None:
    city, union = offices[NAGAOKA], offices[UNION]
    provision = (await city.entry(permit, "provision")).stored.entry_id
    receipt = (await union.entry(permit, "receipt")).stored.entry_id
    inquiry = await inquiry_of(union, permit)
    made = await city.correct(provision, {"department": "福祉課"})
    own = await union.correct(inquiry, {"department": "年金課"})

    async def is_told() -> bool:
        return len((await union.show(receipt))["corrections"]) == 2

    await until(is_told)

    at_city = (await city.show(provision))["corrections"][0]
    told = await union.entry(permit, "correction-received")
    assert at_city == {
        "id": made.body["id"],
        "time": made.body["time"],
        "organisation": NAGAOKA,
        "corrects": provision,
    }
    for shown in (await union.show(receipt), await union.show(inquiry)):
        assert shown["corrections"] == [
            {"id": told.stored.entry_id, "time": made.body["time"], "organisation": NAGAOKA},
            {
                "id": own.body["id"],
                "time": own.body["time"],
                "organisation": UNION,
                "corrects": inquiry,
            },
        ]


async def test_an_inquirys_correction_is_told_under_the_permit_that_came_of_it(
    network: Network, offices: dict[str, Office], number: UnifiedNumber
) -> None:
    """Several inquiries about one person have a permit each."""
    union, city = offices[UNION], offices[NAGAOKA]
    permits = [await an_exchange(network, number) for _ in range(3)]

    made = await union.correct(await inquiry_of(union, permits[1]), {"department": "年金課"})

    async def is_told() -> bool:
        return bool(await entries(city.context, permits[1], "correction-received"))

    assert made.body["told"] == [CORE, NAGAOKA]
    await until(is_told)


async def test_a_receipt_that_ends_with_the_permit_itself_is_told_to_its_provider(
    network: Network, offices: dict[str, Office], permit: str
) -> None:
    """Where the provider would not take a permit, the core's entry is the answer."""
    office = offices[UNION]
    async with network.core_database.read() as connection:
        (granted,) = [
            one for one in await find_by_permit(connection, [permit]) if one.kind == "permit"
        ]
    draft = Draft(
        kind="receipt",
        members={
            "inquiry_leaf": "0" * 64,
            "peer": CORE,
            "answer_leaf": granted.leaf_hash.hex(),
            "outcome": "failed",
            "permit_id": permit,
        },
        private={"answer": b64(granted.leaf)},
        search=SearchColumns(permit_id=permit),
    )
    (recorded,) = await office.context.writer.append([draft], source="test")
    assert isinstance(recorded, Recorded)

    made = await office.correct(recorded.entry_id, {"department": "年金課"})

    assert made.body["told"] == [CORE, NAGAOKA]


async def test_a_correction_is_found_by_whom_it_is_about(
    offices: dict[str, Office], number: UnifiedNumber, permit: str
) -> None:
    office = offices[NAGAOKA]
    provision = (await office.entry(permit, "provision")).stored.entry_id
    made = await office.correct(provision, {"department": "福祉課"})

    found = await office.officer.post("/v1/records:search", {"unified_number": number.text})

    ids = [one["id"] for one in found.body["records"]]  # type: ignore[attr-defined]
    assert ids == [made.body["id"], provision]


async def test_a_correction_of_a_correction_is_a_later_one_of_the_same_entry(
    offices: dict[str, Office], permit: str
) -> None:
    office = offices[NAGAOKA]
    provision = (await office.entry(permit, "provision")).stored.entry_id
    first = await office.correct(provision, {"department": "福祉課"})

    second = await office.correct(str(first.body["id"]), {"department": "税務課"})
    same = await office.correct(provision, {"department": "税務課"})
    back = await office.correct(provision, {"department": "福祉課"})

    assert second.body["corrects"] == provision
    assert (same.status, same.body["reason"]) == (403, "changes-nothing")
    assert back.status == 201
    all_three = [one.body["id"] for one in (first, second, back)]
    shown = await office.show(provision)
    found = await office.officer.post("/v1/records:search", {"permit_id": permit})
    by_id = {one["id"]: one for one in found.body["records"]}  # type: ignore[attr-defined]
    assert [one["id"] for one in shown["corrections"]] == all_three
    assert shown["record"]["corrected_by"] == all_three
    assert by_id[provision]["corrected_by"] == all_three
    assert "corrected_by" not in by_id[str(first.body["id"])]


async def test_a_refused_question_is_corrected_and_nobody_is_told(
    network: Network, offices: dict[str, Office]
) -> None:
    office = offices[UNION]
    context = network.gateway(UNION).context
    draft = Draft(
        kind="refusal",
        members={"reason": "not-in-table", "department": "3595115400", "non_disclosure": 0},
        private={"unified_number": "1"},
    )
    (recorded,) = await context.writer.append([draft], source="test")
    assert isinstance(recorded, Recorded)

    made = await office.correct(recorded.entry_id, {"department": "年金課"})

    assert (made.status, made.body["told"]) == (201, [])
    async with context.database.read() as connection:
        assert not await connection.fetchval(
            "SELECT count(*) FROM outbox WHERE body ->> 'entry_id' = $1", made.body["id"]
        )
    assert (await office.show(recorded.entry_id))["corrections"][0]["id"] == made.body["id"]


@pytest.mark.parametrize(
    ("members", "status", "problem"),
    [
        ({}, 403, "changes-nothing"),
        ({"department": "3595115400"}, 403, "changes-nothing"),
        ({"department": "福祉課", "citation": "that of the entry"}, 403, "changes-nothing"),
        ({"non_disclosure": 1}, 422, "/members/non_disclosure"),
        ({"outcome": "denied"}, 422, "/members"),
        ({"department": ""}, 422, "/members/department"),
        ({"requested_at": "2026-02-30T00:00:00.000Z"}, 422, "/members/requested_at"),
    ],
)
async def test_what_changes_nothing_or_cannot_be_said_is_refused(
    offices: dict[str, Office],
    permit: str,
    members: dict[str, object],
    status: int,
    problem: str,
) -> None:
    office = offices[NAGAOKA]
    provision = await office.entry(permit, "provision")
    if "citation" in members:
        members = members | {"citation": provision.public.citation}  # type: ignore[attr-defined]

    answer = await office.correct(provision.stored.entry_id, members)

    assert answer.status == status
    assert problem in {answer.body.get("reason"), answer.body.get("pointer")}
    assert await entries(office.context, permit, "correction") == []


async def test_what_is_no_record_of_an_exchange_is_not_corrected(
    offices: dict[str, Office],
) -> None:
    office = offices[NAGAOKA]
    found = await office.officer.post("/v1/records:search", {"kinds": ["opened"], "limit": 1})
    opened = found.body["records"][0]["id"]  # type: ignore[index]

    kind = await office.correct(opened, {"department": "福祉課"})
    absent = await office.correct(ABSENT, {"department": "福祉課"})

    assert (kind.status, kind.body["reason"]) == (403, "kind-not-correctable")
    assert (absent.status, absent.body["type"]) == (404, "not-found")


async def test_correcting_takes_the_right_role_and_a_credential_of_that_moment(
    network: Network, offices: dict[str, Office], permit: str
) -> None:
    office = offices[NAGAOKA]
    auditor = await (await a_person(office.root, "aki", "auditor", "operator")).sign_in()
    provision = (await office.entry(permit, "provision")).stored.entry_id
    path = f"/v1/records/{provision}/corrections"
    body = {"members": {"department": "福祉課"}, "ground": "own-finding"}

    other = await auditor.post(path, {**body, "credential": await fresh(network, auditor)})
    wrong = await office.officer.post(
        path, {**body, "credential": await fresh(network, office.officer) | {"totp": "000000"}}
    )
    session_alone = await office.officer.post(path, body)

    assert (other.status, other.body["type"]) == (403, "not-permitted")
    assert (wrong.status, wrong.body["type"]) == (401, "not-authenticated")
    assert session_alone.status == 422
    assert await entries(office.context, permit, "correction") == []


async def test_the_command_line_corrects_and_shows_it(
    network: Network, offices: dict[str, Office], permit: str
) -> None:
    office = offices[NAGAOKA]
    provision = (await office.entry(permit, "provision")).stored.entry_id
    given = (
        *("--set", "department=福祉課", "--set", "non_disclosure_provider=1"),
        *("--set", 'information={"term":"T","scope":"S","items":["I"]}'),
    )

    ran = await run_cli(
        network,
        NAGAOKA,
        *("records", "correct", provision, *given, "--ground", "request-of-person"),
        lines=[await fresh(network, office.officer)],
    )
    shown = await run_plain(
        network,
        NAGAOKA,
        *("records", "show", provision),
        lines=[await fresh(network, office.officer)],
    )
    unknown = await run_cli(
        network,
        NAGAOKA,
        *("records", "correct", provision, "--set", "x=y", "--ground", "own-finding"),
        lines=[await fresh(network, office.officer)],
    )

    assert (ran.code, ran.json["told"]) == (ExitCode.DONE, [CORE, UNION])
    assert ran.json["id"] in shown.out
    correction = await office.entry(permit, "correction")
    assert (correction.private or {})["members"] == {
        "department": "福祉課",
        "non_disclosure_provider": 1,
        "information": {"term": "T", "scope": "S", "items": ["I"]},
    }
    assert unknown.code == ExitCode.USAGE
