"""`POST /v1/resident-code-changes`: a changed resident-record code keeps its person (FGU-09).

The new code's look-up leads to the person the old one was; no network code changes and no
gateway hears of it. Both codes are told by the resident network alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from codes.canonical import b64
from codes.numbers import ResidentCode
from gateway.core.code_book import CodeBook, Met
from gateway.core.problems import item_problem
from gateway.errors import ConflictError, SekishoError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.storage import core_codes
from gateway.storage.core_codes import CorePersonMet
from gateway.wire.code_changes import (
    ChangeResult,
    ChangeTaken,
    ResidentCodeChangesAnswer,
    ResidentCodeChangesRequest,
)


class CodeInUseError(ConflictError):
    """The new resident-record code stands for somebody else already."""

    problem = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One person under both codes."""

    before: Met = field(repr=False)
    after: Met = field(repr=False)


class CodeChangeDesk:
    """The core's side of changed resident-record codes."""

    def __init__(self, context: Context, codes: CodeBook) -> None:
        self._context = context
        self._codes = codes

    async def answer(
        self, sender: str, request: ResidentCodeChangesRequest
    ) -> ResidentCodeChangesAnswer:
        """Return for each change that it was taken, or that the new code is somebody else's."""
        self._context.trust.require_fresh(self._context.clock.now())
        changes = [
            _Change(
                before=self._codes.meet(ResidentCode.parse(item.previous)),
                after=self._codes.meet(ResidentCode.parse(item.current)),
            )
            for item in request.items
        ]
        lookups = [met.lookup for change in changes for met in (change.before, change.after)]
        async with self._context.database.read() as connection:
            known = await core_codes.people(connection, lookups)
        results: list[ChangeTaken | SekishoError] = []
        drafts: list[tuple[int, Draft]] = []
        for place, change in enumerate(changes):
            person = known.get(change.before.lookup)
            present = known.get(change.after.lookup, person)
            if present != person:
                results.append(CodeInUseError("resident code: somebody else's"))
                continue
            results.append(ChangeTaken(known=int(person is not None)))
            if person is not None and change.after.lookup not in known:
                drafts.append((place, _draft(change, person)))
        await self._record(sender, drafts, results)
        return ResidentCodeChangesAnswer(results=[_result(result) for result in results])

    async def _record(
        self,
        sender: str,
        drafts: Sequence[tuple[int, Draft]],
        results: list[ChangeTaken | SekishoError],
    ) -> None:
        if not drafts:
            return
        outcomes = await self._context.writer.append([draft for _, draft in drafts], source=sender)
        for (place, _), outcome in zip(drafts, outcomes, strict=True):
            if isinstance(outcome, EffectRefusedError):
                results[place] = CodeInUseError("resident code: somebody else's")
            elif not isinstance(outcome, Recorded):
                results[place] = outcome


def _draft(change: _Change, person: bytes) -> Draft:
    return Draft(
        kind="resident-code-changed",
        members={},
        private={"person": b64(person)},
        search=SearchColumns(subject=person),
        effects=(CorePersonMet(lookup=change.after.lookup, person=person),),
    )


def _result(result: ChangeTaken | SekishoError) -> ChangeResult:
    if isinstance(result, SekishoError):
        return ChangeResult(problem=item_problem(result))
    return ChangeResult(result=result)
