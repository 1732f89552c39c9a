"""One inquiry, one permit, one provision: retries, replays, races and crashes (PROTOCOL §3, §7)."""

import asyncio
from typing import Any

import msgspec

from gateway.app import gateway_role
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.errors import UnavailableError
from gateway.flows.answering import Answering
from gateway.flows.provide import ProvisionsReply
from gateway.flows.statements import StatementInvalidError
from gateway.jobs.inquiries import InquiryJob
from gateway.storage import inquiries
from gateway.wire.network import PermitsAnswer, ProvisionAnswer, ProvisionsAnswer, ProvisionsRequest
from tests.e2e.adversary.forger import granted_by_a_liar
from tests.e2e.adversary.liars import lying_provider
from tests.e2e.adversary.rogue import PROVISIONS, Rogue, adds
from tests.e2e.adversary.test_lying_core import lying_core
from tests.e2e.adversary.test_swaps import lied_to
from tests.e2e.parties import Network
from tests.e2e.test_exchange import REGISTRATION, an_order


def told(answer: ProvisionsAnswer | ProvisionsReply) -> tuple[object, ...]:
    """Return what a retry must repeat byte for byte: statement, message key, sealed item."""
    (result,) = answer.results
    one = result if isinstance(result, ProvisionAnswer) else result.result  # type: ignore[union-attr]
    assert one is not None
    group = answer.groups[one.group]
    entry = group.entries[group.indexes.index(one.index)]
    assert one.sealed is not None
    return entry, one.index, answer.keys[one.sealed.key], one.sealed.n, one.sealed.ct


async def test_a_retry_gets_the_same_bytes_and_leaves_no_entry(
    network: Network, union: Rogue
) -> None:
    permitted = await union.permitted()

    async with adds(network, cast.NAGAOKA, provision=2, refusal=0):
        first = (await union.present(permitted)).provisions
        at_once = (await union.present(permitted)).provisions
        await union.present(await union.permitted())
        later = (await union.present(permitted)).provisions

    assert told(first) == told(at_once) == told(later)
    assert later.groups[0].checkpoint != first.groups[0].checkpoint


async def test_a_used_permit_with_another_inquiry_is_a_replay(
    network: Network, union: Rogue, core: Rogue
) -> None:
    """Only a core gone bad can make the token; the provider remembers what it answered."""
    number = await union.person()
    permitted = await union.permitted(number)
    first = (await union.present(permitted)).provisions
    other = await union.ask(number)
    token, permit_id = granted_by_a_liar(
        core, other.recorded, number, permit_id=permitted.permit_id
    )

    async with adds(network, cast.NAGAOKA, provision=0, refusal=1):
        reply = await lied_to(union, other.recorded, token, permit_id)
    again = (await union.present(permitted)).provisions

    assert reply.item_problem() == (409, "permit-used", None)
    assert told(again) == told(first)


async def test_a_used_permit_in_another_inquirers_name_is_a_replay(
    network: Network, union: Rogue, immigration: Rogue, core: Rogue
) -> None:
    number = await union.person()
    permitted = await union.permitted(number)
    await union.present(permitted)
    members = msgspec.json.decode(permitted.recorded.entry, type=dict[str, Any])
    for common in ("v", "id", "kind", "time", "organisation", "slot", "private"):
        del members[common]
    other = await immigration.member.record("inquiry", members)
    token, permit_id = granted_by_a_liar(core, other, number, permit_id=permitted.permit_id)

    async with adds(network, cast.NAGAOKA, provision=0, refusal=1):
        reply = await lied_to(immigration, other, token, permit_id)

    assert reply.item_problem() == (409, "permit-used", None)


async def test_a_permit_twice_in_one_message_is_answered_once(
    network: Network, union: Rogue
) -> None:
    request = await union.provisions_request(await union.permitted())
    twice = msgspec.structs.replace(request, items=request.items * 2)

    async with adds(network, cast.NAGAOKA, provision=1):
        reply = await union.post(cast.NAGAOKA, PROVISIONS, twice)

    assert reply.provisions.results[0].result is not None
    assert reply.item_problem(1) == (409, "permit-used", None)


