"""People and the end of the log's months: who may agree, what is held, what the operator sees."""

from datetime import UTC, datetime

import pytest

from codes.canonical import tokyo_month
from gateway.demo import cast
from gateway.jobs.terms import TERMS
from tests.e2e.parties import Network
from tests.e2e.staff import Person, a_person, first_account, fresh, run_cli

MONTH = tokyo_month(datetime.now(UTC))
OLD = {"first_month": "2019-01", "last_month": "2019-12", "ground": "a court asked for it"}


@pytest.fixture(scope="module")
async def root(network: Network) -> Person:
    return await (await first_account(network, cast.NAGAOKA)).sign_in()


@pytest.fixture(scope="module")
async def officer(root: Person) -> Person:
    return await (await a_person(root, "sora", "security-officer")).sign_in()


async def test_a_month_that_is_not_due_goes_for_nobody(network: Network, officer: Person) -> None:
    months = await officer.get("/v1/erasures")
    path = f"/v1/erasures/{MONTH}/approvals"
    refused = await officer.post(path, {"credential": await fresh(network, officer)})
    unknown = await officer.post(
        "/v1/erasures/2000-01/approvals", {"credential": await fresh(network, officer)}
    )

    (row,) = (one for one in months.body["months"] if one["month"] == MONTH)  # type: ignore[attr-defined]
    assert (row["state"], row["is_due"], row["approvals_needed"]) == ("kept", False, 2)
    assert (refused.status, refused.body["type"]) == (409, "erasure-refused")
    assert refused.body["reason"] == "not-due"
    assert unknown.status == 404


async def test_agreeing_takes_the_right_role_and_a_credential_of_that_moment(
    network: Network, root: Person, officer: Person
) -> None:
    operator = await (await a_person(root, "oto", "operator")).sign_in()
    path = f"/v1/erasures/{MONTH}/approvals"

    looked = await operator.get("/v1/erasures")
    not_permitted = await operator.post(path, {"credential": await fresh(network, operator)})
    wrong = await officer.post(
        path, {"credential": (await fresh(network, officer)) | {"totp": "000000"}}
    )

    assert looked.status == 200
    assert (not_permitted.status, not_permitted.body["type"]) == (403, "not-permitted")
    assert (wrong.status, wrong.body["type"]) == (401, "not-authenticated")


async def test_a_legal_hold_stands_until_it_is_lifted_once(officer: Person) -> None:
    made = await officer.post("/v1/legal-holds", OLD)
    backwards = await officer.post("/v1/legal-holds", OLD | {"last_month": "2018-12"})
    path = f"/v1/legal-holds/{made.body['id']}/lifting"
    lifted, again = await officer.post(path), await officer.post(path)
    listed = await officer.get("/v1/legal-holds")

    assert made.status == 201
    assert (backwards.status, backwards.body["pointer"]) == (422, "/last_month")
    assert (lifted.status, again.status) == (204, 409)
    hold = listed.body["legal_holds"][0]  # type: ignore[index]
    assert hold["id"] == made.body["id"]
    assert hold["ground"] == OLD["ground"]
    assert hold["lifted_at"] is not None


async def test_the_command_line_lists_months_and_refuses_what_is_none(
    network: Network, officer: Person
) -> None:
    listed = await run_cli(
        network, cast.NAGAOKA, "retention", "months", lines=[await fresh(network, officer)]
    )
    early = await run_cli(
        network, cast.NAGAOKA, "retention", "approve", MONTH, lines=[await fresh(network, officer)]
    )

    assert MONTH in {month["month"] for month in listed.json["months"]}
    assert early.code == 1


async def test_the_operator_sees_every_term_and_can_end_what_is_due(network: Network) -> None:
    commands = network.gateway(cast.NAGAOKA).role.commands

    planned = await commands["retention-plan"]({})
    ended = await commands["retention-run"]({})

    shown = {one["term"] for one in planned["terms"]}  # type: ignore[attr-defined]
    assert shown >= {"records", "results", "holds-open", "answers", "replicas"}
    assert shown <= {term.name for term in TERMS}
    assert {one["problem"] for one in ended["terms"]} == {None}  # type: ignore[attr-defined]
