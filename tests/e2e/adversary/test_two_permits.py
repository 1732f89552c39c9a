"""A core that grants one inquiry two permits gets one answer (DESIGN §2.6)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codes.canonical import instant
from gateway.demo import cast
from gateway.flows.presented import PermitRefusedError, Tokens, present, require_current
from gateway.flows.statements import received
from gateway.wire.network import ProvisionAsked, ProvisionsRequest
from tests.e2e.adversary.forger import granted_by_a_liar
from tests.e2e.adversary.rogue import PROVISIONS, Rogue, adds
from tests.e2e.adversary.test_once import told
from tests.e2e.adversary.test_swaps import lied_to
from tests.e2e.parties import Network
from tests.integration.core.world import WorldClock


@pytest.mark.parametrize("days", [7, 20], ids=["same-day", "other-day"])
async def test_a_second_permit_for_an_inquiry_that_was_answered_is_a_replay(
    network: Network, union: Rogue, core: Rogue, days: int
) -> None:
    """One inquiry, one permit, one provision: also when a core grants two, of whatever day."""
    number = await union.person()
    permitted = await union.permitted(number)
    first = (await union.present(permitted)).provisions
    expires = instant(core.context.clock.now() + timedelta(days=days))
    second, permit_id = granted_by_a_liar(core, permitted.recorded, number, request_expires=expires)

    async with adds(network, cast.NAGAOKA, provision=0, refusal=1):
        reply = await lied_to(union, permitted.recorded, second, permit_id)
    async with adds(network, cast.NAGAOKA, provision=0, refusal=0):
        again = (await union.present(permitted)).provisions

    assert permit_id != permitted.permit_id
    assert reply.item_problem() == (409, "permit-used", None)
    assert told(again) == told(first)


@pytest.mark.parametrize(("days", "reason"), [(8, None), (9, "request-life")])
async def test_a_request_for_an_inquiry_long_past_is_refused(
    network: Network, union: Rogue, core: Rogue, days: int, reason: str | None
) -> None:
    """That an inquiry was answered is kept by its own day, and no day is kept for ever."""
    number = await union.person()
    asked = await union.ask(number)
    clock = WorldClock(timedelta(days=days) - timedelta(minutes=1))
    late = replace(core, context=replace(core.context, clock=clock))
    text, permit_id = granted_by_a_liar(late, asked.recorded, number)
    trust = network.gateway(cast.NAGAOKA).context.trust
    proven = await union.proven(asked.recorded)
    place = proven.reference(asked.recorded)
    presented = present(
        ProvisionAsked(token=0, permit_id=permit_id, group=place.group, index=place.index),
        [Tokens(trust).read(text, sender=union.name, now=clock.now())],
        received(trust, proven.groups, sender=union.name),
    )

    found = None
    try:
        require_current(presented, trust, clock.now())
    except PermitRefusedError as refused:
        found = refused.reason

    assert found == reason


async def test_two_permits_for_one_inquiry_in_one_message_are_answered_once(
    network: Network, union: Rogue, core: Rogue
) -> None:
    number = await union.person()
    asked = await union.ask(number)
    granted = [granted_by_a_liar(core, asked.recorded, number) for _ in range(2)]
    proven = await union.proven(asked.recorded)
    place = proven.reference(asked.recorded)
    request = ProvisionsRequest(
        tokens=[token for token, _ in granted],
        groups=proven.groups,
        items=[
            ProvisionAsked(token=token, permit_id=permit_id, group=place.group, index=place.index)
            for token, (_, permit_id) in enumerate(granted)
        ],
    )

    async with adds(network, cast.NAGAOKA, provision=1, refusal=1):
        reply = await union.post(cast.NAGAOKA, PROVISIONS, request)

    answers = [one.result is not None for one in reply.provisions.results]
    assert sorted(answers) == [False, True]
    assert reply.item_problem(answers.index(False)) == (409, "permit-used", None)


async def test_no_more_permits_are_remembered_than_there_is_room_for(
    network: Network, union: Rogue, core: Rogue
) -> None:
    number = await union.person()
    asked = await union.ask(number)
    now = core.context.clock.now()
    texts = [granted_by_a_liar(core, asked.recorded, number)[0] for _ in range(5)]
    tokens = Tokens(network.gateway(cast.NAGAOKA).context.trust, permits_max=2)

    first = [tokens.read(text, sender=union.name, now=now) for text in texts]
    again = tokens.read(texts[-1], sender=union.name, now=now)

    assert len(tokens._known) == 2
    assert again is first[-1]  # not verified once more
    assert tokens.read(texts[0], sender=union.name, now=now) == first[0]
