"""Held answers let go over the staff listener: two people, each by their own proof right then."""

import pytest

from gateway.demo import cast
from gateway.domain.hold import SameApproverError
from gateway.domain.inquiry import InquiryState
from gateway.flows.release import Decider
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.staff import Person, a_person
from tests.e2e.test_release import a_withheld_inquiry, the_end


async def approve(person: Person, hold_id: str, digest: str) -> tuple[int, dict[str, object]]:
    body = {"credential": person.credential(), "digest": digest}
    answer = await person.post(f"/v1/holds/{hold_id}/approvals", body)
    return answer.status, answer.body


async def test_two_people_let_a_held_answer_go(
    network: Network, people: People, root: Person
) -> None:
    inquiry_id, row = await a_withheld_inquiry(network, people)
    alice = await (await a_person(root, "alice", "approver")).sign_in()
    bob = await a_person(root, "bob", "approver")
    listed = await alice.get("/v1/holds?state=waiting")
    shown = await alice.get(f"/v1/holds/{row.hold_id}")

    first = await approve(alice, row.hold_id, str(shown.body["digest"]))
    second = await approve(bob, row.hold_id, str(shown.body["digest"]))
    view = await the_end(network, inquiry_id)

    assert row.hold_id in [hold["id"] for hold in listed.body["holds"]]  # type: ignore[attr-defined]
    assert shown.body["outcome"] == "provided"
    assert (first[0], first[1]["state"]) == (201, "waiting")
    assert (second[0], second[1]["state"]) == (201, "released")
    assert view.row.state is InquiryState.PROVIDED


async def test_one_person_twice_is_one_pair_of_eyes(
    network: Network, people: People, root: Person
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    carol = await a_person(root, "carol", "approver")
    digest = row.digest.hex()

    await approve(carol, row.hold_id, digest)
    again = await approve(carol, row.hold_id, digest)

    assert (again[0], again[1]["type"]) == (403, "same-approver")


async def test_a_one_time_password_is_good_once(
    network: Network, people: People, root: Person
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    dave = await a_person(root, "dave", "approver")
    body = {"credential": dave.credential(), "digest": "0" * 64}

    first = await dave.post(f"/v1/holds/{row.hold_id}/approvals", body)
    again = await dave.post(f"/v1/holds/{row.hold_id}/approvals", body)

    assert (first.status, first.body["type"]) == (409, "hold-changed")
    assert (again.status, again.body["type"]) == (401, "not-authenticated")


async def test_a_session_of_an_approver_approves_nothing_by_itself(
    network: Network, people: People, root: Person
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    erin = await (await a_person(root, "erin", "approver")).sign_in()
    wrong = {"name": "erin", "password": "not the password", "totp": erin.code()}

    answer = await erin.post(
        f"/v1/holds/{row.hold_id}/approvals", {"credential": wrong, "digest": row.digest.hex()}
    )

    assert (answer.status, answer.body["type"]) == (401, "not-authenticated")


async def test_a_clerk_does_not_decide_even_with_a_full_proof(
    network: Network, people: People, root: Person
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    frank = await a_person(root, "frank", "clerk")

    status, body = await approve(frank, row.hold_id, row.digest.hex())

    assert (status, body["type"]) == (403, "not-permitted")


async def test_an_approver_refuses_on_a_ground_of_the_list(
    network: Network, people: People, root: Person
) -> None:
    inquiry_id, row = await a_withheld_inquiry(network, people)
    grace = await a_person(root, "grace", "approver")
    path = f"/v1/holds/{row.hold_id}/refusal"

    invented = await grace.post(path, {"credential": grace.credential(), "ground": "not-today"})
    refused = await grace.post(path, {"credential": grace.credential(), "ground": "wrong-person"})
    view = await the_end(network, inquiry_id)

    assert (invented.status, invented.body["type"]) == (422, "invalid-body")
    assert (refused.status, refused.body["state"]) == (201, "refused")
    assert view.row.state is InquiryState.DENIED


async def test_whoever_looks_at_a_held_answer_is_on_record(
    network: Network, people: People, root: Person
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    heidi = await (await a_person(root, "heidi", "approver")).sign_in()

    await heidi.get(f"/v1/holds/{row.hold_id}")

    context = network.gateway(cast.NAGAOKA).context
    async with context.database.read() as connection:
        kinds = await connection.fetch(
            "SELECT kind FROM log_entries WHERE permit_id = $1::uuid", row.permit_id
        )
    assert "records-read" in [found["kind"] for found in kinds]


async def test_two_accounts_with_one_credential_are_one_pair_of_eyes(
    network: Network, people: People
) -> None:
    """The staff zone never makes such accounts; the release would not take them either."""
    _, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release
    await release.approve(row.hold_id, Decider(staff_id="ivan", credential_id="shared"), row.digest)

    with pytest.raises(SameApproverError):
        await release.approve(
            row.hold_id, Decider(staff_id="judy", credential_id="shared"), row.digest
        )


async def test_an_approval_is_of_the_bytes_that_were_shown(
    network: Network, people: People, root: Person
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    kim = await a_person(root, "kim", "approver")

    status, body = await approve(kim, row.hold_id, "0" * 64)

    assert (status, body["type"]) == (409, "hold-changed")
