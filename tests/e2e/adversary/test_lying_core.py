"""A core with its own true keys that grants or refuses what was not asked."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from certs.terms import TERMS
from codes.canonical import unb64
from gateway.demo import cast
from gateway.domain.inquiry import InquiryState
from gateway.errors import SekishoError
from gateway.flows.permit_lane import Granted, PermitWanted, RefusedByCore, ask_permits
from gateway.flows.statements import StatementInvalidError
from gateway.outbound.errors import PeerProtocolError
from gateway.records.entry import parse_entry
from gateway.records.kinds import Inquiry
from gateway.wire.network import PermitAnswer, PermitResult, PermitsAnswer
from gateway.wire.problems import Problem
from tests.e2e.adversary.liars import members_of
from tests.e2e.adversary.rogue import Rogue, adds, core_services, left_open
from tests.e2e.adversary.test_swaps import OTHER_TERMS
from tests.e2e.parties import Network
from tests.e2e.test_exchange import REGISTRATION, an_order
from tests.integration.core.world import AskedInquiry

Lie = Callable[[PermitsAnswer], Awaitable[PermitsAnswer]]
OTHER = "0" * 64


@contextmanager
def lying_core(network: Network, lie: Lie) -> Iterator[None]:
    """Let the core do all it has to, and answer something else."""
    desk = core_services(network).permits
    honest = desk.answer

    async def answer(sender: str, request: Any) -> PermitsAnswer:
        return await lie(await honest(sender, request))

    desk.answer = answer  # type: ignore[method-assign]  # the liar stands in the honest one's place
    try:
        yield
    finally:
        del desk.answer


async def stated(
    core: Rogue, answer: PermitsAnswer, *, kind: str = "permit", **changes: Any
) -> PermitsAnswer:
    """Return an answer whose statement says this instead, recorded and signed like any other."""
    honest = members_of(unb64(answer.groups[0].entries[0]))
    members = {name: value for name, value in (honest | changes).items() if value is not None}
    recorded = await core.member.record(kind, members)
    proven = await core.proven(recorded)
    place = proven.reference(recorded)
    result = answer.results[0].result
    assert result is not None
    changed = msgspec.structs.replace(
        result,
        group=place.group,
        index=place.index,
        permit_id=members.get("permit_id"),
    )
    return PermitsAnswer(
        groups=proven.groups, tokens=answer.tokens, results=[PermitResult(result=changed)]
    )


def of_result(answer: PermitsAnswer, **changes: Any) -> PermitsAnswer:
    """Return the answer with its one result changed, its statement left as it was."""
    result = answer.results[0].result
    assert result is not None
    changed: PermitAnswer = msgspec.structs.replace(result, **changes)
    return msgspec.structs.replace(answer, results=[PermitResult(result=changed)])


async def told(union: Rogue, asked: AskedInquiry) -> object:
    """Return what the inquirer makes of the core's answer, whatever it raised."""
    public = parse_entry(asked.recorded.entry).public
    assert isinstance(public, Inquiry)
    wanted = PermitWanted(recorded=asked.recorded, inquiry=public, code=asked.code, salt=asked.salt)
    try:
        (answer,) = await ask_permits(union.context, [wanted])
    except SekishoError as error:
        return error
    return answer


async def test_the_truth_is_taken(network: Network, union: Rogue, core: Rogue) -> None:
    """The liar's tools, used honestly."""
    asked = await union.ask()

    async def lie(answer: PermitsAnswer) -> PermitsAnswer:
        return await stated(core, answer)

    with lying_core(network, lie):
        assert isinstance(await told(union, asked), Granted)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"inquiry_leaf": OTHER}, "other-inquiry"),
        ({"inquirer": cast.IMMIGRATION}, "other-parties"),
        ({"provider": cast.DIGITAL_AGENCY}, "other-parties"),
        ({"legal_basis": "act19-9"}, "other-terms"),
        ({"consent": {"state": "not-required"}}, "other-terms"),
        *[({name: OTHER_TERMS[name]}, "other-terms") for name in TERMS],
    ],
)
async def test_a_permit_for_something_else_is_not_taken(
    network: Network, union: Rogue, core: Rogue, change: dict[str, Any], reason: str
) -> None:
    asked = await union.ask()

    async def lie(answer: PermitsAnswer) -> PermitsAnswer:
        return await stated(core, answer, **change)

    with lying_core(network, lie):
        answer = await told(union, asked)

    assert isinstance(answer, StatementInvalidError), answer
    assert answer.reason == reason


def _refusal(**members: Any) -> dict[str, Any]:
    """Return the changes that make a refusal of a permit's members."""
    return {
        "permit_id": None,
        "inquiry_leaf": None,
        "request_expires": None,
        "subject_p": None,
        "directory_version": None,
        "allow_list": None,
        "consent": None,
        "reason": "no-code",
    } | members


@pytest.mark.parametrize("of", [OTHER, None])
async def test_a_refusal_of_something_else_is_not_taken(
    network: Network, union: Rogue, core: Rogue, of: str | None
) -> None:
    asked = await union.ask()

    async def lie(answer: PermitsAnswer) -> PermitsAnswer:
        return await stated(core, answer, kind="refusal", **_refusal(of=of))

    with lying_core(network, lie):
        answer = await told(union, asked)

    assert isinstance(answer, StatementInvalidError), answer
    assert answer.reason == "other-inquiry"


