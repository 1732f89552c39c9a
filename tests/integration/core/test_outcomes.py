"""`POST /v1/outcomes`: parties speak of their own permits, once, and never against them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest

from certs.permits import Permit
from codes.canonical import b64, instant, parse_instant
from gateway.flows.proofs import prove
from gateway.flows.record_read import RecordReader, Search
from gateway.flows.record_types import Recorded
from gateway.records.kinds import Correction, Refusal
from gateway.records.kinds import OutcomeTaken as OutcomeEntry
from gateway.storage.embedded import SUPERUSER, EmbeddedPostgres
from gateway.storage.records import find_by_permit
from gateway.wire.lookups import (
    CorrectionNotice,
    CorrectionNoticesRequest,
    StatementsFetchAnswer,
    StatementsFetchRequest,
    StatementWanted,
)
from gateway.wire.network import (
    AcknowledgedAnswer,
    Outcome,
    OutcomeResult,
    OutcomesAnswer,
    OutcomesRequest,
)
from tests.integration.backups import execute
from tests.integration.core.answers import a_person, token_of
from tests.integration.core.conftest import Core
from tests.integration.core.world import NAGAOKA, UNION, AskedInquiry, Member, World, parsed

OTHER = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A permit and what its parties record of it."""

    asked: AskedInquiry
    permit: Permit

    def a_moment_later(self) -> str:
        """Return an instant of the same day, or of the next, that is not the permit's."""
        return instant(parse_instant(self.permit.requested_at) + timedelta(milliseconds=1))

    def provision(self, **changes: object) -> dict[str, object]:
        permit = self.permit
        return {
            "permit_id": permit.permit_id,
            "permit_leaf": permit.permit_leaf,
            "inquiry_leaf": permit.inquiry_leaf,
            "inquirer": UNION,
            "outcome": "no-information",
            "requested_at": permit.requested_at,
            "subject_p": permit.subject_p,
            "information": {
                "term": permit.information.term,
                "scope": permit.information.scope,
                "items": list(permit.information.items),
            },
            "law_day": permit.law_day,
            "law_version": permit.law_version,
            "non_disclosure": 0,
            "non_disclosure_provider": 1,
        } | changes

    def delivery(self, provision: Recorded, **changes: object) -> dict[str, object]:
        return {
            "permit_id": self.permit.permit_id,
            "provision_leaf": provision.leaf_hash.hex(),
            "inquirer": UNION,
            "outcome": "no-information",
        } | changes

    def receipt(self, answer: str, **changes: object) -> dict[str, object]:
        return {
            "inquiry_leaf": self.asked.leaf,
            "peer": NAGAOKA,
            "answer_leaf": answer,
            "outcome": "no-information",
            "permit_id": self.permit.permit_id,
        } | changes


@pytest.fixture
async def exchange(world: World, core: Core, union: Member) -> Exchange:
    """One permit, newly granted."""
    asked = await union.ask((await a_person(core))[1])
    answer = await union.permits(asked)
    return Exchange(asked=asked, permit=token_of(world, union, answer.tokens[0]).permits[0])


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


async def notify(member: Member, permit_id: str, recorded: Recorded) -> AcknowledgedAnswer:
    """Tell the core of a correction."""
    proven = await prove(member.context.writer, [recorded])
    place = proven.reference(recorded)
    item = CorrectionNotice(permit_id=permit_id, group=place.group, index=place.index)
    request = CorrectionNoticesRequest(groups=proven.groups, items=[item])
    return await member.context.peers.post(
        "core", "/v1/correction-notices", request, AcknowledgedAnswer
    )


async def test_whom_a_permit_is_about_is_told_or_nothing_is_recorded(
    core: Core,
    union: Member,
    nagaoka: Member,
    exchange: Exchange,
    postgres: EmbeddedPostgres,
) -> None:
    """A word about nobody would be no record of a person (命令85 47③)."""
    permit_id = exchange.permit.permit_id
    corrected = await union.record(
        "correction", {"of": exchange.asked.leaf, "permit_id": permit_id}
    )
    async with core.database.read() as connection:
        name = await connection.fetchval("SELECT current_database()")
    await execute(
        postgres.dsn(SUPERUSER, name),
        "UPDATE core_inquiries SET sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20))"
        " WHERE permit_id = $1::uuid",
        permit_id,
    )

    async with core.adds(outcome=0, correction=0, refusal=0):
        _, result = await tell(nagaoka, exchange, "provision", exchange.provision())
        (correction,) = (await notify(union, permit_id, corrected)).results

    assert refused(result) == ("unavailable", None)
    assert correction.problem is not None
    assert correction.problem.type == "unavailable"


async def test_a_correction_is_noted_once_however_often_it_is_told(
    core: Core, union: Member, exchange: Exchange
) -> None:
    permit_id = exchange.permit.permit_id
    recorded = await union.record("correction", {"of": exchange.asked.leaf, "permit_id": permit_id})

    async with core.adds(correction=1):
        answers = [await notify(union, permit_id, recorded) for _ in range(2)]

    assert all(answer.results[0].result is not None for answer in answers)


async def test_the_mark_that_a_correction_carries_is_kept(
    core: Core, union: Member, exchange: Exchange
) -> None:
    permit_id = exchange.permit.permit_id
    members = {"of": exchange.asked.leaf, "permit_id": permit_id, "non_disclosure": 1}
    recorded = await union.record("correction", members)

    await notify(union, permit_id, recorded)

    async with core.database.read() as connection:
        kept = parsed((await find_by_permit(connection, [permit_id]))[-1].leaf)
    assert isinstance(kept, Correction)
    assert (kept.of, kept.non_disclosure) == (recorded.leaf_hash.hex(), 1)


@pytest.mark.parametrize(
    ("kind", "told_of", "problem"),
    [
        ("correction", "0" * 32, ("statement-invalid", "other-permit")),
        ("rules-changed", None, ("statement-invalid", "other-kind")),
        ("correction", None, ("not-found", None)),
    ],
)
async def test_what_corrects_nothing_of_the_teller_is_refused(
    *,
    core: Core,
    nagaoka: Member,
    exchange: Exchange,
    kind: str,
    told_of: str | None,
    problem: tuple[str, str | None],
) -> None:
    permit_id = exchange.permit.permit_id if problem[0] != "not-found" else "1" * 32
    members = {"of": exchange.asked.leaf, "permit_id": permit_id} if kind == "correction" else {}

    async with core.adds(correction=0):
        answer = await notify(nagaoka, told_of or permit_id, await nagaoka.record(kind, members))

    refusal = answer.results[0].problem
    assert refusal is not None
    assert (refusal.type, refusal.reason) == problem


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
