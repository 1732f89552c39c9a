"""`POST /v1/outcomes`: parties speak of their own permits, once, and never against them."""

from collections.abc import Mapping

import pytest

from codes.canonical import b64
from gateway.flows.proofs import prove
from gateway.flows.record_read import RecordReader, Search
from gateway.flows.record_types import Recorded
from gateway.records.kinds import OutcomeTaken as OutcomeEntry
from gateway.records.kinds import Refusal
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from gateway.storage.records import find_by_permit
from gateway.wire.lookups import (
    StatementsFetchAnswer,
    StatementsFetchRequest,
    StatementWanted,
)
from gateway.wire.network import (
    Outcome,
    OutcomeResult,
    OutcomesAnswer,
    OutcomesRequest,
)
from tests.integration.backups import execute
from tests.integration.core.answers import a_person, token_of
from tests.integration.core.conftest import Core
from tests.integration.core.exchange import Exchange, exchange
from tests.integration.core.world import NAGAOKA, UNION, Member, World, parsed

OTHER = "0" * 64

__all__ = ["exchange"]  # a fixture


async def told(member: Member, permit_id: str, *recorded: Recorded) -> list[OutcomeResult]:
    """Tell the core over TLS."""
    proven = await prove(member.context.writer, recorded)
    places = [proven.reference(one) for one in recorded]
    request = OutcomesRequest(
        groups=proven.groups,
        items=[Outcome(permit_id=permit_id, group=at.group, index=at.index) for at in places],
    )
    answer = await member.context.peers.post("core", "/v1/outcomes", request, OutcomesAnswer)
    return answer.results


async def tell(
    member: Member, exchange: Exchange, kind: str, members: Mapping[str, object]
) -> tuple[Recorded, OutcomeResult]:
    """Record a word of a party and tell it."""
    recorded = await member.record(kind, members)
    (result,) = await told(member, exchange.permit.permit_id, recorded)
    return recorded, result


def received(result: OutcomeResult) -> int:
    assert result.result is not None, result.problem
    return result.result.received


def refused(result: OutcomeResult) -> tuple[str, str | None]:
    assert result.problem is not None
    return result.problem.type, result.problem.reason


async def test_both_parties_words_are_recorded_and_the_receipt_is_named(
    core: Core, union: Member, nagaoka: Member, exchange: Exchange
) -> None:
    async with core.adds(outcome=2):
        provision, first = await tell(nagaoka, exchange, "provision", exchange.provision())
        _, second = await tell(
            union, exchange, "receipt", exchange.receipt(provision.leaf_hash.hex())
        )
        (again,) = await told(nagaoka, exchange.permit.permit_id, provision)

    assert [received(one) for one in (first, second, again)] == [0, 1, 1]


async def test_the_cores_record_knows_the_person_by_its_management_code_alone(
    world: World, core: Core, union: Member, nagaoka: Member
) -> None:
    person, code = await a_person(core)
    asked = await union.ask(code)
    permit = token_of(world, union, (await union.permits(asked)).tokens[0]).permits[0]
    exchange = Exchange(asked=asked, permit=permit)

    await tell(nagaoka, exchange, "provision", exchange.provision())

    reader = RecordReader(database=core.database, organisation="core", keys=world.core_key_store())
    (entry,) = await reader.search(Search(kinds=["outcome"], permit_id=permit.permit_id))
    public = entry.public
    assert isinstance(public, OutcomeEntry)
    assert (public.party, public.outcome, public.non_disclosure_provider) == (
        NAGAOKA,
        "no-information",
        1,
    )
    assert entry.private == {"person": b64(person)}
    assert b64(code.raw).encode() not in entry.stored.leaf


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("permit_leaf", OTHER, "permit-leaf-differs"),
        ("inquiry_leaf", OTHER, "inquiry-leaf-differs"),
        ("subject_p", OTHER, "subject-differs"),
        ("inquirer", "immigration", "party-differs"),
        ("requested_at", None, "requested-at-differs"),
    ],
)
async def test_a_provision_against_its_permit_is_refused_and_recorded(
    *, core: Core, nagaoka: Member, exchange: Exchange, member: str, value: str | None, reason: str
) -> None:
    other = value or exchange.a_moment_later()

    async with core.adds(outcome=0, refusal=1):
        _, result = await tell(
            nagaoka, exchange, "provision", exchange.provision(**{member: other})
        )

    assert refused(result) == ("refused", reason)


async def test_a_second_provision_for_one_permit_is_refused(
    core: Core, nagaoka: Member, exchange: Exchange
) -> None:
    await tell(nagaoka, exchange, "provision", exchange.provision())

    async with core.adds(outcome=0, refusal=1):
        _, result = await tell(nagaoka, exchange, "provision", exchange.provision())

    assert refused(result) == ("refused", "outcome-differs")


async def test_two_provisions_in_one_message_meet_in_the_record_and_one_counts(
    core: Core, nagaoka: Member, exchange: Exchange
) -> None:
    pair = [await nagaoka.record("provision", exchange.provision()) for _ in range(2)]

    async with core.adds(outcome=1, refusal=1):
        results = await told(nagaoka, exchange.permit.permit_id, *pair)

    assert sorted(result.problem is None for result in results) == [False, True]


