"""A held answer leaves only after two people approved exactly these bytes."""

import asyncio
import secrets

import pytest

from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.domain.hold import FlagMakerError, HoldChangedError, HoldState, SameApproverError
from gateway.domain.inquiry import InquiryState
from gateway.flows.inquire import InquiryView
from gateway.flows.record_types import Draft, new_id
from gateway.flows.release import Decider
from gateway.storage.flags import FlagSet
from gateway.storage.holds import HoldRow
from policies.release import RefusalGround
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order

ALICE = Decider(staff_id="alice", credential_id="alice-totp")
BOB = Decider(staff_id="bob", credential_id="bob-totp")
CAROL = Decider(staff_id="carol", credential_id="carol-totp")


async def a_flagged_person(network: Network, people: People) -> UnifiedNumber:
    number = await people.add(organisations=(cast.GUNMA_UNION, cast.NAGAOKA))
    await people.put_replica(cast.NAGAOKA, number, TAX, {"XTK0000010000003": 3500})
    context = network.gateway(cast.NAGAOKA).context
    effect = FlagSet(
        flag_id=new_id(),
        subject=context.vault.subject(number),
        kind="automatic-answer-disabled",
        reason="protection",
        maker=CAROL.staff_id,
        maker_kind="staff",
    )
    draft = Draft(kind="flag-set", members={}, private={}, effects=(effect,), changes_gate=True)
    await context.writer.append([draft], source="test")
    return number


async def a_withheld_inquiry(network: Network, people: People) -> tuple[str, HoldRow]:
    number = await a_flagged_person(network, people)
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
    await inquire.wait(inquiry_id, 20)
    view = await inquire.find(inquiry_id, REGISTRATION)
    assert view.row.state is InquiryState.WITHHELD
    release = network.gateway(cast.NAGAOKA).flows.release
    rows = await release.page(state=HoldState.WAITING, before=None, limit=50)
    return inquiry_id, next(row for row in rows if row.permit_id == view.row.permit_id)


async def the_end(network: Network, inquiry_id: str) -> InquiryView:
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    for _ in range(200):
        view = await inquire.find(inquiry_id, REGISTRATION)
        if view.row.state.is_final:
            return view
        await asyncio.sleep(0.05)
    raise AssertionError("the inquiry did not end")


async def test_one_approval_is_not_enough_and_two_deliver(network: Network, people: People) -> None:
    inquiry_id, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release
    preview = await release.show(row.hold_id)

    first = await release.approve(row.hold_id, ALICE, preview.digest)
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    between = await inquire.find(inquiry_id, REGISTRATION)
    second = await release.approve(row.hold_id, BOB, preview.digest)
    view = await the_end(network, inquiry_id)

    assert (first.state, between.row.state) == (HoldState.WAITING, InquiryState.WITHHELD)
    assert second.state is HoldState.RELEASED
    assert view.row.state is InquiryState.PROVIDED
    assert view.result is not None
    assert view.result["records"][0]["items"] == {"XTK0000010000003": 3500}  # type: ignore[index]


async def test_nobody_is_both_pairs_of_eyes(network: Network, people: People) -> None:
    _, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release
    await release.approve(row.hold_id, ALICE, row.digest)

    with pytest.raises(SameApproverError):
        await release.approve(row.hold_id, ALICE, row.digest)


async def test_whoever_set_the_flag_does_not_approve(network: Network, people: People) -> None:
    _, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release

    with pytest.raises(FlagMakerError):
        await release.approve(row.hold_id, CAROL, row.digest)


async def test_other_bytes_than_shown_void_the_approvals(network: Network, people: People) -> None:
    _, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release
    await release.approve(row.hold_id, ALICE, row.digest)
    async with network.gateway(cast.NAGAOKA).context.database.read() as connection:
        await connection.execute("DELETE FROM replicas WHERE subject = $1", row.subject)

    with pytest.raises(HoldChangedError):
        await release.approve(row.hold_id, BOB, row.digest)
    changed = await release.show(row.hold_id)

    assert (changed.row.round, changed.row.approvals) == (2, 0)
    assert changed.digest != row.digest


async def test_an_approval_of_another_preview_is_refused(network: Network, people: People) -> None:
    _, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release

    with pytest.raises(HoldChangedError):
        await release.approve(row.hold_id, ALICE, secrets.token_bytes(32))


async def test_a_refusal_by_people_reaches_the_inquirer(network: Network, people: People) -> None:
    inquiry_id, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release

    await release.refuse(row.hold_id, ALICE, RefusalGround.WRONG_PERSON)
    view = await the_end(network, inquiry_id)

    assert (view.row.state, view.result) == (InquiryState.DENIED, None)