async def test_a_permit_in_many_messages_at_once_is_answered_with_the_same_bytes(
    network: Network, union: Rogue
) -> None:
    permitted = await union.permitted()

    async with adds(network, cast.NAGAOKA, provision=1, refusal=0):
        replies = await asyncio.gather(*(union.present(permitted) for _ in range(8)))

    first, *others = (told(reply.provisions) for reply in replies)
    assert all(other == first for other in others)


async def test_two_workers_with_one_permit_make_one_provision(
    network: Network, union: Rogue
) -> None:
    """Both have decided before either commits; the second answers what the first recorded."""
    party = network.parties[cast.NAGAOKA]
    one = network.gateway(cast.NAGAOKA)
    other = await gateway_role.compose(party.worker)
    try:
        request = await union.provisions_request(await union.permitted())
        together = asyncio.Barrier(2)
        with (
            decides_together(one.flows.answering, together),
            decides_together(other.flows.answering, together),
        ):
            async with adds(network, cast.NAGAOKA, provision=1, refusal=0):
                replies = await asyncio.gather(
                    *(gateway.flows.provide.take(union.name, request) for gateway in (one, other))
                )
    finally:
        await other.role.drain()
        await other.role.close()

    assert told(replies[0]) == told(replies[1])


class decides_together:  # noqa: N801 - reads as a word of the test
    """Let nobody of the barrier go on before all have decided."""

    def __init__(self, answering: Answering, together: asyncio.Barrier) -> None:
        self._answering = answering
        self._together = together

    def __enter__(self) -> None:
        honest = self._answering.decide

        async def decide(*arguments: Any) -> Any:
            decided = await honest(*arguments)
            await self._together.wait()
            return decided

        self._answering.decide = decide  # type: ignore[assignment, method-assign]  # the same, but it waits

    def __exit__(self, *_: object) -> None:
        del self._answering.decide


async def test_a_full_queue_is_503_and_uses_nothing(network: Network, union: Rogue) -> None:
    permitted = await union.permitted()
    queue = network.gateway(cast.NAGAOKA).context.writer._queue
    size, queue._queue_max = queue._queue_max, 0
    try:
        async with adds(network, cast.NAGAOKA, provision=0, refusal=0):
            reply = await union.present(permitted)
    finally:
        queue._queue_max = size
    later = await union.present(permitted)

    assert reply.refusal == (503, "queue-full", None)
    assert int(reply.headers["Retry-After"]) >= 1
    assert later.provisions.results[0].result is not None


async def test_a_withheld_answer_asked_again_stays_withheld_with_one_hold(
    network: Network, union: Rogue
) -> None:
    number = await union.person()
    await union.flag(number)
    permitted = await union.permitted(number)

    async with adds(network, cast.NAGAOKA, provision=1, refusal=0):
        replies = [(await union.present(permitted)).provisions for _ in range(2)]

    assert replies[0].groups[0].entries == replies[1].groups[0].entries
    assert [one.results[0].result.sealed for one in replies] == [None, None]  # type: ignore[union-attr]
    async with network.gateway(cast.NAGAOKA).context.database.read() as connection:
        holds = await connection.fetchval(
            "SELECT count(*) FROM holds WHERE permit_id = $1", permitted.permit_id
        )
    assert holds == 1


async def test_the_cores_answer_lost_is_asked_again_and_is_the_same_permit(
    network: Network, union: Rogue
) -> None:
    """§7: the core committed, nobody heard."""
    number = await union.person()
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    answers: list[PermitsAnswer] = []

    async def loses_the_first(answer: PermitsAnswer) -> PermitsAnswer:
        answers.append(answer)
        if len(answers) == 1:
            raise UnavailableError("lost")
        return answer

    async with (
        adds(network, cast.CORE, permit=1, refusal=0),
        adds(network, cast.NAGAOKA, provision=1),
        adds(network, cast.GUNMA_UNION, inquiry=1, receipt=1),
    ):
        with lying_core(network, loses_the_first):
            inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
            await inquire.wait(inquiry_id, 10)

    view = await inquire.find(inquiry_id, REGISTRATION)
    assert view.row.state is InquiryState.PROVIDED
    first, second = ([one.result for one in answer.results] for answer in answers)
    assert first == second