async def test_a_refusal_of_this_inquiry_is_taken(
    network: Network, union: Rogue, core: Rogue
) -> None:
    asked = await union.ask()

    async def lie(answer: PermitsAnswer) -> PermitsAnswer:
        return await stated(core, answer, kind="refusal", **_refusal(of=asked.leaf))

    with lying_core(network, lie):
        answer = await told(union, asked)

    assert isinstance(answer, RefusedByCore), answer


async def test_a_refusal_without_a_statement_ends_nothing(network: Network, union: Rogue) -> None:
    """Whoever could forge one would have refused the inquiry."""
    number = await union.person()
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire

    async def lie(_answer: PermitsAnswer) -> PermitsAnswer:
        refused = PermitAnswer(group=0, index=0, kind="refusal", reason="no-code")
        return PermitsAnswer(groups=[], tokens=[], results=[PermitResult(result=refused)])

    with lying_core(network, lie):
        async with adds(network, cast.GUNMA_UNION, inquiry=1, receipt=0):
            inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
            await inquire.wait(inquiry_id, 10)

    await left_open(network, inquiry_id)


async def test_a_bare_problem_of_the_core_ends_nothing(network: Network, union: Rogue) -> None:
    number = await union.person()
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire
    problem = Problem(type="refused", title="A rule refuses this", status=403, reason="no-code")

    async def lie(_answer: PermitsAnswer) -> PermitsAnswer:
        return PermitsAnswer(groups=[], tokens=[], results=[PermitResult(problem=problem)])

    with lying_core(network, lie):
        async with adds(network, cast.GUNMA_UNION, inquiry=1, receipt=0):
            inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
            await inquire.wait(inquiry_id, 10)

    await left_open(network, inquiry_id)


async def test_another_organisations_word_is_not_the_cores(
    network: Network, union: Rogue, immigration: Rogue
) -> None:
    asked = await union.ask()

    async def lie(answer: PermitsAnswer) -> PermitsAnswer:
        foreign = await immigration.proven(await immigration.member.record("rules-changed", {}))
        return msgspec.structs.replace(answer, groups=foreign.groups)

    with lying_core(network, lie):
        answer = await told(union, asked)

    assert isinstance(answer, StatementInvalidError), answer
    assert answer.reason == "wrong-organisation"


@pytest.mark.parametrize("line", [-1, -2])
async def test_a_core_without_either_log_line_is_not_believed(
    network: Network, union: Rogue, line: int
) -> None:
    asked = await union.ask()

    async def lie(answer: PermitsAnswer) -> PermitsAnswer:
        lines = answer.groups[0].checkpoint.removesuffix("\n").split("\n")
        del lines[line]
        group = msgspec.structs.replace(answer.groups[0], checkpoint="\n".join(lines) + "\n")
        return msgspec.structs.replace(answer, groups=[group])

    with lying_core(network, lie):
        answer = await told(union, asked)

    assert isinstance(answer, StatementInvalidError), answer
    assert answer.reason == "log-line-missing"


ODD: dict[str, Callable[[PermitsAnswer], PermitsAnswer]] = {
    "two results": lambda a: msgspec.structs.replace(a, results=a.results * 2),
    "neither result nor problem": lambda a: msgspec.structs.replace(a, results=[PermitResult()]),
    "no token": lambda a: of_result(a, token=None),
    "a token that is not there": lambda a: of_result(a, token=7),
    "no permit id": lambda a: of_result(a, permit_id=None),
    "another permit id": lambda a: of_result(a, permit_id="0" * 32),
}


@pytest.mark.parametrize("what", ODD)
async def test_an_answer_that_does_not_fit_together_is_none(
    network: Network, union: Rogue, what: str
) -> None:
    asked = await union.ask()

    async def lie(answer: PermitsAnswer) -> PermitsAnswer:
        return ODD[what](answer)

    with lying_core(network, lie):
        assert isinstance(await told(union, asked), PeerProtocolError)


async def test_another_inquirys_token_gets_the_inquirer_nothing(
    network: Network, union: Rogue
) -> None:
    """The permit is true and its token belongs to somebody else: the provider says so."""
    other = await union.permitted()
    number = await union.person()
    inquire = network.gateway(cast.GUNMA_UNION).flows.inquire

    async def lie(answer: PermitsAnswer) -> PermitsAnswer:
        return msgspec.structs.replace(answer, tokens=[other.granted.token])

    with lying_core(network, lie):
        async with (
            adds(network, cast.NAGAOKA, provision=0, refusal=1),
            adds(network, cast.GUNMA_UNION, receipt=1),
        ):
            inquiry_id = await inquire.begin(an_order(number), REGISTRATION)
            await inquire.wait(inquiry_id, 10)

    view = await inquire.find(inquiry_id, REGISTRATION)
    assert (view.row.state, view.row.reason) == (InquiryState.FAILED, "permit-refused")
