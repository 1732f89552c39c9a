"""A provider with its own true keys that answers what it should not: the inquirer takes nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from codes.canonical import b64
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.errors import SekishoError
from gateway.flows.provide import ProvisionsReply
from gateway.flows.provision_lane import Provided, ProvisionWanted, ask_provisions
from gateway.flows.sealed import SealedInvalidError
from gateway.flows.statements import StatementInvalidError
from gateway.jobs.inquiries import InquiryJob
from gateway.outbound.errors import PeerProtocolError
from gateway.storage import inquiries
from tests.e2e.adversary.liars import (
    SALT,
    Lie,
    answer_of,
    flip,
    lying_provider,
    one_key,
    one_sealed,
    paid_out,
    payload,
    stated,
)
from tests.e2e.adversary.rogue import ITEM, Permitted, Rogue, adds
from tests.e2e.parties import Network
from tests.e2e.test_exchange import REGISTRATION, an_order

OTHER = "0" * 64


async def asked(union: Rogue, permitted: Permitted) -> Provided | Exception:
    """Return what the inquirer makes of the provider's answer."""
    wanted = ProvisionWanted(
        recorded=permitted.recorded, inquiry=permitted.inquiry, granted=permitted.granted
    )
    (answer,) = await ask_provisions(union.context, [wanted])
    return answer


async def reason_of(network: Network, union: Rogue, permitted: Permitted, lie: Lie) -> str:
    """Return why the inquirer does not take the answer, whatever it raised."""
    with lying_provider(network, lie):
        try:
            answer: object = await asked(union, permitted)
        except SekishoError as error:
            answer = error
    assert isinstance(answer, StatementInvalidError | SealedInvalidError), answer
    return answer.reason


async def test_the_truth_is_taken(network: Network, union: Rogue, nagaoka: Rogue) -> None:
    """The liar's tools, used honestly."""
    permitted = await union.permitted()

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        return await paid_out(nagaoka, reply, permitted, payload(permitted))

    with lying_provider(network, lie):
        answer = await asked(union, permitted)

    assert isinstance(answer, Provided)
    assert answer.payload == payload(permitted)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"inquiry_leaf": OTHER}, "other-inquiry"),
        ({"permit_id": "0" * 32}, "other-permit"),
        ({"permit_leaf": OTHER}, "other-permit"),
        ({"subject_p": OTHER}, "other-person"),
        ({"inquirer": cast.IMMIGRATION}, "other-parties"),
        ({"requested_at": "2026-07-01T00:00:00.000Z"}, "other-parties"),
        ({"information": {"term": "TM1", "scope": "x", "items": []}}, "other-information"),
        ({"payload": OTHER}, "other-payload"),
        ({"outcome": "no-information", "payload": None}, "payload-missing"),
        ({"outcome": "withheld", "payload": None}, "payload-missing"),
        ({"outcome": "denied", "payload": None, "reason": "code"}, "payload-missing"),
        ({"department": "another department"}, "other-terms"),
        ({"affair": "XJM0000000000116"}, "other-terms"),
        ({"procedure": "XP11700000000000"}, "other-terms"),
        ({"citation": "116の項"}, "other-terms"),
        ({"law_day": "2026-06-13"}, "other-terms"),
        ({"law_version": "another"}, "other-terms"),
        ({"condition": {"kind": "year", "year": 2025}}, "other-terms"),
        ({"non_disclosure": 1}, "other-terms"),
        ({"inquirer_body": cast.NAGAOKA_MAYOR}, "other-terms"),
        ({"provider_body": cast.PRIME_MINISTER}, "other-terms"),
        ({"subject_role": "spouse"}, "other-terms"),
    ],
)
async def test_a_statement_that_answers_something_else_is_not_taken(
    network: Network, union: Rogue, nagaoka: Rogue, change: dict[str, Any], reason: str
) -> None:
    permitted = await union.permitted()

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        return await stated(nagaoka, reply, sealed=answer_of(reply).sealed, **change)

    assert await reason_of(network, union, permitted, lie) == reason


