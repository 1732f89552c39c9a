"""`POST /v1/permits` over TLS, every statement real."""

import secrets
from datetime import timedelta

import pytest

from certs.sealing import open_message, unpack_code
from certs.terms import differing_terms
from codes.canonical import parse_instant, unb64
from codes.network_code import NetworkCode
from gateway.demo import cast
from gateway.outbound.errors import MessageRefusedError
from gateway.records.entry import subject_commitment
from gateway.records.kinds import Inquiry, PermitGranted, Refusal
from gateway.wire.network import Group, PermitsRequest
from tests.integration.core.answers import a_person, reason_of, token_of
from tests.integration.core.conftest import Core
from tests.integration.core.world import (
    IMMIGRATION,
    NAGAOKA,
    REQUEST_DAYS,
    UNION,
    Member,
    World,
    parsed,
    public_of,
)


async def test_a_lawful_inquiry_gets_a_permit_bound_to_its_statement(
    core: Core, union: Member
) -> None:
    _, code = await a_person(core)
    asked = await union.ask(code)

    answer = await union.permits(asked)

    (statement,) = union.statements(answer)
    permit, inquiry = public_of(statement), parsed(asked.recorded.entry)
    assert isinstance(permit, PermitGranted)
    assert isinstance(inquiry, Inquiry)
    assert permit.inquiry_leaf == asked.leaf
    assert (permit.inquirer, permit.provider) == (UNION, NAGAOKA)
    assert differing_terms(permit, inquiry) == ()
    assert permit.consent == inquiry.consent
    assert parse_instant(permit.request_expires) - parse_instant(permit.requested_at) == timedelta(
        days=REQUEST_DAYS
    )


async def test_the_token_carries_the_permit_and_the_providers_own_code(
    world: World, core: Core, union: Member, nagaoka: Member
) -> None:
    person, code = await a_person(core)
    asked = await union.ask(code)

    answer = await union.permits(asked)

    (statement,) = union.statements(answer)
    granted = public_of(statement)
    assert isinstance(granted, PermitGranted)
    token = token_of(world, union, answer.tokens[0])
    (permit,) = token.permits
    assert permit.permit_leaf == statement.entry.leaf_hash.hex()
    assert permit.subject_p == granted.subject_p
    assert token.inquirer == UNION
    assert token.allow_list == union.context.trust.directory.allow_list_digest
    header = token.keys[permit.code.key].header()
    opener = open_message(
        nagaoka.context.trust.sealing_private(header.key_id),
        header,
        purpose="code-in-permit",
        network=cast.NETWORK,
        recipient=NAGAOKA,
    )
    plaintext = opener.open(
        permit.code.n,
        unb64(permit.code.ct),
        inquiry_leaf=asked.recorded.leaf_hash,
        permit_id=permit.permit_id,
    )
    salt, raw = unpack_code(plaintext)
    assert raw == core.code(person, NAGAOKA).raw
    assert raw != code.raw
    assert subject_commitment(salt, raw).hex() == permit.subject_p


async def test_permits_asked_together_share_one_token_and_one_group(
    world: World, core: Core, union: Member
) -> None:
    asked = [await union.ask((await a_person(core))[1]) for _ in range(5)]

    answer = await union.permits(*asked)

    assert len(answer.tokens) == 1
    assert len(answer.groups) == 1
    token = token_of(world, union, answer.tokens[0])
    assert [permit.inquiry_leaf for permit in token.permits] == [one.leaf for one in asked]
    assert len(token.keys) == 1


async def test_a_refusal_is_a_statement_and_stays_the_same_when_asked_again(
    core: Core, union: Member
) -> None:
    person = await core.enrol(UNION)
    asked = await union.ask(core.code(person, UNION))

    async with core.adds(refusal=1):
        answers = [await union.permits(asked) for _ in range(2)]

    assert [reason_of(answer) for answer in answers] == ["no-code", "no-code"]
    (first,), (second,) = (union.statements(answer) for answer in answers)
    assert first.entry.raw == second.entry.raw
    assert isinstance(public_of(first), Refusal)


