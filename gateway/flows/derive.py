"""One decision derived again: what law, switches, flags and rules can have said at its time.

Of everything that may have stood then, the loosest reading counts for what was given and the
strictest for what was not: only what no reading explains is held against anybody. What nobody can
say any more raises `Unchecked` and is never guessed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from codes.canonical import TOKYO
from codes.numbers import UnifiedNumber
from gateway.flows.answering import CODE, LAW_CHANGED, REPLY_KEY, information_names
from gateway.flows.context import Context
from gateway.flows.flags import KEPT_AFTER_END as FLAG_KEPT
from gateway.flows.lawful import (
    LawfulInquiry,
    RefusedByLawError,
    UnknownBodyError,
    decide_statement,
    same_wording,
)
from gateway.flows.stood import MARGIN, StoodBases, StoodBasis, standing
from gateway.flows.switch_measures import KEPT_AFTER_END as SWITCH_KEPT
from gateway.records.kinds import Inquiry, Provision
from gateway.storage import flags, switches
from gateway.storage.database import Database
from gateway.storage.flags import Flag
from gateway.storage.switches import SwitchRow
from policies.release import (
    SHARE_OF,
    Release,
    ReleaseRules,
    Situation,
    evaluate,
)
from policies.release import Flag as FlagKind

FORBIDDEN: Final = "given-though-forbidden"
OTHER_LAW: Final = "given-under-other-law"
OTHER_RULES: Final = "given-under-other-rules"
NOT_KEPT: Final = frozenset({REPLY_KEY, CODE})
"""Grounds of a denial that rest on what is not kept: keys and codes."""


class Unchecked(Exception):  # noqa: N818 - not an error: a decision that nobody can derive again
    """What the decision rested on is not there any more."""


class Against(Exception):  # noqa: N818 - not an error: what the check is there to find
    """What stands against a decision."""

    def __init__(self, reason: str, ground: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ground = ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """What the rules can have said, at their loosest and at their strictest.

    `is_sure` is false where a flag that nobody keeps any more could have said something else.
    """

    loosest: Release
    strictest: Release
    is_sure: bool


class Derive:
    """Derives decisions of one period; `stood` are the switches that stood in it."""

    def __init__(
        self,
        context: Context,
        database: Database,
        bases: StoodBases,
        stood: Sequence[SwitchRow],
    ) -> None:
        self._context = context
        self._database = database
        self._bases = bases
        self._switches = stood

    def require_lawful(
        self, inquiry: Inquiry, moment: datetime, *, under: str | None = None
    ) -> None:
        """Return quietly if what was given or asked then may have been.

        `under` is the law's version it was decided under, where that is on record. Raises
        `Against` and `Unchecked`.
        """
        around = self._bases.around(moment)
        bases = [one for one in around.bases if under is None or one.row.law_version == under]
        grounds = [self._ground(one, inquiry, moment, clearly=True) for one in bases]
        if None in grounds:
            if self._is_over(moment, SWITCH_KEPT):
                raise Unchecked  # a switch may have stood that is not kept any more
            return
        if not around.is_known:
            raise Unchecked
        if not grounds:
            raise Against(OTHER_LAW)
        raise Against(FORBIDDEN, grounds[0])

    def explains_denial(self, inquiry: Inquiry, denial: Provision, moment: datetime) -> bool:
        """Tell whether law, assessments or switches may have been a ground; or raise `Unchecked`.

        Whoever denies goes by their own list, whatever list the inquiry names.
        """
        around = self._bases.around(moment)
        if any(self._denies(one, inquiry, denial, moment) for one in around.bases):
            return True
        if not around.is_known or self._is_over(moment, SWITCH_KEPT):
            raise Unchecked
        return False

    def rules_of(self, private: Mapping[str, object], moment: datetime) -> ReleaseRules:
        """Return the rules a provision was made under; raises `Against` and `Unchecked`.

        A version has one content for ever (`keep_basis.py`).
        """
        around, version = self._bases.around(moment), private.get("rules_version")
        for one in around.bases:
            if one.row.rules_version == version:
                return one.rules
        if not around.is_known:
            raise Unchecked
        raise Against(OTHER_RULES)

    async def releases(
        self, rules: ReleaseRules, public: Provision, moment: datetime, number: str
    ) -> Releases:
        """Return what the rules can have said then of an answer about this person."""
        subject = self._context.vault.subject(UnifiedNumber.parse(number))
        async with self._database.read() as connection:
            history = await flags.history(connection, subject)
        period = (moment - MARGIN, moment + MARGIN)
        clear, possible = (
            _kinds(public, standing(history, period, clearly=clearly)) for clearly in (True, False)
        )
        loosest = _said(rules, public, moment, clear, draw=SHARE_OF - 1)
        is_sure = not self._is_over(moment, FLAG_KEPT) or loosest == _said(
            rules, public, moment, frozenset(FlagKind), draw=SHARE_OF - 1
        )
        return Releases(
            loosest=loosest,
            strictest=_said(rules, public, moment, possible, draw=0),
            is_sure=is_sure,
        )

    def _ground(
        self, basis: StoodBasis, inquiry: Inquiry, moment: datetime, *, clearly: bool
    ) -> str | None:
        """Return why law, assessments or switches forbade it under this basis, or None.

        `clearly` leaves out switches that were set or lifted just then; else they count.
        """
        try:
            self._decide(basis, inquiry, moment, clearly=clearly)
        except RefusedByLawError as refused:
            return refused.reason
        except UnknownBodyError as unknown:
            return unknown.problem
        return None

    def _denies(
        self, basis: StoodBasis, inquiry: Inquiry, denial: Provision, moment: datetime
    ) -> bool:
        try:
            lawful = self._decide(basis, inquiry, moment, clearly=False)
        except (RefusedByLawError, UnknownBodyError):
            return True
        if denial.reason != LAW_CHANGED:
            return False
        parties = (denial.inquirer, self._context.trust.organisation)
        return (lawful.inquirer, lawful.provider) != parties or not same_wording(inquiry, lawful)

    def _decide(
        self, basis: StoodBasis, inquiry: Inquiry, moment: datetime, *, clearly: bool
    ) -> LawfulInquiry:
        period = (moment - MARGIN, moment + MARGIN)
        return decide_statement(
            basis,
            basis.law,
            inquiry,
            law_day=date.fromisoformat(inquiry.law_day),
            switches=switches.as_policies(
                # Their ends have been looked at, and once more would be too exact.
                replace(one, until=None)
                for one in standing(self._switches, period, clearly=clearly)
            ),
            now=moment,
        )

    def _is_over(self, moment: datetime, kept: timedelta) -> bool:
        """Tell whether a measure that stood at a moment may have been deleted meanwhile."""
        return self._context.clock.now() >= moment - MARGIN + kept


def _said(
    rules: ReleaseRules,
    public: Provision,
    moment: datetime,
    standing_flags: frozenset[FlagKind],
    *,
    draw: int,
) -> Release:
    """Return what the rules said; it may have been decided in one hour and recorded in the next."""
    said = {
        evaluate(rules, _situation(public, local, standing_flags, draw=draw))
        for local in (moment - MARGIN, moment)
    }
    if len(said) > 1:
        raise Unchecked
    return said.pop()


def _situation(
    public: Provision, moment: datetime, standing_flags: frozenset[FlagKind], *, draw: int
) -> Situation:
    local, information = moment.astimezone(TOKYO), public.information
    return Situation(
        day=local.date(),
        hour=local.hour,
        flags=standing_flags,
        information=information_names(information.term, information.scope),
        procedure=public.procedure or "",
        counterparty=public.inquirer,
        draw=draw,
    )


def _kinds(public: Provision, there: Iterable[Flag]) -> frozenset[FlagKind]:
    information = public.information
    return flags.kinds_of(there, term=information.term, items=information.items)