async def test_items_that_were_not_asked_for_are_not_taken(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    permitted = await union.permitted()
    information = permitted.inquiry.information
    more = msgspec.to_builtins(information) | {"items": [*information.items, "XTK0000099999999"]}

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        return await stated(nagaoka, reply, sealed=answer_of(reply).sealed, information=more)

    assert await reason_of(network, union, permitted, lie) == "other-information"


async def test_a_provision_without_its_payload_is_not_taken(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    permitted = await union.permitted()

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        return await stated(nagaoka, reply)

    assert await reason_of(network, union, permitted, lie) == "payload-missing"


async def test_another_exchanges_true_answer_is_not_taken(network: Network, union: Rogue) -> None:
    """Both were answered truly; the liar sends one inquiry the answer of the other."""
    first, second = await union.permitted(), await union.permitted()
    replies: list[ProvisionsReply] = []

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        replies.append(reply)
        return replies[0]

    with lying_provider(network, lie):
        assert isinstance(await asked(union, first), Provided)
    assert await reason_of(network, union, second, lie) == "other-inquiry"


@pytest.mark.parametrize("kind", ["delivery", "lapsed"])
async def test_an_entry_of_another_kind_is_no_answer(
    network: Network, union: Rogue, nagaoka: Rogue, kind: str
) -> None:
    permitted = await union.permitted()
    members: dict[str, Any] = {"permit_id": permitted.permit_id, "inquirer": union.name}
    if kind == "delivery":
        members |= {"provision_leaf": OTHER, "outcome": "no-information"}

    async def lie(_reply: ProvisionsReply) -> ProvisionsReply:
        recorded = await nagaoka.member.record(kind, members)
        proven = await nagaoka.proven(recorded)
        place = proven.reference(recorded)
        answer = msgspec.structs.replace(answer_of(_reply), index=place.index, sealed=None)
        return ProvisionsReply(groups=proven.groups, keys=[], results=[answer])

    assert await reason_of(network, union, permitted, lie) == "other-kind"


SEALED: dict[str, tuple[Callable[[ProvisionsReply], ProvisionsReply], str]] = {
    "a bit of the ciphertext": (
        lambda r: one_sealed(r, ct=flip(answer_of(r).sealed.ct, 0)),  # type: ignore[union-attr]
        "does-not-open",
    ),
    "a bit of the tag": (
        lambda r: one_sealed(r, ct=flip(answer_of(r).sealed.ct, -1)),  # type: ignore[union-attr]
        "does-not-open",
    ),
    "another number": (lambda r: one_sealed(r, n=answer_of(r).sealed.n + 1), "does-not-open"),  # type: ignore[union-attr]
    "no such key": (lambda r: one_sealed(r, key=1), "no-such-key"),
    "a bit of the key": (lambda r: one_key(r, enc=flip(r.keys[0].enc, 5)), "does-not-open"),
    "another message": (lambda r: one_key(r, message_id="0" * 32), "does-not-open"),
    "another sender": (lambda r: one_key(r, sender=cast.IMMIGRATION), "other-key"),
    "another key id": (lambda r: one_key(r, key_id=OTHER), "other-key"),
    "an empty ciphertext": (lambda r: one_sealed(r, ct=""), "does-not-open"),
}


@pytest.mark.parametrize("what", SEALED)
async def test_a_sealed_answer_with_one_thing_changed_does_not_open(
    network: Network, union: Rogue, what: str
) -> None:
    permitted = await union.permitted()
    change, reason = SEALED[what]

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        return change(reply)

    assert await reason_of(network, union, permitted, lie) == reason


async def test_an_answer_sealed_to_another_key_does_not_count(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    permitted = await union.permitted()
    other = nagaoka.context.trust.sealing_public_key(cast.IMMIGRATION)

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        return await paid_out(nagaoka, reply, permitted, payload(permitted), public_key=other)

    assert await reason_of(network, union, permitted, lie) == "other-key"


Pay = Callable[[Rogue, ProvisionsReply, Permitted], Awaitable[ProvisionsReply]]
PAYLOADS: dict[str, tuple[Pay, str]] = {
    "not what was committed to": (
        lambda n, r, p: paid_out(n, r, p, payload(p), committed=b"{}"),
        "other-payload",
    ),
    "not packed": (
        lambda n, r, p: paid_out(n, r, p, b"", packed=SALT + b"\xff" * 992),
        "bad-padding",
    ),
    "no JSON": (lambda n, r, p: paid_out(n, r, p, b"\xff\x00"), "payload-shape"),
    "a list": (lambda n, r, p: paid_out(n, r, p, b"[]"), "payload-shape"),
    "an unknown member": (lambda n, r, p: paid_out(n, r, p, payload(p, more=1)), "payload-shape"),
    "a member twice": (
        lambda n, r, p: paid_out(n, r, p, payload(p)[:-1] + b',"term":"x"}'),
        "payload-shape",
    ),
    "another term": (
        lambda n, r, p: paid_out(n, r, p, payload(p, term="TM1")),
        "other-information",
    ),
    "another scope": (
        lambda n, r, p: paid_out(n, r, p, payload(p, scope="x")),
        "other-information",
    ),
    "an item too many": (
        lambda n, r, p: paid_out(
            n,
            r,
            p,
            payload(p, records=[{"key": "a", "items": {ITEM: 1, "XTK0000099999999": "secret"}}]),
        ),
        "other-information",
    ),
}


@pytest.mark.parametrize("what", PAYLOADS)
async def test_a_payload_that_is_not_what_was_asked_for_is_not_taken(
    network: Network, union: Rogue, nagaoka: Rogue, what: str
) -> None:
    """The statement commits to it, the seal opens; what lies inside is checked all the same."""
    permitted = await union.permitted()
    pay, reason = PAYLOADS[what]

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        return await pay(nagaoka, reply, permitted)

    assert await reason_of(network, union, permitted, lie) == reason


async def test_answers_that_do_not_fit_the_question_are_no_answers(
    network: Network, union: Rogue
) -> None:
    permitted = await union.permitted()

    async def twice(reply: ProvisionsReply) -> ProvisionsReply:
        return ProvisionsReply(groups=reply.groups, keys=reply.keys, results=reply.results * 2)

    with lying_provider(network, twice), pytest.raises(PeerProtocolError):
        await asked(union, permitted)


async def test_without_a_statement_there_is_no_answer(network: Network, union: Rogue) -> None:
    permitted = await union.permitted()

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        return ProvisionsReply(groups=[], keys=reply.keys, results=reply.results)

    assert await reason_of(network, union, permitted, lie) == "no-statement"


async def test_another_organisations_statement_is_no_answer(
    network: Network, union: Rogue, immigration: Rogue
) -> None:
    permitted = await union.permitted()

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        foreign = await immigration.proven(await immigration.member.record("rules-changed", {}))
        return ProvisionsReply(groups=foreign.groups, keys=reply.keys, results=reply.results)

    assert await reason_of(network, union, permitted, lie) == "wrong-organisation"


@pytest.mark.parametrize("line", [-1, -2])
async def test_a_provider_without_either_log_line_is_not_believed(
    network: Network, union: Rogue, line: int
) -> None:
    permitted = await union.permitted()

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        lines = reply.groups[0].checkpoint.removesuffix("\n").split("\n")
        del lines[line]
        group = msgspec.structs.replace(reply.groups[0], checkpoint="\n".join(lines) + "\n")
        return ProvisionsReply(groups=[group], keys=reply.keys, results=reply.results)

    assert await reason_of(network, union, permitted, lie) == "log-line-missing"


async def test_a_lie_ends_nothing_and_the_truth_is_taken_later_under_the_same_permit(
    network: Network, union: Rogue
) -> None:
    number = await union.person()
    gateway = network.gateway(cast.GUNMA_UNION)
    inquire = gateway.flows.inquire

    async def lie(reply: ProvisionsReply) -> ProvisionsReply:
        return one_sealed(reply, ct=b64(bytes(64)))

    async with adds(network, cast.GUNMA_UNION, receipt=0, inquiry=1):
        with lying_provider(network, lie):
            inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
            await inquire.wait(inquiry_id, 10)
    lied_to = await inquire.find(inquiry_id, REGISTRATION)
    async with (
        adds(network, cast.GUNMA_UNION, receipt=1, inquiry=0),
        adds(network, cast.NAGAOKA, provision=0),
        adds(network, cast.CORE, permit=0),
    ):
        async with gateway.context.database.read() as connection:
            await inquiries.let_go(connection, inquiry_id, after_s=0.0)
        job = InquiryJob(gateway.context, gateway.flows.continuations)
        await job.take_up()
        await inquire.wait(inquiry_id, 10)
    told = await inquire.find(inquiry_id, REGISTRATION)

    assert lied_to.row.state is InquiryState.OPEN
    assert told.row.state is InquiryState.PROVIDED
    assert told.result is not None
