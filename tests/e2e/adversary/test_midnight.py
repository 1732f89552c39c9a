"""The law of the day, a second before midnight in Japan and a second after.

The grant of 市町村民税 to the union ends with the day before.
"""

from collections.abc import Sequence

import pytest

from codes.canonical import tokyo_day
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.flows.lawful import RefusedByLawError
from tests.e2e.adversary.forger import granted_by_a_liar
from tests.e2e.adversary.night import SECOND, Night
from tests.e2e.adversary.rogue import ITEM, TAX, Permitted, Reply, Rogue, adds
from tests.e2e.adversary.test_once import told
from tests.e2e.adversary.test_swaps import lied_to, provision_of
from tests.e2e.test_exchange import REGISTRATION, an_order


async def test_what_was_permitted_before_midnight_is_answered_after_it_and_again(
    night: Night,
) -> None:
    night.before()
    permitted = await night.union.permitted()
    night.after()

    async with adds(night.network, cast.NAGAOKA, provision=1, refusal=0):
        first = await night.union.present(permitted)
        again = await night.union.present(permitted)

    assert provision_of(first).outcome == "provided"
    assert told(first.provisions) == told(again.provisions)


async def test_what_was_answered_before_midnight_has_the_same_bytes_after_it(
    night: Night,
) -> None:
    night.before()
    permitted = await night.union.permitted()
    async with adds(night.network, cast.NAGAOKA, provision=1, refusal=0):
        first = await night.union.present(permitted)
        night.after()
        again = await night.union.present(permitted)

    assert told(first.provisions) == told(again.provisions)


async def test_a_law_that_ended_a_second_ago_is_refused_at_home_and_recorded(
    night: Night,
) -> None:
    number = await night.union.person()
    inquire = night.network.gateway(cast.GUNMA_UNION).flows.inquire
    night.after()

    async with adds(night.network, cast.GUNMA_UNION, inquiry=0, refusal=1):
        with pytest.raises(RefusedByLawError) as refused:
            await inquire.begin(an_order(number), REGISTRATION)

    assert refused.value.reason == "no-longer-in-force"
    assert refused.value.law_day == tokyo_day(night.midnight)


async def test_a_law_that_ends_in_a_second_still_stands(night: Night) -> None:
    number = await night.union.person()
    inquire = night.network.gateway(cast.GUNMA_UNION).flows.inquire
    night.before()

    inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
    await inquire.wait(inquiry_id, 10)

    view = await inquire.find(inquiry_id, REGISTRATION)
    assert view.row.state is InquiryState.PROVIDED


async def test_an_inquiry_of_yesterday_is_law_changed_at_the_core_and_recorded(
    night: Night,
) -> None:
    night.before()
    asked = await night.union.ask()
    night.after()

    async with adds(night.network, cast.CORE, permit=0, refusal=1):
        answer = await night.union.member.permits(asked)

    assert answer.results[0].result is not None
    assert answer.results[0].result.reason == "law-changed"


async def test_a_core_that_grants_by_yesterdays_law_is_refused_by_the_provider(
    night: Night,
) -> None:
    number = await night.union.person()
    night.before()
    asked = await night.union.ask(number)
    night.after()
    token, permit_id = granted_by_a_liar(night.core, asked.recorded, number)

    async with adds(night.network, cast.NAGAOKA, provision=0, refusal=1):
        reply = await lied_to(night.union, asked.recorded, token, permit_id)

    assert reply.item_problem() == (403, "permit-refused", "token-law-day")


async def test_a_core_that_grants_what_todays_law_does_not_is_denied_by_the_provider(
    night: Night,
) -> None:
    """Inquirer and core agree on today, and pass over what changed."""
    number = await night.union.person()
    night.before()
    asked = await night.union.ask(number, law_day=tokyo_day(night.midnight).isoformat())
    night.after()
    token, permit_id = granted_by_a_liar(night.core, asked.recorded, number)

    async with adds(night.network, cast.NAGAOKA, provision=1, refusal=0):
        reply = await lied_to(night.union, asked.recorded, token, permit_id)

    provision = provision_of(reply)
    assert (provision.outcome, provision.reason) == ("denied", "no-longer-in-force")


async def test_a_replica_begins_and_ends_at_midnight(night: Night) -> None:
    today, yesterday = tokyo_day(night.midnight), tokyo_day(night.midnight - SECOND)
    people, both = night.union.people, (cast.GUNMA_UNION, cast.NAGAOKA)
    ending, beginning = [await people.add(organisations=both) for _ in range(2)]
    await people.put_replica(cast.NAGAOKA, ending, TAX, {ITEM: 1}, published=(yesterday, yesterday))
    await people.put_replica(cast.NAGAOKA, beginning, TAX, {ITEM: 1}, published=(today, None))
    night.before()
    permitted = [await night.union.permitted(who) for who in (ending, beginning, ending, beginning)]

    before = await outcomes_of(night.union, permitted[:2])
    night.after()
    after = await outcomes_of(night.union, permitted[2:])

    assert before == ["provided", "no-information"]
    assert after == ["no-information", "provided"]


async def outcomes_of(union: Rogue, permitted: Sequence[Permitted]) -> list[str]:
    replies: list[Reply] = [await union.present(one) for one in permitted]
    return [provision_of(reply).outcome for reply in replies]
