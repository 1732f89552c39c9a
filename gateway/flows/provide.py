"""A provider answers permits presented to it, all of one message together (PROTOCOL §3, 3).

Known permits are answered from what was kept, byte for byte; new ones are decided on what the law,
the switches, the flags and the replica say, sealed, recorded, and only then sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from certs.permits import PermitToken
from codes.canonical import b64
from gateway import metrics
from gateway.errors import ConflictError, SekishoError, UnavailableError
from gateway.flows.after_restore import PermitForgottenError, gate_now, require_remembered
from gateway.flows.answering import Answering, Decided
from gateway.flows.answers import Answer, Answers
from gateway.flows.context import Context
from gateway.flows.evidence import record_refusals, refusal_of
from gateway.flows.gate import Gate
from gateway.flows.outcomes import Outcomes
from gateway.flows.presented import (
    PermitRefusedError,
    Presented,
    Tokens,
    is_behind,
    present,
    require_current,
)
from gateway.flows.proofs import prove
from gateway.flows.record_types import EffectRefusedError, Recorded, StaleDecisionError
from gateway.flows.statements import StatementInvalidError, Statements, received_or_fetched
from gateway.flows.trust import LookForDirectory
from gateway.storage import provisions
from gateway.storage.provisions import KeptAnswer
from gateway.wire.fields import BODY_BYTES_MAX
from gateway.wire.network import (
    Group,
    Key,
    ProvisionAnswer,
    ProvisionsRequest,
    Sealed,
)
from policies.measures import StopSwitch

DECISIONS_MAX: Final = 5
ANSWER_BYTES_MAX: Final = BODY_BYTES_MAX * 9 // 10
"""What entries and sealed answers of one message may come to; the rest is left for proofs."""

_BASE64: Final = 4
"""Characters for three bytes."""

UNKNOWN_KEY: Final = "token-key-unknown"
"""Why a token is refused whose permit key our directory does not list."""


class PermitUsedError(ConflictError):
    """The permit was used with something else before: a replay."""

    problem = "permit-used"


@dataclass(frozen=True, slots=True)
class _Told:
    """One answer ready to be sent."""

    recorded: Recorded
    message_key: dict[str, str] | None = field(default=None, repr=False)
    number: int | None = None
    sealed: bytes | None = field(default=None, repr=False)


_Result: TypeAlias = _Told | SekishoError

_EVIDENCE: Final = (
    PermitRefusedError,
    StatementInvalidError,
    PermitUsedError,
    PermitForgottenError,
)
"""Refusals for good; an expired token and an older directory leave the permit unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionsReply:
    """What goes back: groups and keys of the message, one answer or refusal for each item."""

    groups: list[Group] = field(repr=False)
    keys: list[Key] = field(repr=False)
    results: list[ProvisionAnswer | SekishoError] = field(repr=False)


