"""A held answer leaves only after two people approved exactly these bytes."""

import asyncio
import secrets

import msgspec
import pytest

from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.domain.hold import (
    FlagMakerError,
    HoldChangedError,
    HoldClosedError,
    HoldState,
    SameApproverError,
)
from gateway.domain.inquiry import InquiryState
from gateway.flows.context import Context
from gateway.flows.inquire import InquiryView
from gateway.flows.record_types import Draft, new_id
from gateway.flows.release import Decider, NotReleasableError
from gateway.storage.database import Connection
from gateway.storage.flags import FlagSet
from gateway.storage.holds import HoldRow
from policies.release import RefusalGround
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order
from tests.e2e.test_staff_switches import somebody_waits_for_the_gate
from tests.integration.record_log import somebody_waits

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


async def test_what_a_switch_stops_people_cannot_let_go(network: Network, people: People) -> None:
    _, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release
    await release.approve(row.hold_id, ALICE, row.digest)
    context = network.gateway(cast.NAGAOKA).context
    async with context.database.transaction() as stopping:
        await set_switch(stopping)

    for refused in (release.approve(row.hold_id, BOB, row.digest), release.show(row.hold_id)):
        with pytest.raises(NotReleasableError) as error:
            await refused
        assert error.value.reason == "stopped"
    await lift_switches(context)
    decided = await release.approve(row.hold_id, BOB, row.digest)

    assert decided.state is HoldState.RELEASED


async def test_a_switch_set_while_the_last_approval_waits_still_stops_it(
    network: Network, people: People
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release
    await release.approve(row.hold_id, ALICE, row.digest)
    context = network.gateway(cast.NAGAOKA).context
    async with context.database.transaction() as stopping:
        await stopping.execute("SELECT gate_take_exclusive()")
        approving = asyncio.create_task(release.approve(row.hold_id, BOB, row.digest))
        await somebody_waits_for_the_gate(network)
        await set_switch(stopping)

    with pytest.raises(NotReleasableError) as refused:
        await approving
    await lift_switches(context)

    assert refused.value.reason == "stopped"
    kept = await release.show(row.hold_id)
    assert (kept.row.state, kept.row.approvals) == (HoldState.WAITING, 1)


async def test_nothing_is_released_about_a_person_whose_code_is_gone(
    network: Network, people: People
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    release = network.gateway(cast.NAGAOKA).flows.release
    async with network.gateway(cast.NAGAOKA).context.database.read() as connection:
        await connection.execute(
            "UPDATE network_codes SET state = 'suspended' WHERE subject = $1", row.subject
        )

    with pytest.raises(NotReleasableError) as refused:
        await release.approve(row.hold_id, ALICE, row.digest)

    assert refused.value.reason == "no-network-code"


async def test_of_two_who_refuse_at_once_one_hears_that_it_is_decided(
    network: Network, people: People
) -> None:
    _, row = await a_withheld_inquiry(network, people)
    context = network.gateway(cast.NAGAOKA).context
    refuse = network.gateway(cast.NAGAOKA).flows.release.refuse
    async with context.database.transaction() as holder:
        await holder.execute("SELECT FROM holds WHERE hold_id = $1 FOR UPDATE", row.hold_id)
        first = asyncio.create_task(refuse(row.hold_id, ALICE, RefusalGround.WRONG_PERSON))
        await somebody_waits(context.database)
        second = asyncio.create_task(refuse(row.hold_id, BOB, RefusalGround.WRONG_PERSON))
        # He too has seen the hold open, and stands behind her in the queue.
        async with asyncio.timeout(20):
            while not context.writer.waiting:
                await asyncio.sleep(0.005)

    assert (await first).state is HoldState.REFUSED
    with pytest.raises(HoldClosedError, match="meanwhile"):
        await second


async def set_switch(connection: Connection) -> None:
    """Stop everything at the provider, and move the gate."""
    switch = {"switch_id": new_id(), "by": "all", "value": "", "reason": "x", "maker": "test"}
    row = msgspec.json.encode([{**switch, "until": None}]).decode()
    await connection.execute("SELECT effect_switch_set($1::jsonb)", row)
    await connection.execute("SELECT gate_change()")


async def lift_switches(context: Context) -> None:
    """Lift what was set, and wait until this worker has heard of it."""
    before = await context.gate.current()
    async with context.database.transaction() as connection:
        await connection.execute("UPDATE stop_switches SET lifted_at = now()")
        await connection.execute("SELECT gate_change()")
    await context.gate.newer_than(before.version)
