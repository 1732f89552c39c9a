"""What parties of an exchange may fetch and tell afterwards, and nobody else."""

import hashlib

import pytest

from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.errors import SekishoError
from gateway.flows.context import Context
from gateway.flows.proofs import prove
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.flows.statements import received
from gateway.outbound.errors import MessageRefusedError
from gateway.records.note import log_origin, parse_note
from gateway.storage.records import find_by_permit
from gateway.wire.lookups import (
    CorrectionNotice,
    CorrectionNoticesRequest,
    StatementsFetchAnswer,
    StatementsFetchRequest,
    StatementWanted,
)
from gateway.wire.network import AcknowledgedAnswer
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.test_exchange import REGISTRATION, TAX, an_order

UNSOUGHT = SearchColumns()
UNION, CITY, STRANGER = cast.GUNMA_UNION, cast.NAGAOKA, cast.IMMIGRATION


@pytest.fixture(scope="module")
async def permit(network: Network, people: People) -> str:
    """The permit of an exchange between union and city."""
    return await an_exchange(network, people)


async def an_exchange(network: Network, people: People) -> str:
    """Let the union ask the city about somebody; return the permit."""
    number: UnifiedNumber = await people.add(organisations=(UNION, CITY))
    await people.put_replica(CITY, number, TAX, {"XTK0000010000003": 3500})
    inquire = network.gateway(UNION).flows.inquire
    inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
    await inquire.wait(inquiry_id, 20)
    row = (await inquire.find(inquiry_id, REGISTRATION)).row
    assert row.permit_id is not None
    return row.permit_id


def context_of(network: Network, name: str) -> Context:
    return network.gateway(name).context


async def fetch(network: Network, asker: str, asked: str, *permits: str) -> StatementsFetchAnswer:
    message = StatementsFetchRequest(items=[StatementWanted(permit_id=one) for one in permits])
    peers = context_of(network, asker).peers
    return await peers.post(asked, "/v1/statements:fetch", message, StatementsFetchAnswer)


async def test_each_party_fetches_the_others_statements_with_proof(
    network: Network, permit: str
) -> None:
    kinds = []
    for asker, asked in ((UNION, CITY), (CITY, UNION), (UNION, cast.CORE)):
        answer = await fetch(network, asker, asked, permit)
        statements = received(context_of(network, asker).trust, answer.groups, sender=asked)
        (result,) = answer.results
        assert result.result is not None
        kinds.append(
            {
                statements.at(one.group, one.index).entry.public.kind
                for one in result.result.statements
            }
        )

    assert kinds[0] == {"provision"}
    assert kinds[1] == {"receipt"}
    assert "permit" in kinds[2]


async def test_a_stranger_fetches_nothing_and_learns_nothing(network: Network, permit: str) -> None:
    unknown = "0" * 32

    answer = await fetch(network, STRANGER, CITY, permit, unknown)

    assert answer.groups == []
    assert [one.problem.type if one.problem else None for one in answer.results] == [
        "not-found"
    ] * 2
    assert answer.results[0].problem == answer.results[1].problem


async def test_a_correction_is_fetched_with_its_exchange_and_by_its_parties_alone(
    network: Network, people: People
) -> None:
    permit = await an_exchange(network, people)
    correction = await a_correction(network, CITY, permit, SearchColumns(permit_id=permit))

    found = {}
    for asker in (UNION, STRANGER):
        answer = await fetch(network, asker, CITY, permit)
        statements = received(context_of(network, asker).trust, answer.groups, sender=CITY)
        result = answer.results[0].result
        found[asker] = [
            statements.at(one.group, one.index).entry.leaf_hash
            for one in (result.statements if result is not None else [])
        ]

    assert len(found[UNION]) == 2
    assert correction.leaf_hash in found[UNION]
    assert found[STRANGER] == []


async def a_correction(
    network: Network, name: str, permit: str, search: SearchColumns = UNSOUGHT
) -> Recorded:
    context = context_of(network, name)
    async with context.database.read() as connection:
        (found, *_) = await find_by_permit(connection, [permit])
    draft = Draft(
        kind="correction",
        members={"of": found.leaf_hash.hex(), "permit_id": permit},
        private={"reason": "test"},
        search=search,
    )
    (recorded,) = await context.writer.append([draft], source="test")
    assert isinstance(recorded, Recorded)
    return recorded