class Provide:
    """`POST /v1/provisions` of one gateway."""

    def __init__(
        self,
        context: Context,
        answering: Answering,
        answers: Answers,
        outcomes: Outcomes,
        *,
        look_for_directory: LookForDirectory,
    ) -> None:
        self._context = context
        self._answering = answering
        self._answers = answers
        self._outcomes = outcomes
        self._look_for_directory = look_for_directory
        self._tokens = Tokens(context.trust)
        context.trust.watch(lambda _new, _old: self._tokens.forget())

    async def take(self, sender: str, request: ProvisionsRequest) -> ProvisionsReply:
        """Answer what `sender`, whose certificate was authenticated, asks for.

        Raises `StatementInvalidError` when a group does not verify: nothing is done then.
        """
        statements = await received_or_fetched(self._context.trust, request.groups, sender=sender)
        presented = self._present(sender, request, statements)
        if any(getattr(item, "reason", None) == UNKNOWN_KEY for item in presented):
            # Perhaps a permit key that a newer directory lists.
            await self._look_for_directory()
            presented = self._present(sender, request, statements)
        results: dict[int, _Result] = {
            place: item for place, item in enumerate(presented) if isinstance(item, SekishoError)
        }
        wanted = {
            place: item for place, item in enumerate(presented) if isinstance(item, Presented)
        }
        results |= await self._known(sender, wanted)
        fresh = {place: item for place, item in wanted.items() if place not in results}
        results |= await self._fresh(sender, fresh)
        await self._record_refusals(sender, request, statements, results)
        return await self._reply([results[place] for place in range(len(request.items))])

    def _present(
        self, sender: str, request: ProvisionsRequest, statements: Statements
    ) -> list[Presented | SekishoError]:
        now = self._context.clock.now()
        tokens: list[PermitToken | SekishoError] = []
        for text in request.tokens:
            try:
                tokens.append(self._tokens.read(text, sender=sender, now=now))
            except SekishoError as error:
                tokens.append(error)
        presented: list[Presented | SekishoError] = []
        seen: set[str] = set()
        for item in request.items:
            try:
                one = present(item, tokens, statements)
            except SekishoError as error:
                presented.append(error)
                continue
            is_second = one.matter.permit_id in seen
            presented.append(PermitUsedError("permit: twice in a message") if is_second else one)
            seen.add(one.matter.permit_id)
        return presented

    async def _record_refusals(
        self,
        sender: str,
        request: ProvisionsRequest,
        statements: Statements,
        results: dict[int, _Result],
    ) -> None:
        """Record what was refused for good though it was authentic, before it is answered."""
        drafts = []
        for place, result in results.items():
            item = request.items[place]
            if isinstance(result, _EVIDENCE) and statements.has(item.group, item.index):
                statement = statements.at(item.group, item.index)
                reason = getattr(result, "reason", result.problem)
                drafts.append(
                    refusal_of(statement, sender=sender, reason=reason, permit_id=item.permit_id)
                )
        await record_refusals(self._context, drafts, source=sender)

    async def _known(self, sender: str, wanted: dict[int, Presented]) -> dict[int, _Result]:
        """Return the answers to permits used before: the same bytes, or a replay's refusal."""
        if not wanted:
            return {}
        async with self._context.database.read() as connection:
            kept = await provisions.find(
                connection, [(item.matter.day, item.matter.permit_id) for item in wanted.values()]
            )
        again: dict[int, KeptAnswer] = {}
        results: dict[int, _Result] = {}
        for place, item in wanted.items():
            answer = kept.get(item.matter.permit_id)
            if answer is None:
                continue
            if answer.inquirer != sender or answer.inquiry_leaf != item.matter.leaf:
                metrics.PROVISIONS.labels(outcome="replay").inc()
                results[place] = PermitUsedError("permit: used with something else")
            elif answer.outcome == "provided" and answer.sealed is None:
                results[place] = PermitUsedError("permit: used, and its receipt is with the core")
            else:
                metrics.PROVISIONS.labels(outcome="retry").inc()
                again[place] = answer
        if again:
            found = await self._context.writer.find([a.entry_id for a in again.values()])
            results |= {
                place: _Told(
                    found[answer.entry_id], answer.message_key, answer.number, answer.sealed
                )
                for place, answer in again.items()
            }
        return results

    async def _fresh(self, sender: str, fresh: dict[int, Presented]) -> dict[int, _Result]:
        """Decide, record and return what was never asked before."""
        if not fresh:
            return {}
        results: dict[int, _Result] = {}
        now = self._context.clock.now()
        self._context.trust.require_fresh(now)
        if any(is_behind(item, self._context.trust) for item in fresh.values()):
            # A receiver with an older directory fetches before it answers (PROTOCOL §1).
            await self._look_for_directory()
        async with self._context.database.read() as connection:
            forgotten_until = await provisions.forgotten_until(connection)
        for place, item in tuple(fresh.items()):
            try:
                self._context.witnesses.require(now)
                require_remembered(item, forgotten_until)
                require_current(item, self._context.trust, now)
            except SekishoError as error:
                results[place] = error
                del fresh[place]
        gate = await gate_now(self._context.gate)
        for _ in range(DECISIONS_MAX):
            if not fresh:
                return results
            answers = await self._decided(fresh, results, gate, now)
            stale = await self._record(sender, fresh, answers, results)
            fresh = {place: fresh[place] for place in stale}
            if fresh:
                gate = await self._context.gate.newer_than(gate.version)
        for place in fresh:
            results[place] = UnavailableError("provision: the gate kept moving")
        return results

    async def _decided(
        self,
        fresh: dict[int, Presented],
        results: dict[int, _Result],
        gate: Gate[StopSwitch],
        now: datetime,
    ) -> list[Answer]:
        """Return an answer for each that can be decided; the others leave `fresh` as errors."""
        verdicts = await self._answering.decide(list(fresh.values()), gate, now)
        decided: list[Decided] = []
        for place, verdict in zip(tuple(fresh), verdicts, strict=True):
            if isinstance(verdict, Decided):
                decided.append(verdict)
            else:
                results[place] = verdict
                del fresh[place]
        if not decided:
            return []
        items = list(fresh.values())
        return self._answers.of(items, decided, gate_version=gate.version, now=now)

    async def _record(
        self,
        sender: str,
        fresh: dict[int, Presented],
        answers: Sequence[Answer],
        results: dict[int, _Result],
    ) -> list[int]:
        """Record the answers of one message; returns the places that must be decided anew."""
        if not answers:
            return []
        outcomes = await self._context.writer.append(
            [answer.draft for answer in answers], source=sender
        )
        stale: list[int] = []
        raced: dict[int, Presented] = {}
        for (place, item), answer, outcome in zip(fresh.items(), answers, outcomes, strict=True):
            if isinstance(outcome, Recorded):
                metrics.PROVISIONS.labels(outcome=answer.outcome).inc()
                self._outcomes.tell(item.matter.permit_id, outcome)
                results[place] = _Told(outcome, answer.message_key, answer.number, answer.sealed)
            elif isinstance(outcome, StaleDecisionError):
                stale.append(place)
            elif isinstance(outcome, EffectRefusedError):
                raced[place] = item
            else:
                results[place] = outcome
        if raced:
            # Two workers with one permit: whoever was second answers what the first recorded.
            known = await self._known(sender, raced)
            for place in raced.keys() - known.keys():
                # Not this permit: its inquiry was answered under another one (*Once*).
                metrics.PROVISIONS.labels(outcome="replay").inc()
                known[place] = PermitUsedError("inquiry: answered under another permit")
            results.update(known)
        return stale

    async def _reply(self, results: Sequence[_Result]) -> ProvisionsReply:
        results = _fitting(results)
        told = [result for result in results if isinstance(result, _Told)]
        proven = await prove(self._context.writer, [one.recorded for one in told]) if told else None
        keys: list[Key] = []
        places: dict[str, int] = {}
        answers: list[ProvisionAnswer | SekishoError] = []
        for result in results:
            if isinstance(result, SekishoError) or proven is None:
                answers.append(result if isinstance(result, SekishoError) else UnavailableError())
                continue
            reference = proven.reference(result.recorded)
            answers.append(
                ProvisionAnswer(
                    group=reference.group,
                    index=reference.index,
                    sealed=_sealed(result, keys, places),
                )
            )
        return ProvisionsReply(
            groups=proven.groups if proven is not None else [], keys=keys, results=answers
        )


def _fitting(results: Sequence[_Result]) -> list[_Result]:
    """Return what fits into one message; the rest is recorded and asked for again."""
    fitting: list[_Result] = []
    room = ANSWER_BYTES_MAX
    for result in results:
        if isinstance(result, _Told):
            room -= _BASE64 * (len(result.recorded.entry) + len(result.sealed or b"")) // 3
        is_over = isinstance(result, _Told) and room < 0
        fitting.append(UnavailableError("answer: the message is full") if is_over else result)
    return fitting


def _sealed(told: _Told, keys: list[Key], places: dict[str, int]) -> Sealed | None:
    """Return the sealed answer with its key's place, adding the key the first time."""
    if told.message_key is None or told.number is None or told.sealed is None:
        return None
    message_id = told.message_key["message_id"]
    if message_id not in places:
        places[message_id] = len(keys)
        keys.append(Key(**told.message_key))
    return Sealed(key=places[message_id], n=told.number, ct=b64(told.sealed))
