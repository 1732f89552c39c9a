"""Something swapped on the way: between inquirer and core, or between core and provider."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from certs.terms import TERMS
from codes.canonical import b64, instant, unb64
from gateway.demo import cast
from gateway.flows.record_types import Recorded
from gateway.records.entry import parse_entry
from gateway.records.kinds import Provision
from gateway.wire.network import PermitsRequest, ProvisionAsked, ProvisionsAnswer, ProvisionsRequest
from tests.e2e.adversary.forger import claims_of, encode, granted_by_a_liar, signed
from tests.e2e.adversary.rogue import ITEM, PROVISIONS, TAX, Permitted, Reply, Rogue, adds
from tests.e2e.parties import Network

OTHER_TERMS: dict[str, Any] = {
    "inquirer_body": cast.NAGAOKA_MAYOR,
    "provider_body": cast.NAGAOKA_EDUCATION_BOARD,
    "department": "another department",
    "affair": "XJM0000000000116",
    "procedure": "XP11700000000000",
    "citation": "116の項",
    "information": {"term": TAX, "scope": "another scope", "items": [ITEM]},
    "subject_role": "spouse",
    "condition": {"kind": "year", "year": 2025},
    "non_disclosure": 1,
    "law_version": "another",
    "law_day": "2026-06-13",
}
IMMIGRATION_RECORDS = "XTM0000000000005"
OTHER_CONDITIONS = (
    {"kind": "year", "year": 2026},
    {"kind": "period", "from": "2026-04-01", "to": "2026-06-30"},
)


def provision_of(reply: Reply) -> Provision:
    """Return the provider's statement in an answer of one."""
    answer: ProvisionsAnswer = reply.provisions
    public = parse_entry(unb64(answer.groups[0].entries[0])).public
    assert isinstance(public, Provision)
    return public


async def presented_with(union: Rogue, permitted: Permitted, token: str) -> Reply:
    request = await union.provisions_request(permitted)
    return await union.post(
        cast.NAGAOKA, PROVISIONS, msgspec.structs.replace(request, tokens=[token])
    )


async def lied_to(union: Rogue, recorded: Recorded, token: str, permit_id: str) -> Reply:
    """Present what a lying core granted."""
    proven = await union.proven(recorded)
    place = proven.reference(recorded)
    item = ProvisionAsked(token=0, permit_id=permit_id, group=place.group, index=place.index)
    return await union.post(
        cast.NAGAOKA,
        PROVISIONS,
        ProvisionsRequest(tokens=[token], groups=proven.groups, items=[item]),
    )


def test_every_shared_term_has_another_value_to_be_swapped_for() -> None:
    assert set(OTHER_TERMS) == set(TERMS)


@pytest.mark.parametrize("term", sorted(OTHER_TERMS))
async def test_a_permit_that_says_otherwise_than_the_statement_is_refused(
    network: Network, union: Rogue, core: Rogue, term: str
) -> None:
    """The core turned bad and signs it: the statement was the inquirer's."""
    permitted = await union.permitted()
    claims = claims_of(permitted.granted.token)
    claims["permits"][0][term] = OTHER_TERMS[term]

    async with adds(network, cast.NAGAOKA, provision=0, refusal=1):
        reply = await presented_with(union, permitted, signed(core, encode(claims)))

    assert reply.item_problem() == (422, "statement-invalid", "other-terms")


@pytest.mark.parametrize(
    "change",
    [
        {"condition": OTHER_CONDITIONS[0]},
        {"condition": OTHER_CONDITIONS[1]},
        {"department": "another department"},
        {"non_disclosure": 1},
        {"reply_key": "0" * 64},
        {"subject": "0" * 64},
        {"information": {"term": TAX, "scope": "*", "items": []}},
    ],
)
async def test_a_statement_other_than_the_one_the_core_saw_is_refused(
    network: Network, union: Rogue, change: dict[str, object]
) -> None:
    number = await union.person()
    permitted = await union.permitted(number)
    other = await union.ask(number, **change)
    swapped = msgspec.structs.replace(
        await union.provisions_request(permitted),
        groups=(await union.proven(other.recorded)).groups,
    )
    item = msgspec.structs.replace(swapped.items[0], index=other.recorded.index)

    async with adds(network, cast.NAGAOKA, provision=0, refusal=1):
        reply = await union.post(
            cast.NAGAOKA, PROVISIONS, msgspec.structs.replace(swapped, items=[item])
        )
    honest = await union.present(permitted)

    assert reply.item_problem() == (422, "statement-invalid", "other-inquiry")
    assert honest.provisions.results[0].result is not None


async def test_the_code_of_somebody_else_does_not_open_the_subject_at_the_core(
    network: Network, union: Rogue
) -> None:
    one, other = [await union.ask() for _ in range(2)]
    request = await union.member.permits_request(
        type(one)(recorded=one.recorded, code=other.code, salt=one.salt)
    )

    async with adds(network, cast.CORE, permit=0, refusal=1):
        answer = await union.member.send_permits(request)

    assert answer.results[0].result is not None
    assert answer.results[0].result.reason == "subject-not-opened"


