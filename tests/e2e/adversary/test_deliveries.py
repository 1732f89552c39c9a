"""Deliveries that come too early, twice, too late, or are not what people let go."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from certs.sealing import MessageSealer, pack_answer
from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.domain.hold import HoldState
from gateway.domain.inquiry import InquiryState
from gateway.flows.outbox import RowVerdict, verdict_of
from gateway.flows.record_types import Recorded
from gateway.flows.release import Decider
from gateway.flows.sealed import key_to_wire, sealed_to_wire
from gateway.outbound.errors import ItemRefusedError, PeerUnavailableError
from gateway.records.entry import parse_entry, payload_commitment
from gateway.records.kinds import Inquiry
from gateway.storage import outbox
from gateway.storage.inquiries import InquiryRow
from gateway.wire.codec import decode_json
from gateway.wire.network import AcknowledgedAnswer, DeliveriesRequest, Delivery, Key, Sealed
from tests.e2e.adversary.liars import SALT
from tests.e2e.adversary.rogue import ITEM, TAX, Reply, Rogue, adds
from tests.e2e.parties import Network
from tests.e2e.test_exchange import REGISTRATION, an_order

DELIVERIES = "/v1/deliveries"
OTHER = "0" * 64
ALICE = Decider(staff_id="alice", credential_id="alice-totp")
BOB = Decider(staff_id="bob", credential_id="bob-totp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An inquiry that waits for people at 長岡市."""

    inquiry_id: str
    number: UnifiedNumber
    row: InquiryRow
    inquiry: Inquiry
    leaf: bytes

    @property
    def permit_id(self) -> str:
        assert self.row.permit_id is not None
        return self.row.permit_id


async def held(network: Network, union: Rogue) -> Held:
    """Ask about somebody whom 長岡市 protects."""
    number = await union.person()
    await union.flag(number)
    gateway = network.gateway(cast.GUNMA_UNION)
    inquiry_id = await gateway.flows.inquire.begin(an_order(number), REGISTRATION)
    await gateway.flows.inquire.wait(inquiry_id, 10)
    row = (await gateway.flows.inquire.find(inquiry_id, REGISTRATION)).row
    assert row.state is InquiryState.WITHHELD
    recorded = (await gateway.context.writer.find([row.entry_id]))[row.entry_id]
    inquiry = parse_entry(recorded.entry).public
    assert isinstance(inquiry, Inquiry)
    return Held(
        inquiry_id=inquiry_id,
        number=number,
        row=row,
        inquiry=inquiry,
        leaf=recorded.leaf_hash,
    )