async def test_a_subject_that_does_not_open_is_refused_and_recorded(
    core: Core, union: Member
) -> None:
    _, code = await a_person(core)
    _, other = await a_person(core)
    asked = await union.ask(code)
    swapped = type(asked)(recorded=asked.recorded, code=other.raw, salt=asked.salt)

    async with core.adds(refusal=1):
        answer = await union.permits(swapped)

    assert reason_of(answer) == "subject-not-opened"


@pytest.mark.parametrize("whose", [NAGAOKA, None])
async def test_a_foreign_or_invented_code_is_refused(
    core: Core, union: Member, whose: str | None
) -> None:
    person = await core.enrol(UNION, NAGAOKA)
    code = NetworkCode(secrets.token_bytes(32)) if whose is None else core.code(person, whose)

    answer = await union.permits(await union.ask(code))

    assert reason_of(answer) == "foreign-code"


async def test_a_code_sealed_beside_another_inquiry_is_refused(core: Core, union: Member) -> None:
    one = await union.ask((await a_person(core))[1])
    other = await union.ask((await a_person(core))[1])
    request = await union.permits_request(one, other)
    crossed = [
        type(item)(group=item.group, index=item.index, code=sealed.code)
        for item, sealed in zip(request.items, reversed(request.items), strict=True)
    ]

    answer = await union.send_permits(
        PermitsRequest(groups=request.groups, keys=request.keys, items=crossed)
    )

    assert [reason_of(answer, place) for place in (0, 1)] == ["code-not-opened"] * 2


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("law_day", "2026-06-13", "law-changed"),
        ("law_version", "an older one", "law-changed"),
        ("citation", "115の項 第117条第5号ロ", "law-changed"),
        ("affair", "another", "law-changed"),
        ("procedure", "XP00000000000000", "no-such-procedure"),
        ("subject_role", "spouse", "subject-role-not-in-procedure"),
        ("legal_basis", "act19-9", "ground-not-loaded"),
        ("consent", {"state": "unknown"}, "consent-missing"),
        ("inquirer_body", cast.NAGAOKA_MAYOR, "wrong-inquirer"),
        ("provider_body", cast.PRIME_MINISTER, "wrong-provider"),
        ("provider_body", "X000000000000000", "unknown-body"),
        ("provider", IMMIGRATION, "wrong-provider"),
        ("reply_key", "0" * 64, "unknown-reply-key"),
    ],
)
async def test_what_the_law_of_the_day_does_not_say_is_refused_with_its_reason(
    core: Core, union: Member, member: str, value: object, reason: str
) -> None:
    _, code = await a_person(core)

    answer = await union.permits(await union.ask(code, **{member: value}))

    assert reason_of(answer) == reason
    (statement,) = union.statements(answer)
    refusal = public_of(statement)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.act21_2) == (reason, 0)


async def test_an_inquiry_in_the_name_of_anothers_body_is_refused(
    core: Core, nagaoka: Member
) -> None:
    person = await core.enrol(UNION, NAGAOKA)

    answer = await nagaoka.permits(await nagaoka.ask(core.code(person, NAGAOKA)))

    assert reason_of(answer) == "wrong-inquirer"


async def test_information_outside_the_scope_is_refused(core: Core, union: Member) -> None:
    _, code = await a_person(core)
    information = {"term": "TM00000000000002", "scope": "道府県民税に関する情報", "items": []}

    answer = await union.permits(await union.ask(code, information=information))

    assert reason_of(answer) == "information-not-in-procedure"


