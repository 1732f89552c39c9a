"""The records about a person, for that person: one row an exchange, marks of both sides obeyed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from codes.canonical import instant, parse_instant
from codes.numbers import UnifiedNumber
from gateway.cli.output import ExitCode
from gateway.demo import cast
from gateway.flows.change_codes import ChangeCodes
from gateway.flows.record_read import RecordReader, Search
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from tests.e2e.alone.offices import (
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
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order

Row = dict[str, Any]


async def disclosed(office: Office, number: UnifiedNumber, **period: str) -> Row:
    body = {"unified_number": number.text, **period}
    answer = await office.officer.post("/v1/records:disclose", body)
    assert answer.status == 200, answer.body
    return answer.body


async def test_both_ends_show_one_exchange_with_everything_the_law_lists(
    offices: dict[str, Office], number: UnifiedNumber, permit: str
) -> None:
    found = {name: await disclosed(office, number) for name, office in offices.items()}

    rows = {name: one["exchanges"] for name, one in found.items()}
    assert [len(some) for some in rows.values()] == [1, 1]
    (asked,), (provided,) = rows[UNION], rows[NAGAOKA]
    assert (asked["direction"], provided["direction"]) == ("asked", "provided")
    for row in (asked, provided):
        assert row["permit_id"] == permit
        assert row["inquirer"] == {
            "code": cast.UNION_HEAD,
            "name": "群馬県後期高齢者医療広域連合長",
        }
        assert row["provider"]["name"] == "長岡市長"
        assert (row["outcome"], row["act21_2"], row["department"]) == (
            "provided",
            False,
            "3595115400",
        )
        assert row["information"]["term"] == {"code": TAX, "name": "地方税関係情報"}
        assert row["information"]["scope"]["name"]
        assert {one["name"] for one in row["information"]["items"]} >= {"課税年度"}
        assert row["procedure"]["name"]
        assert "corrected_at" not in row
    assert asked["requested_at"] == provided["requested_at"]
    assert asked["provided_at"] == provided["provided_at"]
    assert [one["left_out"] for one in found.values()] == [0, 0]


async def test_corrections_are_applied_and_said(
    offices: dict[str, Office], number: UnifiedNumber, permit: str
) -> None:
    office = offices[UNION]
    inquiry = await inquiry_of(office, permit)
    receipt = (await office.entry(permit, "receipt")).stored.entry_id
    await office.correct(inquiry, {"department": "年金課"})
    last = await office.correct(receipt, {"department": "税務課"})

    (row,) = (await disclosed(office, number))["exchanges"]

    assert (row["department"], row["corrected_at"]) == ("税務課", last.body["time"])


@pytest.mark.parametrize("marked_by", [UNION, NAGAOKA])
async def test_a_mark_set_by_either_side_leaves_the_exchange_out_at_both_until_it_is_lifted(
    offices: dict[str, Office], number: UnifiedNumber, permit: str, marked_by: str
) -> None:
    own, other = offices[marked_by], offices[NAGAOKA if marked_by == UNION else UNION]
    entry_id = (
        await inquiry_of(own, permit)
        if marked_by == UNION
        else (await own.entry(permit, "provision")).stored.entry_id
    )
    name = "non_disclosure" if marked_by == UNION else "non_disclosure_provider"

    async def at_both(told: int) -> list[tuple[int, int]]:
        async def is_told() -> bool:
            return len(await entries(other.context, permit, "correction-received")) == told

        await until(is_told)
        found = [await disclosed(one, number) for one in (own, other)]
        return [(len(one["exchanges"]), one["left_out"]) for one in found]

    await own.correct(entry_id, {name: 1})
    marked = await at_both(1)
    await own.correct(entry_id, {name: 0})
    lifted = await at_both(2)

    assert marked == [(0, 1), (0, 1)]
    assert lifted == [(1, 0), (1, 0)]


async def test_what_was_asked_with_a_mark_is_left_out_from_the_first_day(
    network: Network, offices: dict[str, Office], number: UnifiedNumber
) -> None:
    order = an_order(number)
    marked = replace(order, wording=replace(order.wording, non_disclosure=True))
    await an_exchange(network, number, order=marked)
    await an_exchange(network, number)

    found = [await disclosed(office, number) for office in offices.values()]

    assert [(len(one["exchanges"]), one["left_out"]) for one in found] == [(1, 1), (1, 1)]


async def test_exchanges_of_the_period_alone_are_shown(
    network: Network, offices: dict[str, Office], number: UnifiedNumber
) -> None:
    office = offices[NAGAOKA]
    for _ in range(2):
        await an_exchange(network, number)
    first, second = (await disclosed(office, number))["exchanges"]
    border = second["requested_at"]

    before = await disclosed(office, number, until=border)
    after = await disclosed(office, number, since=border)
    backwards = await office.officer.post(
        "/v1/records:disclose", {"unified_number": number.text, "since": border, "until": border}
    )
    long_ago = instant(parse_instant(border) - timedelta(days=1000))
    none = await disclosed(office, number, until=long_ago)

    assert before["exchanges"] == [first]
    assert after["exchanges"] == [second]
    assert (backwards.status, backwards.body["pointer"]) == (422, "/until")
    assert (none["exchanges"], none["left_out"]) == ([], 0)


async def test_that_somebody_asked_is_recorded_with_what_was_looked_at(
    offices: dict[str, Office], number: UnifiedNumber, permit: str
) -> None:
    office = offices[NAGAOKA]
    provision = await office.entry(permit, "provision")
    await office.correct(provision.stored.entry_id, {"non_disclosure_provider": 1})

    await disclosed(office, number)

    reader = RecordReader(
        database=office.context.database,
        organisation=NAGAOKA,
        keys=office.context.vault.keys,
    )
    (read, *_) = await reader.search(Search(kinds=("records-read",)), limit=1)
    assert read.private is not None
    assert read.private["what"] == "disclosure"
    assert read.private["unified_number"] == number.text
    assert read.private["entries"] == [provision.stored.entry_id]
    assert (read.private["exchanges"], read.private["left_out"]) == (0, 1)
    assert read.private["staff"] == office.officer.staff_id


async def test_whose_code_is_suspended_is_shown_their_records_still(
    offices: dict[str, Office], number: UnifiedNumber, permit: str
) -> None:
    office = offices[NAGAOKA]
    await ChangeCodes(office.context).suspend(number, "moved away", REGISTRATION)

    (row,) = (await disclosed(office, number))["exchanges"]
    found = await office.officer.post("/v1/records:search", {"unified_number": number.text})

    assert row["permit_id"] == permit
    assert "provision" in {one["kind"] for one in found.body["records"]}  # type: ignore[attr-defined]


async def test_nobody_but_the_officer_discloses_and_of_nobody_known_there_is_nothing(
    offices: dict[str, Office], number: UnifiedNumber
) -> None:
    office = offices[NAGAOKA]
    auditor = await (await a_person(office.root, "ami", "auditor", "operator")).sign_in()

    refused = await auditor.post("/v1/records:disclose", {"unified_number": number.text})
    nobody = await disclosed(office, UnifiedNumber.parse("1"))

    assert (refused.status, refused.body["type"]) == (403, "not-permitted")
    assert (nobody["exchanges"], nobody["left_out"]) == ([], 0)


async def test_a_damaged_entry_is_no_disclosure(
    postgres: EmbeddedPostgres,
    offices: dict[str, Office],
    number: UnifiedNumber,
    permit: str,
) -> None:
    office = offices[NAGAOKA]
    provision = (await office.entry(permit, "provision")).stored
    owner_sql = "UPDATE log_entries SET leaf = $1 WHERE entry_id = $2::uuid"
    async with office.context.database.read() as connection:
        name = await connection.fetchval("SELECT current_database()")
    owner = await asyncpg.connect(postgres.dsn(OWNER_ROLE, name))
    changed = provision.leaf.replace(b'"provided"', b'"withheld"', 1)
    await owner.execute(owner_sql, changed, provision.entry_id)
    try:
        answer = await office.officer.post("/v1/records:disclose", {"unified_number": number.text})
    finally:
        await owner.execute(owner_sql, provision.leaf, provision.entry_id)
        await owner.close()

    assert (answer.status, answer.body["type"]) == (500, "record-damaged")


async def test_the_command_writes_the_form_over_nothing_and_tells_staff_the_rest(
    network: Network, offices: dict[str, Office], number: UnifiedNumber, tmp_path: Path
) -> None:
    office = offices[NAGAOKA]
    permits = [await an_exchange(network, number) for _ in range(2)]
    marked = (await office.entry(permits[0], "provision")).stored.entry_id
    await office.correct(marked, {"non_disclosure_provider": 1})
    page, table = tmp_path / "form.html", tmp_path / "form.csv"

    async def lines() -> list[dict[str, str]]:
        return [await fresh(network, office.officer), {"unified_number": number.text}]

    disclose = ("records", "disclose", "--target")
    plain = await run_plain(network, NAGAOKA, *disclose, str(page), lines=await lines())
    again = await run_plain(network, NAGAOKA, *disclose, str(page), lines=await lines())
    sheet = await run_cli(
        network, NAGAOKA, *disclose, str(table), "--format", "csv", lines=await lines()
    )
    bare = await run_plain(network, NAGAOKA, "records", "disclose", lines=await lines())

    html = page.read_text(encoding="utf-8")
    assert (plain.code, again.code, sheet.code) == (ExitCode.DONE, ExitCode.FAILED, ExitCode.DONE)
    assert bare.code == ExitCode.USAGE
    assert "left out" in plain.out
    assert sheet.json["left_out"] == 1
    assert html.count('<th scope="row">') == 1
    assert "地方税関係情報" in html
    assert number.text not in html + table.read_text(encoding="utf-8")
    assert len(table.read_text(encoding="utf-8").splitlines()) == 2
    assert page.stat().st_mode & 0o777 == 0o600