async def test_a_withheld_answers_receipt_does_not_end_the_exchange_but_its_deliverys_does(
    union: Member, nagaoka: Member, exchange: Exchange
) -> None:
    provision, _ = await tell(
        nagaoka, exchange, "provision", exchange.provision(outcome="withheld")
    )
    _, withheld = await tell(
        union,
        exchange,
        "receipt",
        exchange.receipt(provision.leaf_hash.hex(), outcome="withheld"),
    )
    delivery, _ = await tell(nagaoka, exchange, "delivery", exchange.delivery(provision))
    _, final = await tell(union, exchange, "receipt", exchange.receipt(delivery.leaf_hash.hex()))

    assert [received(withheld), received(final)] == [0, 1]


async def test_a_delivery_of_another_provision_is_refused(
    nagaoka: Member, exchange: Exchange
) -> None:
    await tell(nagaoka, exchange, "provision", exchange.provision(outcome="withheld"))
    other = await nagaoka.record("provision", exchange.provision(outcome="withheld"))

    _, result = await tell(nagaoka, exchange, "delivery", exchange.delivery(other))

    assert refused(result) == ("refused", "provision-leaf-differs")


async def test_a_receipt_of_an_answer_the_provider_did_not_give_is_refused(
    core: Core, union: Member, nagaoka: Member, exchange: Exchange
) -> None:
    await tell(nagaoka, exchange, "provision", exchange.provision())

    async with core.adds(outcome=0, refusal=1):
        _, result = await tell(union, exchange, "receipt", exchange.receipt(OTHER))

    assert refused(result) == ("refused", "answer-leaf-differs")


async def test_a_receipt_of_the_permit_alone_says_nothing_of_the_providers_answer(
    union: Member, nagaoka: Member, exchange: Exchange
) -> None:
    leaf = exchange.permit.permit_leaf
    failed = exchange.receipt(leaf, peer="core", outcome="failed")

    _, result = await tell(union, exchange, "receipt", failed)
    _, of_provider = await tell(nagaoka, exchange, "provision", exchange.provision())

    assert [received(result), received(of_provider)] == [0, 0]


async def test_the_others_permit_and_nobodys_permit_look_alike(
    core: Core, union: Member, nagaoka: Member, exchange: Exchange
) -> None:
    async with core.adds(outcome=0, refusal=0):
        _, wrong_side = await tell(union, exchange, "provision", exchange.provision())
        nobodys = await nagaoka.record("provision", exchange.provision(permit_id="0" * 32))
        (unknown,) = await told(nagaoka, "0" * 32, nobodys)

    assert refused(wrong_side) == refused(unknown) == ("not-found", None)


async def test_a_word_under_another_permits_id_is_refused(
    nagaoka: Member, exchange: Exchange
) -> None:
    recorded = await nagaoka.record("provision", exchange.provision())

    (result,) = await told(nagaoka, "1" * 32, recorded)

    assert refused(result) == ("statement-invalid", "other-permit")


async def fetched(member: Member, permit_id: str) -> StatementsFetchAnswer:
    request = StatementsFetchRequest(items=[StatementWanted(permit_id=permit_id)])
    return await member.context.peers.post(
        "core", "/v1/statements:fetch", request, StatementsFetchAnswer
    )


async def test_a_party_fetches_the_cores_statements_of_its_own_exchange(
    union: Member, nagaoka: Member, exchange: Exchange
) -> None:
    await tell(nagaoka, exchange, "provision", exchange.provision())

    counted = [
        (await fetched(member, exchange.permit.permit_id)).results[0].result
        for member in (union, nagaoka)
    ]
    stranger = (await fetched(union, "0" * 32)).results[0].problem

    assert [len(one.statements) for one in counted if one is not None] == [1, 2]
    assert stranger is not None
    assert stranger.type == "not-found"


async def test_whom_a_permit_is_about_is_told_or_nothing_is_recorded(
    core: Core, nagaoka: Member, exchange: Exchange, postgres: EmbeddedPostgres
) -> None:
    """A word about nobody would be no record of a person (命令85 47③)."""
    permit_id = exchange.permit.permit_id
    async with core.database.read() as connection:
        name = await connection.fetchval("SELECT current_database()")
    await execute(
        postgres.dsn(SUPERUSER, name),
        "UPDATE core_inquiries SET sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20))"
        " WHERE permit_id = $1::uuid",
        permit_id,
    )

    async with core.adds(outcome=0, refusal=0):
        _, result = await tell(nagaoka, exchange, "provision", exchange.provision())

    assert refused(result) == ("unavailable", None)


async def test_a_refusal_names_the_word_it_refuses(
    core: Core, nagaoka: Member, exchange: Exchange
) -> None:
    word, _ = await tell(nagaoka, exchange, "provision", exchange.provision(subject_p=OTHER))

    async with core.database.read() as connection:
        stored = await find_by_permit(connection, [exchange.permit.permit_id])
    refusal = parsed(stored[-1].leaf)
    assert isinstance(refusal, Refusal)
    assert refusal.of == word.leaf_hash.hex()
    assert (refusal.inquirer, refusal.provider) == (UNION, NAGAOKA)