async def test_more_providers_than_the_limit_are_refused_recorded_and_alarmed(
    core: Core, union: Member
) -> None:
    person = await core.enrol(UNION, NAGAOKA, IMMIGRATION)
    code = core.code(person, UNION)
    await union.permits(await union.ask(code))
    salt = secrets.token_bytes(32)
    elsewhere = union.inquiry(
        code,
        salt,
        provider_body=cast.IMMIGRATION_HEAD,
        procedure="XP11701070240527",
        information="出入国関係情報",
    )
    recorded = await union.record("inquiry", elsewhere)

    answers = [
        await union.permits(one)
        for one in (
            type(await union.ask(code))(recorded=recorded, code=code.raw, salt=salt),
            await union.ask(code),
        )
    ]

    assert reason_of(answers[0]) == "too-many-providers"
    again = answers[1].results[0].result
    assert again is not None
    assert again.kind == "permit"


async def test_one_changed_byte_in_an_entry_fails_the_whole_message_and_records_nothing(
    core: Core, union: Member
) -> None:
    asked = await union.ask((await a_person(core))[1])
    request = await union.permits_request(asked)
    (group,) = request.groups
    entry = group.entries[0]
    changed = entry[:-8] + ("A" if entry[-8] != "A" else "B") + entry[-7:]
    forged = Group(
        checkpoint=group.checkpoint, indexes=group.indexes, entries=[changed], hashes=group.hashes
    )

    async with core.adds(permit=0, refusal=0):
        with pytest.raises(MessageRefusedError) as refused:
            await union.send_permits(
                PermitsRequest(groups=[forged], keys=request.keys, items=request.items)
            )

    assert refused.value.refusal.type == "statement-invalid"


@pytest.mark.parametrize("line", [-1, -2])
async def test_a_checkpoint_without_either_log_line_is_refused(
    core: Core, union: Member, line: int
) -> None:
    asked = await union.ask((await a_person(core))[1])
    request = await union.permits_request(asked)
    (group,) = request.groups
    lines = group.checkpoint.rstrip("\n").split("\n")
    del lines[line]
    stripped = Group(
        checkpoint="\n".join(lines) + "\n",
        indexes=group.indexes,
        entries=group.entries,
        hashes=group.hashes,
    )

    with pytest.raises(MessageRefusedError) as refused:
        await union.send_permits(
            PermitsRequest(groups=[stripped], keys=request.keys, items=request.items)
        )

    assert refused.value.refusal.type == "statement-invalid"


async def test_another_organisations_statement_is_refused(
    core: Core, union: Member, nagaoka: Member
) -> None:
    asked = await union.ask((await a_person(core))[1])
    request = await union.permits_request(asked)

    with pytest.raises(MessageRefusedError) as refused:
        await nagaoka.send_permits(request)

    assert refused.value.refusal.type == "statement-invalid"


async def test_a_statement_of_another_kind_is_one_items_problem(core: Core, union: Member) -> None:
    asked = await union.ask((await a_person(core))[1])
    other = await union.record("rules-changed", {})
    wrong = type(asked)(recorded=other, code=asked.code, salt=asked.salt)

    async with core.adds(permit=1, refusal=0):
        answer = await union.permits(wrong, asked)

    problem = answer.results[0].problem
    assert problem is not None
    assert (problem.type, problem.reason) == ("statement-invalid", "other-kind")
    assert answer.results[1].result is not None


async def test_the_same_statement_twice_in_one_message_is_one_permit(
    core: Core, union: Member
) -> None:
    asked = await union.ask((await a_person(core))[1])
    request = await union.permits_request(asked)

    async with core.adds(permit=1):
        answer = await union.send_permits(
            PermitsRequest(groups=request.groups, keys=request.keys, items=request.items * 2)
        )

    ids = {result.result.permit_id for result in answer.results if result.result is not None}
    assert len(ids) == 1


async def test_the_resident_network_may_not_ask_for_permits(
    world: World, core: Core, union: Member
) -> None:
    request = await union.permits_request(await union.ask((await a_person(core))[1]))

    async with world.member(cast.RESIDENT_NETWORK) as stranger:
        with pytest.raises(MessageRefusedError) as refused:
            await stranger.send_permits(request)

    assert refused.value.refusal.type == "wrong-member"
