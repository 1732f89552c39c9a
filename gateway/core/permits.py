"""`POST /v1/permits`: inquiries in, permits and refusals out, each recorded first (PROTOCOL §3).

One signature check, one key agreement, one read and one commit serve all that came together. A
decision on an older gate is made anew; an answer that somebody else gave meanwhile is repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import structlog

from codes.canonical import tokyo_day
from gateway import metrics
from gateway.core.code_book import CodeBook
from gateway.core.day_book import DayBook, PermitSecret
from gateway.core.inquiries import ReadInquiry, read_inquiries
from gateway.core.problems import item_problem
from gateway.core.tokens import TokenItem, Tokens, make_tokens
from gateway.core.verdicts import TOO_MANY_PROVIDERS, Fresh, Repeated, Round, Verdict
from gateway.errors import SekishoError, UnavailableError
from gateway.flows.context import Context
from gateway.flows.proofs import Proven, prove
from gateway.flows.record_types import (
    EffectRefusedError,
    Outcome,
    Recorded,
    StaleDecisionError,
)
from gateway.flows.statements import received_or_fetched
from gateway.storage import core_inquiries
from gateway.storage.core_inquiries import Asked, Found, Permitted
from gateway.wire.network import PermitAnswer, PermitResult, PermitsAnswer, PermitsRequest

log = structlog.get_logger()

ROUNDS_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitRules:
    """What the core's operator sets: how long a request is good, how many providers a day."""

    request_life: timedelta
    providers_per_person_day_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An inquiry with its answer, recorded now or before."""

    read: ReadInquiry
    recorded: Recorded
    permitted: Permitted | None = None
    secret: PermitSecret | None = field(default=None, repr=False)
    reason: str | None = None
    token_begins: datetime | None = None


class PermitDesk:
    """The core's side of inquirers' messages."""

    def __init__(self, context: Context, codes: CodeBook, rules: PermitRules) -> None:
        self._context = context
        self._codes = codes
        self._days = DayBook(context.vault.days)
        self._rules = rules

    async def answer(self, sender: str, request: PermitsRequest) -> PermitsAnswer:
        """Return a permit, a refusal or a problem for each item, in order.

        Raises:
            StaleDirectoryError, StatementInvalidError: nothing of the message was done.
            UnavailableError: ask again; what was recorded is repeated then.
        """
        now = self._context.clock.now()
        trust = self._context.trust
        trust.require_fresh(now)
        statements = await received_or_fetched(trust, request.groups, sender=sender)
        items = read_inquiries(
            request, statements, trust=trust, codes=self._codes, sender=sender, now=now
        )
        reads = [item for item in items if isinstance(item, ReadInquiry)]
        answered = await self._answer_all(sender, reads)
        return await self._render(items, answered)

    async def _answer_all(
        self, sender: str, reads: Sequence[ReadInquiry]
    ) -> dict[bytes, Answered | SekishoError]:
        answers: dict[bytes, Answered | SekishoError] = {}
        # The same statement twice in a message is one inquiry.
        waiting = list({read.leaf: read for read in reads}.values())
        for _ in range(ROUNDS_MAX):
            if waiting:
                answers |= await self._round(sender, waiting)
                waiting = [read for read in waiting if read.leaf not in answers]
        if waiting:
            raise UnavailableError("permits: the gate or the answers kept moving")
        return answers

    async def _round(
        self, sender: str, waiting: Sequence[ReadInquiry]
    ) -> dict[bytes, Answered | SekishoError]:
        """Decide once; what turned out stale or answered meanwhile stays out."""
        gate = await self._context.gate.current()
        now = self._context.clock.now()
        today = tokyo_day(now)
        words = self._words(sender, waiting, today)
        deciding = Round(
            trust=self._context.trust,
            codes=self._codes,
            days=self._days,
            words=words,
            sender=sender,
            now=now,
            gate_version=gate.version,
            request_life=self._rules.request_life,
            providers_max=self._rules.providers_per_person_day_max,
        )
        found = await self._gather(sender, waiting, words, today)
        verdicts = [deciding.decide(*pair) for pair in zip(waiting, found, strict=True)]
        answers = await self._repeat(waiting, verdicts)
        answers |= await self._record(sender, waiting, verdicts, gate.version)
        return answers

    def _words(
        self, sender: str, waiting: Sequence[ReadInquiry], today: date
    ) -> dict[bytes, bytes]:
        """Return everybody asked about as they are counted today."""
        people = {read.person for read in waiting if read.person is not None}
        return {person: self._days.contact(today, sender, person) for person in people}

    async def _gather(
        self,
        sender: str,
        waiting: Sequence[ReadInquiry],
        words: Mapping[bytes, bytes],
        today: date,
    ) -> list[Found]:
        asked = [
            Asked(
                inquiry_day=read.day,
                leaf=read.leaf,
                provider=read.inquiry.provider,
                person=read.person,
                contact=words.get(read.person) if read.person is not None else None,
            )
            for read in waiting
        ]
        async with self._context.database.read() as connection:
            return await core_inquiries.gather(
                connection, inquirer=sender, asked=asked, contact_day=today
            )

    async def _repeat(
        self, waiting: Sequence[ReadInquiry], verdicts: Sequence[Verdict]
    ) -> dict[bytes, Answered | SekishoError]:
        repeated = {
            read.leaf: (read, verdict)
            for read, verdict in zip(waiting, verdicts, strict=True)
            if isinstance(verdict, Repeated)
        }
        if not repeated:
            return {}
        found = await self._context.writer.find(
            [verdict.answer.entry_id for _, verdict in repeated.values()]
        )
        return {
            leaf: self._repeated(read, verdict, found) for leaf, (read, verdict) in repeated.items()
        }

    def _repeated(
        self, read: ReadInquiry, verdict: Repeated, found: Mapping[str, Recorded]
    ) -> Answered | SekishoError:
        recorded = found.get(verdict.answer.entry_id)
        if recorded is None:
            return UnavailableError("permits: the entry of a known answer is not there")
        if not isinstance(verdict.answer, Permitted):
            metrics.PERMITS.labels(outcome="repeated").inc()
            return Answered(read=read, recorded=recorded, reason=verdict.answer.reason)
        try:
            secret = self._days.open(verdict.answer)
        except UnavailableError as error:
            return error
        metrics.PERMITS.labels(outcome="repeated").inc()
        return Answered(
            read=read,
            recorded=recorded,
            permitted=verdict.answer,
            secret=secret,
            token_begins=verdict.token_begins,
        )

    async def _record(
        self,
        sender: str,
        waiting: Sequence[ReadInquiry],
        verdicts: Sequence[Verdict],
        gate_version: int,
    ) -> dict[bytes, Answered | SekishoError]:
        fresh = [
            (read, verdict)
            for read, verdict in zip(waiting, verdicts, strict=True)
            if isinstance(verdict, Fresh)
        ]
        if not fresh:
            return {}
        try:
            self._context.witnesses.require(self._context.clock.now())
        except UnavailableError as error:
            return {read.leaf: error for read, _ in fresh}
        outcomes = await self._context.writer.append(
            [verdict.draft for _, verdict in fresh], source=sender
        )
        answers: dict[bytes, Answered | SekishoError] = {}
        is_stale = False
        for (read, verdict), outcome in zip(fresh, outcomes, strict=True):
            if isinstance(outcome, StaleDecisionError):
                is_stale = True
            elif not isinstance(outcome, EffectRefusedError):
                answers[read.leaf] = _settled(read, verdict, outcome)
        if is_stale:
            await self._context.gate.newer_than(gate_version)
        return answers

    async def _render(
        self,
        items: Sequence[ReadInquiry | SekishoError],
        answers: Mapping[bytes, Answered | SekishoError],
    ) -> PermitsAnswer:
        said = [answer for answer in answers.values() if isinstance(answer, Answered)]
        proven = await prove(self._context.writer, [answer.recorded for answer in said])
        now = self._context.clock.now()
        tokens = make_tokens(
            self._context.trust,
            self._codes,
            [
                TokenItem(
                    begins=_begins(answer, now),
                    inquiry=answer.read.inquiry,
                    permitted=answer.permitted,
                    secret=answer.secret,
                    permit_leaf=answer.recorded.leaf_hash,
                )
                for answer in said
                if answer.permitted is not None and answer.secret is not None
            ],
        )
        results = [
            _result(answers[item.leaf] if isinstance(item, ReadInquiry) else item, proven, tokens)
            for item in items
        ]
        return PermitsAnswer(groups=proven.groups, tokens=tokens.texts, results=results)


def _settled(read: ReadInquiry, verdict: Fresh, outcome: Outcome) -> Answered | SekishoError:
    if not isinstance(outcome, Recorded):
        return outcome
    metrics.PERMITS.labels(outcome=verdict.reason or "permit").inc()
    if verdict.reason == TOO_MANY_PROVIDERS:
        # Asking every town finds where a person lives: people look at this one.
        log.error(
            "too_many_providers_asked",
            organisation=read.inquiry.organisation,
            entry_id=outcome.entry_id,
        )
    return Answered(
        read=read,
        recorded=outcome,
        permitted=verdict.permitted,
        secret=verdict.secret,
        reason=verdict.reason,
        token_begins=verdict.permitted.requested_at if verdict.permitted is not None else None,
    )


def _begins(answer: Answered, now: datetime) -> datetime:
    """Return when the token begins: now, if the commit outlived the token it was meant for."""
    if answer.token_begins is None or (
        answer.permitted is not None
        and answer.token_begins == answer.permitted.requested_at
        and now >= answer.permitted.token_expires
    ):
        return now
    return answer.token_begins


def _result(answer: Answered | SekishoError, proven: Proven, tokens: Tokens) -> PermitResult:
    if not isinstance(answer, Answered):
        return PermitResult(problem=item_problem(answer))
    place = proven.reference(answer.recorded)
    if answer.permitted is None:
        return PermitResult(
            result=PermitAnswer(
                group=place.group, index=place.index, kind="refusal", reason=answer.reason
            )
        )
    permit_id = answer.permitted.permit_id
    return PermitResult(
        result=PermitAnswer(
            group=place.group,
            index=place.index,
            kind="permit",
            token=tokens.places[permit_id],
            permit_id=permit_id,
        )
    )