async def tell(
    network: Network, teller: str, told: str, permit: str, recorded: Recorded
) -> list[str]:
    context = context_of(network, teller)
    proven = await prove(context.writer, [recorded])
    place = proven.reference(recorded)
    message = CorrectionNoticesRequest(
        groups=proven.groups,
        items=[CorrectionNotice(permit_id=permit, group=place.group, index=place.index)],
    )
    answer = await context.peers.post(told, "/v1/correction-notices", message, AcknowledgedAnswer)
    return [one.problem.type if one.problem else "taken" for one in answer.results]


async def corrections_of(network: Network, name: str, permit: str) -> int:
    async with context_of(network, name).database.read() as connection:
        entries = await find_by_permit(connection, [permit])
    return sum(entry.kind == "correction-received" for entry in entries)


async def test_a_correction_is_recorded_once_however_often_it_is_told(
    network: Network, permit: str
) -> None:
    correction = await a_correction(network, CITY, permit)
    before = await corrections_of(network, UNION, permit)

    told = [await tell(network, CITY, UNION, permit, correction) for _ in range(2)]

    assert told == [["taken"], ["taken"]]
    assert await corrections_of(network, UNION, permit) == before + 1


async def test_a_strangers_correction_of_an_exchange_is_refused(
    network: Network, permit: str
) -> None:
    context = context_of(network, STRANGER)
    draft = Draft(kind="correction", members={"of": "0" * 64, "permit_id": permit}, private={})
    (recorded,) = await context.writer.append([draft], source="test")
    assert isinstance(recorded, Recorded)

    assert await tell(network, STRANGER, UNION, permit, recorded) == ["not-found"]


async def test_another_kind_of_statement_is_no_correction(network: Network, permit: str) -> None:
    context = context_of(network, CITY)
    async with context.database.read() as connection:
        (found, *_) = await find_by_permit(connection, [permit])
    recorded = (await context.writer.find([found.entry_id]))[found.entry_id]

    assert await tell(network, CITY, UNION, permit, recorded) == ["statement-invalid"]


def origin_hash(name: str, slot: int) -> str:
    return hashlib.sha256(log_origin(cast.NETWORK, name, slot).encode()).hexdigest()


async def test_a_checkpoint_is_shown_to_who_holds_something_of_the_slot(
    network: Network, permit: str
) -> None:
    answer = await fetch(network, UNION, CITY, permit)
    origin = parse_note(answer.groups[0].checkpoint).checkpoint.origin
    path = f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"

    note = parse_note((await context_of(network, UNION).peers.get(CITY, path)).body.decode())
    with pytest.raises(MessageRefusedError) as stranger:
        await context_of(network, STRANGER).peers.get(CITY, path)

    assert note.checkpoint.origin == origin
    assert note.checkpoint.size >= parse_note(answer.groups[0].checkpoint).checkpoint.size
    assert stranger.value.refusal.type == "not-found"


@pytest.mark.parametrize(
    "name", [origin_hash(CITY, 7), origin_hash(UNION, 0), "0" * 64, "x", origin_hash(CITY, 999)]
)
async def test_a_stream_that_is_not_the_callers_is_not_there(network: Network, name: str) -> None:
    with pytest.raises(MessageRefusedError) as refused:
        await context_of(network, UNION).peers.get(CITY, f"/{name}/checkpoint")

    assert refused.value.refusal.type == "not-found"


async def test_a_gateway_delivers_no_codes_and_no_notices(network: Network) -> None:
    peers = context_of(network, UNION).peers
    message = StatementsFetchRequest(items=[StatementWanted(permit_id="0" * 32)])
    for path in ("/v1/code-deliveries", "/v1/notices"):
        with pytest.raises(SekishoError) as refused:
            await peers.post(CITY, path, message, StatementsFetchAnswer)
        assert refused.value.members["reason"] == "wrong-member"


async def test_the_entry_says_whose_correction_it_was(network: Network, permit: str) -> None:
    correction = await a_correction(network, CITY, permit)
    await tell(network, CITY, UNION, permit, correction)

    async with context_of(network, UNION).database.read() as connection:
        row = await connection.fetchrow(
            "SELECT party, permit_id FROM corrections_received WHERE leaf = $1",
            correction.leaf_hash,
        )

    assert row is not None
    assert tuple(row) == (CITY, permit)
