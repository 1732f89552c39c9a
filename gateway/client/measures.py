"""Flags of people, and what the law's table says to a question."""

from datetime import datetime

from codes.canonical import instant
from gateway.client.calls import Calls
from gateway.wire.decisions import DecisionExplained, DecisionQuestion
from gateway.wire.flags import (
    FlagKindName,
    FlagLift,
    FlagSetAnswer,
    FlagsLookup,
    NewSubjectFlag,
    SubjectFlags,
)


class MeasureCalls(Calls):
    """What any system may do about its own flags and questions."""

    async def set_flag(
        self,
        unified_number: str,
        kind: FlagKindName,
        *,
        reason: str,
        term: str | None = None,
        item: str | None = None,
        until: datetime | None = None,
    ) -> str:
        """Set a flag and return its id; from then on every statement honours it."""
        asked = NewSubjectFlag(
            unified_number=unified_number,
            kind=kind,
            reason=reason,
            term=term,
            item=item,
            until=instant(until) if until is not None else None,
        )
        return (await self._post("/v1/subject-flags", asked)).read(FlagSetAnswer).id

    async def lift_flag(self, flag_id: str, *, reason: str) -> None:
        """Lift one of this client's flags."""
        await self._post("/v1/subject-flags:lift", FlagLift(id=flag_id, reason=reason))

    async def flags(self, unified_number: str, *, lifted: bool = False) -> SubjectFlags:
        """Return this client's flags of a person, with `lifted` those that stand no more too."""
        asked = FlagsLookup(unified_number=unified_number, lifted=lifted)
        return (await self._post("/v1/subject-flags:lookup", asked, is_safe=True)).read(
            SubjectFlags
        )

    async def explain(self, question: DecisionQuestion) -> DecisionExplained:
        """Return what the law's table says to a question; nothing is permitted by it."""
        answer = await self._post("/v1/decisions:explain", question, is_safe=True)
        return answer.read(DecisionExplained)