async def test_an_inquiry_whose_worker_died_is_taken_up_from_its_entry(
    network: Network, union: Rogue
) -> None:
    """§7: the inquiry is committed, and nobody carries it."""
    number = await union.person()
    gateway = network.gateway(cast.GUNMA_UNION)
    carried: list[str] = []
    gateway.flows.continuations.start = (  # type: ignore[method-assign]  # it dies just here
        lambda opened, **_: carried.append(opened.inquiry_id)
    )
    try:
        async with adds(network, cast.GUNMA_UNION, inquiry=1, receipt=0):
            inquiry_id = await gateway.flows.inquire.begin(an_order(number), REGISTRATION)
    finally:
        del gateway.flows.continuations.start

    async with adds(network, cast.GUNMA_UNION, inquiry=0, receipt=1):
        state = await taken_up(network, inquiry_id)

    assert carried == [inquiry_id]
    assert state is InquiryState.PROVIDED


async def test_a_receipt_that_was_not_committed_is_made_of_the_same_answer(
    network: Network, union: Rogue
) -> None:
    """§7: the inquirer opened the answer and died before its receipt."""
    number = await union.person()
    flows = network.gateway(cast.GUNMA_UNION).flows
    answers: list[tuple[object, ...]] = []

    async def sees(reply: ProvisionsReply) -> ProvisionsReply:
        answers.append(told(reply))
        return reply

    async def dies(*_: object) -> None:
        raise UnavailableError("died")

    with lying_provider(network, sees):
        flows.receipts.provided = dies  # type: ignore[assignment, method-assign]  # it dies just here
        try:
            async with adds(network, cast.GUNMA_UNION, inquiry=1, receipt=0):
                inquiry_id = await flows.inquire.begin(an_order(number), REGISTRATION)
                await flows.inquire.wait(inquiry_id, 10)
        finally:
            del flows.receipts.provided
        async with (
            adds(network, cast.GUNMA_UNION, inquiry=0, receipt=1),
            adds(network, cast.NAGAOKA, provision=0),
        ):
            state = await taken_up(network, inquiry_id)

    assert state is InquiryState.PROVIDED
    assert answers[0] == answers[1]


async def taken_up(network: Network, inquiry_id: str) -> InquiryState:
    """Let the lease end and another worker take the inquiry up; return how it ended."""
    gateway = network.gateway(cast.GUNMA_UNION)
    async with gateway.context.database.read() as connection:
        await inquiries.let_go(connection, inquiry_id, after_s=0.0)
    await InquiryJob(gateway.context, gateway.flows.continuations).take_up()
    await gateway.flows.inquire.wait(inquiry_id, 10)
    return (await gateway.flows.inquire.find(inquiry_id, REGISTRATION)).row.state


async def test_a_message_of_strangers_to_each_other_is_split_and_sent_once_more(
    network: Network, union: Rogue
) -> None:
    """A 4xx for the whole message: its items travel alone, once, and nobody asks a third time."""
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    numbers = [await union.person() for _ in range(3)]
    sizes: list[int] = []
    provide = network.gateway(cast.NAGAOKA).flows.provide
    honest = provide.take

    async def refuses_company(sender: str, request: ProvisionsRequest) -> ProvisionsReply:
        sizes.append(len(request.items))
        if len(request.items) > 1:
            raise StatementInvalidError("no company", reason="bad-group")
        return await honest(sender, request)

    provide.take = refuses_company  # type: ignore[method-assign]  # it refuses company
    try:
        ids = await asyncio.gather(
            *(inquire.begin(an_order(number), REGISTRATION) for number in numbers)
        )
        await asyncio.gather(*(inquire.wait(inquiry_id, 10) for inquiry_id in ids))
    finally:
        del provide.take

    views = [await inquire.find(inquiry_id, REGISTRATION) for inquiry_id in ids]
    assert [view.row.state for view in views] == [InquiryState.PROVIDED] * 3
    assert sum(size > 1 for size in sizes) <= 1
    assert sum(size == 1 for size in sizes) == 3