async def test_one_changed_bit_in_a_code_sealed_to_the_core_is_a_recorded_refusal(
    network: Network, union: Rogue
) -> None:
    for place in (0, 31, -1):
        asked = await union.ask()
        request = await union.member.permits_request(asked)
        sealed = request.items[0].code
        ct = bytearray(unb64(sealed.ct))
        ct[place] ^= 1
        changed = msgspec.structs.replace(
            request.items[0], code=msgspec.structs.replace(sealed, ct=b64(bytes(ct)))
        )

        async with adds(network, cast.CORE, permit=0, refusal=1):
            answer = await union.member.send_permits(
                PermitsRequest(groups=request.groups, keys=request.keys, items=[changed])
            )

        assert answer.results[0].result is not None
        assert answer.results[0].result.reason == "code-not-opened"


async def test_a_core_that_seals_another_persons_code_is_denied_and_recorded(
    network: Network, union: Rogue, core: Rogue
) -> None:
    """What it commits to and what it seals are two people."""
    number, other = await union.person(), await union.person()
    asked = await union.ask(number)
    token, permit_id = granted_by_a_liar(core, asked.recorded, other, subject_p=bytes(32))

    async with adds(network, cast.NAGAOKA, provision=1):
        reply = await lied_to(union, asked.recorded, token, permit_id)

    provision = provision_of(reply)
    assert (provision.outcome, provision.reason) == ("denied", "code")


async def test_a_core_that_permits_what_no_law_does_is_denied_by_the_provider(
    network: Network, union: Rogue, core: Rogue
) -> None:
    """Statement and permit agree with each other, and with no row of the table."""
    number = await union.person()
    for change, reason in (
        ({"subject_role": "spouse"}, "subject-role-not-in-procedure"),
        ({"legal_basis": "act19-9"}, "ground-not-loaded"),
        ({"consent": {"state": "unknown"}}, "consent-missing"),
        ({"procedure": "XP00000000000000"}, "no-such-procedure"),
        ({"citation": "116の項"}, "law-changed"),
        ({"law_version": "another"}, "law-changed"),
        ({"inquirer_body": cast.NAGAOKA_MAYOR}, None),
        ({"provider_body": cast.PRIME_MINISTER}, None),
        ({"reply_key": "0" * 64}, "reply-key"),
    ):
        asked = await union.ask(number, **change)
        token, permit_id = granted_by_a_liar(core, asked.recorded, number)

        async with adds(network, cast.NAGAOKA, provision=1):
            reply = await lied_to(union, asked.recorded, token, permit_id)

        provision = provision_of(reply)
        assert provision.outcome == "denied", change
        assert reason in {None, provision.reason}, change
        assert reply.provisions.results[0].result.sealed is None  # type: ignore[union-attr]  # answered


async def test_a_provider_answers_for_no_body_but_its_own(
    network: Network, union: Rogue, core: Rogue
) -> None:
    """The law lets the union ask this of the immigration agency, so not of 長岡市."""
    number = await union.person()
    await union.people.put_replica(
        cast.NAGAOKA, number, IMMIGRATION_RECORDS, {"XTK0000050000001": 1}
    )
    salt = bytes(32)
    members = union.member.inquiry(
        union.people.code(number, union.name),
        salt,
        provider_body=cast.IMMIGRATION_HEAD,
        procedure="XP11701070240527",
        information="出入国関係情報",
    )
    recorded = await union.member.record("inquiry", members | {"provider": cast.NAGAOKA})
    token, permit_id = granted_by_a_liar(core, recorded, number)

    async with adds(network, cast.NAGAOKA, provision=1):
        reply = await lied_to(union, recorded, token, permit_id)

    provision = provision_of(reply)
    assert (provision.outcome, provision.reason) == ("denied", "law-changed")


async def test_an_answer_is_sealed_to_no_key_but_the_inquirers_own(
    union: Rogue, core: Rogue
) -> None:
    """The union's statement names the core's key, and the core signs to that."""
    number = await union.person()
    key = core.context.trust.reply_key()
    asked = await union.ask(number, reply_key=key)
    token, permit_id = granted_by_a_liar(core, asked.recorded, number)

    reply = await lied_to(union, asked.recorded, token, permit_id)

    provision = provision_of(reply)
    assert (provision.outcome, provision.reason) == ("denied", "reply-key")


async def test_a_permit_for_another_provider_is_refused(union: Rogue, core: Rogue) -> None:
    number = await union.person()
    asked = await union.ask(number, provider=cast.DIGITAL_AGENCY)
    token, permit_id = granted_by_a_liar(core, asked.recorded, number)

    reply = await lied_to(union, asked.recorded, token, permit_id)

    assert reply.item_problem() == (422, "statement-invalid", "other-parties")


@pytest.mark.parametrize(
    ("requested", "expires"),
    [
        (timedelta(0), timedelta(days=31)),
        (timedelta(0), timedelta(days=400)),
        (timedelta(days=40), timedelta(days=47)),
        (timedelta(hours=1), timedelta(days=7)),
    ],
)
async def test_a_request_that_outlives_what_the_law_gives_it_is_refused(
    network: Network, union: Rogue, core: Rogue, requested: timedelta, expires: timedelta
) -> None:
    """What is kept for a retry is kept by this day: no core may choose it freely."""
    number = await union.person()
    asked = await union.ask(number)
    now = core.context.clock.now()
    token, permit_id = granted_by_a_liar(
        core,
        asked.recorded,
        number,
        requested_at=instant(now + requested),
        request_expires=instant(now + expires),
    )

    async with adds(network, cast.NAGAOKA, provision=0, refusal=1):
        reply = await lied_to(union, asked.recorded, token, permit_id)

    assert reply.item_problem() == (403, "permit-refused", "request-life")
