"""`POST /v1/providers:lookup`: whom an inquirer could ask (命令85 40③).

The law of the day decides with the same `decide` as everywhere; bodies of the same classes are
asked once. Gates are not asked: this permits nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from certs.directory import Directory
from certs.names import GATEWAY
from certs.organisations import WITHDRAWN, Body, Organisation
from gateway.core.problems import item_problem
from gateway.errors import RefusedError
from gateway.flows.context import Context
from gateway.wire.lookups import (
    ProviderFound,
    ProvidersAnswer,
    ProvidersFound,
    ProvidersQuestion,
    ProvidersRequest,
    ProvidersResult,
)
from policies.allow_list import AllowList
from policies.decision import decide
from policies.model import ClassId, Permit, ProcedureId, Question, Refuse

PROVIDERS_MAX: Final = 10_000
NO_PROVIDER: Final = "wrong-provider"


class ProviderDesk:
    """The core's side of inquirers that do not know whom to ask."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def answer(self, sender: str, request: ProvidersRequest) -> ProvidersAnswer:
        """Return the providers for each question, or the reason why there are none."""
        now = self._context.clock.now()
        trust = self._context.trust
        trust.require_fresh(now)
        finder = _Finder(directory=trust.directory, law=trust.law, law_day=trust.law_day(now))
        return ProvidersAnswer(results=[finder.find(sender, item) for item in request.items])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finder:
    directory: Directory
    law: AllowList
    law_day: date

    def find(self, sender: str, question: ProvidersQuestion) -> ProvidersResult:
        inquirers = {self._classes(body) for body in self.directory.organisation(sender).bodies}
        decided: dict[frozenset[ClassId], str | None] = {}
        found: list[ProviderFound] = []
        for organisation, body in self._bodies():
            classes = self._classes(body)
            if classes not in decided:
                decided[classes] = self._why_not(inquirers, classes, question)
            if decided[classes] is None and len(found) < PROVIDERS_MAX:
                found.append(
                    ProviderFound(
                        organisation=organisation.name, body=body.body_code, name=body.name
                    )
                )
        if found:
            return ProvidersResult(result=ProvidersFound(providers=found))
        reasons = [reason for reason in decided.values() if reason not in (None, NO_PROVIDER)]
        refused = RefusedError("providers: none", reason=str(next(iter(reasons), NO_PROVIDER)))
        return ProvidersResult(problem=item_problem(refused))

    def _why_not(
        self,
        inquirers: set[frozenset[ClassId]],
        provider: frozenset[ClassId],
        question: ProvidersQuestion,
    ) -> str | None:
        """Return None if one of the inquirer's bodies may ask, else the first reason."""
        reason: str | None = NO_PROVIDER
        for inquirer in inquirers:
            decision = decide(
                self.law,
                Question(
                    on_day=self.law_day,
                    inquirer=inquirer,
                    provider=provider,
                    procedure=ProcedureId(question.procedure),
                    information=question.information,
                ),
            )
            match decision:
                case Permit():
                    return None
                case Refuse():
                    reason = decision.reason.value
        return reason

    def _bodies(self) -> Iterator[tuple[Organisation, Body]]:
        for organisation in self.directory.organisations.values():
            if organisation.role == GATEWAY and organisation.status != WITHDRAWN:
                for body in organisation.bodies:
                    yield organisation, body

    def _classes(self, body: Body) -> frozenset[ClassId]:
        held = self.directory.classes_of(body.body_code, self.law_day)
        return frozenset(ClassId(name) for name in held)