def a_payload(inquiry: Inquiry, items: dict[str, object]) -> bytes:
    document = {
        "records": [{"items": items, "key": "a"}],
        "scope": inquiry.information.scope,
        "term": TAX,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


async def delivery(
    nagaoka: Rogue, one: Held, *, content: bytes | None = None, **changes: Any
) -> tuple[Recorded, Key, Sealed]:
    """Record and seal a delivery as 長岡市 would, changed as the test says."""
    content = content if content is not None else a_payload(one.inquiry, {ITEM: 3500})
    row = one.row
    assert row.answer_leaf is not None
    assert row.subject_p is not None
    members: dict[str, Any] = {
        "permit_id": one.permit_id,
        "provision_leaf": row.answer_leaf.hex(),
        "inquirer": cast.GUNMA_UNION,
        "outcome": "provided",
        "inquiry_leaf": one.leaf.hex(),
        "subject_p": row.subject_p.hex(),
        "payload": payload_commitment(SALT, content).hex(),
    } | changes
    trust = nagaoka.context.trust
    recorded = await nagaoka.member.record(
        "delivery", {name: value for name, value in members.items() if value is not None}
    )
    sealer = MessageSealer.start(
        "answer",
        network=trust.network,
        sender=trust.organisation,
        recipient=cast.GUNMA_UNION,
        public_key=trust.directory.sealing_key(cast.GUNMA_UNION, one.inquiry.reply_key).public,
    )
    item = sealer.seal(pack_answer(SALT, content), inquiry_leaf=one.leaf, permit_id=one.permit_id)
    return recorded, key_to_wire(sealer.header), sealed_to_wire(item, key=0)


async def deliver(
    sender: Rogue, permit_id: str, recorded: Recorded, key: Key, sealed: Sealed | None
) -> Reply:
    proven = await sender.proven(recorded)
    place = proven.reference(recorded)
    item = Delivery(permit_id=permit_id, group=place.group, index=place.index, sealed=sealed)
    return await sender.post(
        cast.GUNMA_UNION,
        DELIVERIES,
        DeliveriesRequest(groups=proven.groups, keys=[key], items=[item]),
    )


def answer_of(reply: Reply) -> AcknowledgedAnswer:
    assert reply.status == 200, reply.body
    return decode_json(reply.body, AcknowledgedAnswer)


def problem_of(reply: Reply) -> tuple[int, str, str | None]:
    problem = answer_of(reply).results[0].problem
    assert problem is not None
    return problem.status, problem.type, problem.reason


async def state_of(network: Network, one: Held) -> InquiryState:
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    return (await inquire.find(one.inquiry_id, REGISTRATION)).row.state


async def test_a_delivery_twice_is_acknowledged_twice_and_taken_once(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    """§7: acknowledged, and the acknowledgement was lost."""
    one = await held(network, union)
    sent = await delivery(nagaoka, one)

    async with adds(network, cast.GUNMA_UNION, receipt=1, refusal=0):
        replies = [await deliver(nagaoka, one.permit_id, *sent) for _ in range(2)]

    first, second = (answer_of(reply).results[0].result for reply in replies)
    assert first is not None
    assert first == second
    view = await network.gateway(cast.GUNMA_UNION).flows.inquire.find(one.inquiry_id, REGISTRATION)
    assert view.row.state is InquiryState.PROVIDED
    assert view.result == json.loads(a_payload(one.inquiry, {ITEM: 3500}))


async def test_a_second_delivery_that_says_otherwise_is_refused_and_recorded(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    one = await held(network, union)
    await deliver(nagaoka, one.permit_id, *await delivery(nagaoka, one))
    other = await delivery(nagaoka, one, content=a_payload(one.inquiry, {ITEM: 1}))

    async with adds(network, cast.GUNMA_UNION, receipt=0, refusal=1):
        reply = await deliver(nagaoka, one.permit_id, *other)

    assert problem_of(reply) == (409, "conflict", None)


async def test_a_withdrawn_inquiry_takes_one_delivery_and_it_must_be_its_provisions(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    one = await held(network, union)
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    await inquire.withdraw(one.inquiry_id, REGISTRATION)
    foreign = await delivery(nagaoka, one, provision_leaf=OTHER)
    forged = await delivery(nagaoka, one, payload=OTHER)
    sent = await delivery(nagaoka, one)
    second = await delivery(nagaoka, one, content=a_payload(one.inquiry, {ITEM: 1}))

    async with adds(network, cast.GUNMA_UNION, receipt=1, refusal=3):
        replies = [
            await deliver(nagaoka, one.permit_id, *parts)
            for parts in (foreign, forged, sent, second)
        ]

    assert problem_of(replies[0]) == (409, "conflict", None)
    assert problem_of(replies[1]) == (422, "statement-invalid", "other-payload")
    assert answer_of(replies[2]).results[0].result is not None
    assert problem_of(replies[3]) == (409, "conflict", None)
    view = await inquire.find(one.inquiry_id, REGISTRATION)
    assert (view.row.state, view.row.result_box) == (InquiryState.WITHDRAWN, None)


async def test_a_delivery_for_an_inquiry_that_lapsed_is_refused_and_recorded(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    one = await held(network, union)
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    async with network.gateway(cast.GUNMA_UNION).context.database.read() as connection:
        await connection.execute(
            "UPDATE inquiries SET state = 'lapsed' WHERE inquiry_id = $1", one.inquiry_id
        )
    sent = await delivery(nagaoka, one)

    async with adds(network, cast.GUNMA_UNION, receipt=0, refusal=1):
        reply = await deliver(nagaoka, one.permit_id, *sent)

    assert problem_of(reply) == (409, "lapsed", None)
    view = await inquire.find(one.inquiry_id, REGISTRATION)
    assert (view.row.state, view.result) == (InquiryState.LAPSED, None)


async def test_a_delivery_before_its_receipt_is_asked_for_again(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    """The inquirer has not recorded the provision yet: not found now is not never."""
    one = await held(network, union)
    permitted = await union.permitted(one.number)
    recorded, key, sealed = await delivery(nagaoka, one, permit_id=permitted.permit_id)

    async with adds(network, cast.GUNMA_UNION, receipt=0, refusal=0):
        reply = await deliver(nagaoka, permitted.permit_id, recorded, key, sealed)

    assert problem_of(reply) == (404, "not-found", None)
    problem = answer_of(reply).results[0].problem
    assert problem is not None
    assert verdict_of(ItemRefusedError(problem)) is RowVerdict.RETRY


async def test_nobody_delivers_in_the_providers_place(
    network: Network, union: Rogue, nagaoka: Rogue, immigration: Rogue
) -> None:
    one = await held(network, union)
    _, key, sealed = await delivery(nagaoka, one)
    members = {
        "permit_id": one.permit_id,
        "provision_leaf": OTHER,
        "inquirer": cast.GUNMA_UNION,
        "outcome": "no-information",
    }
    recorded = await immigration.member.record("delivery", members)

    reply = await deliver(immigration, one.permit_id, recorded, key, sealed)

    assert problem_of(reply) == (404, "not-found", None)
    assert await state_of(network, one) is InquiryState.WITHHELD


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"permit_id": "0" * 32}, "other-permit"),
        ({"provision_leaf": OTHER}, "other-provision"),
        ({"subject_p": OTHER}, "other-person"),
        ({"inquiry_leaf": OTHER}, "other-inquiry"),
        ({"inquirer": cast.IMMIGRATION}, "other-parties"),
        ({"department": "another department"}, "other-terms"),
        ({"law_day": "2026-06-13"}, "other-terms"),
        ({"information": {"term": TAX, "scope": "x", "items": []}}, "other-information"),
        ({"payload": OTHER}, "other-payload"),
        ({"payload": None, "outcome": "no-information"}, "payload-missing"),
    ],
)
async def test_a_delivery_that_answers_something_else_is_refused_and_recorded(
    network: Network, union: Rogue, nagaoka: Rogue, change: dict[str, Any], reason: str
) -> None:
    one = await held(network, union)
    sent = await delivery(nagaoka, one, **change)

    async with adds(network, cast.GUNMA_UNION, receipt=0, refusal=1):
        reply = await deliver(nagaoka, one.permit_id, *sent)

    assert problem_of(reply) == (422, "statement-invalid", reason)
    assert await state_of(network, one) is InquiryState.WITHHELD


async def test_a_delivery_with_more_than_was_asked_for_is_refused_and_recorded(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    one = await held(network, union)
    payload = a_payload(one.inquiry, {ITEM: 1, "XTK0000099999999": "not asked for"})
    sent = await delivery(nagaoka, one, content=payload)

    async with adds(network, cast.GUNMA_UNION, receipt=0, refusal=1):
        reply = await deliver(nagaoka, one.permit_id, *sent)

    assert problem_of(reply) == (422, "statement-invalid", "other-information")


async def test_a_delivery_without_its_sealed_answer_is_refused(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    one = await held(network, union)
    recorded, key, _ = await delivery(nagaoka, one)

    reply = await deliver(nagaoka, one.permit_id, recorded, key, None)

    assert problem_of(reply) == (422, "statement-invalid", "payload-missing")


async def test_a_provision_is_no_delivery(network: Network, union: Rogue, nagaoka: Rogue) -> None:
    one = await held(network, union)
    _, key, sealed = await delivery(nagaoka, one)
    recorded = await nagaoka.member.record("lapsed", {"permit_id": one.permit_id})

    reply = await deliver(nagaoka, one.permit_id, recorded, key, sealed)

    assert problem_of(reply) == (422, "statement-invalid", "other-kind")


async def test_one_bad_delivery_does_not_fail_its_neighbour(
    network: Network, union: Rogue, nagaoka: Rogue
) -> None:
    good, bad = await held(network, union), await held(network, union)
    parts = [await delivery(nagaoka, good), await delivery(nagaoka, bad, subject_p=OTHER)]
    proven = await nagaoka.proven(*(recorded for recorded, _, _ in parts))
    items = [
        Delivery(
            permit_id=one.permit_id,
            group=proven.reference(recorded).group,
            index=recorded.index,
            sealed=Sealed(key=place, n=sealed.n, ct=sealed.ct),
        )
        for place, (one, (recorded, _, sealed)) in enumerate(zip((good, bad), parts, strict=True))
    ]
    request = DeliveriesRequest(
        groups=proven.groups, keys=[key for _, key, _ in parts], items=items
    )

    async with adds(network, cast.GUNMA_UNION, receipt=1, refusal=1):
        reply = await nagaoka.post(cast.GUNMA_UNION, DELIVERIES, request)

    first, second = answer_of(reply).results
    assert first.result is not None
    assert second.problem is not None
    assert await state_of(network, good) is InquiryState.PROVIDED
    assert await state_of(network, bad) is InquiryState.WITHHELD


async def test_a_flag_set_after_release_stops_the_delivery_that_is_still_on_its_way(
    network: Network, union: Rogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await held(network, union)
    gateway = network.gateway(cast.NAGAOKA)
    release = gateway.flows.release
    rows = await release.page(state=HoldState.WAITING, before=None, limit=50)
    row = next(row for row in rows if row.permit_id == one.permit_id)
    preview = await release.show(row.hold_id)
    honest = gateway.context.peers.post

    async def unreachable(organisation: str, path: str, *rest: Any) -> Any:
        if path == DELIVERIES:
            raise PeerUnavailableError("down")
        return await honest(organisation, path, *rest)

    with monkeypatch.context() as down:
        down.setattr(gateway.context.peers, "post", unreachable)
        async with adds(network, cast.NAGAOKA, delivery=1):
            for decider in (ALICE, BOB):
                await release.approve(row.hold_id, decider, preview.digest)
        await union.flag(one.number, kind="record-not-disclosed")
    async with adds(network, cast.NAGAOKA, **{"delivery-stopped": 1}):
        await _send_outbox(network, one.permit_id)

    assert await state_of(network, one) is InquiryState.WITHHELD


async def _send_outbox(network: Network, permit_id: str) -> None:
    """Let the outbox look at this delivery once more, as after its back-off."""
    gateway = network.gateway(cast.NAGAOKA)
    async with gateway.context.database.read() as connection:
        rows = await connection.fetch(
            "SELECT outbox_id FROM outbox WHERE kind = 'delivery' AND body ->> 'permit_id' = $1",
            permit_id,
        )
    assert len(rows) == 1
    async with gateway.context.database.read() as connection:
        await connection.execute(
            "UPDATE outbox SET next_attempt_at = now() WHERE outbox_id = $1", rows[0]["outbox_id"]
        )
        claimed = await outbox.claim(connection, "delivery", limit=256)
    mine = [row for row in claimed if row.body["permit_id"] == permit_id]
    await gateway.flows.deliver.send_rows(cast.GUNMA_UNION, mine)
