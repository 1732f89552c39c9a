"""Every decision of a day derived again, by somebody who can only read (`provision-checker`).

What is derived again, of every inquiry we made and every provision and delivery we gave: the law
of its law day by the signed list, assessments and the network's switches as that list states them,
our own stop switches, and for provisions the flags of the person and the release rules, each as it
stood at the entry's time. A decision and a change within `MARGIN` of each other may have met in
either order, so only what stood clearly before or after counts.

What cannot be, is counted as unchecked and never guessed: what was decided on another version of
the list or of the rules than is in force now; bodies that have left the directory since; answers
whose month's key is gone. Not looked at: a replica's content, which may have changed since; whether
a sampled rule should have drawn this answer; refusals that never came to a provision; permits of
the core. Flags and switches are read from their tables, which keep when each was set and lifted;
that those tables agree with their entries is for the record log to show.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeAlias, TypeVar

import structlog

from certs.errors import KeyStoreError
from codes.canonical import TOKYO, unb64
from codes.errors import CodesError
from codes.numbers import UnifiedNumber
from gateway.flows.answering import CODE, LAW_CHANGED, REPLY_KEY, information_names
from gateway.flows.context import Context
from gateway.flows.lawful import RefusedByLawError, UnknownBodyError, decide_statement
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.records.entry import parse_entry
from gateway.records.errors import RecordsError
from gateway.records.kinds import Delivery, Inquiry, Provision
from gateway.storage import flags, switches
from gateway.storage.database import Database
from gateway.storage.flags import Flag
from gateway.storage.records import PAGE_ENTRIES_MAX
from gateway.storage.switches import SwitchRow
from policies.release import (
    SHARE_OF,
    Automatic,
    HoldAnswer,
    RefuseAnswer,
    Release,
    ReleaseRules,
    Situation,
    evaluate,
)

log = structlog.get_logger()

KIND: Final = "provisions-checked"
SOURCE: Final = "provision-checker"
MARGIN: Final = timedelta(seconds=30)
LISTED_MAX: Final = 200
KINDS: Final = ("inquiry", "provision", "delivery")
_NOT_LAW: Final = frozenset({LAW_CHANGED, REPLY_KEY, CODE, UnknownBodyError.problem})
"""Grounds of a denial that rest on what is not kept: keys, codes, an older list."""

DAMAGED: Final = "record-damaged"
FORBIDDEN: Final = "given-though-forbidden"
HELD: Final = "given-though-held"
WITHOUT_GROUND: Final = "withheld-without-ground"
DENIED: Final = "denied-though-lawful"
NOT_HELD: Final = "delivered-without-hold"


class Unchecked(Exception):  # noqa: N818 - not an error: a decision that nobody can derive again
    """What the decision rested on is not there any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A decision that cannot have been right; `ground` is what stood against it."""

    reason: str
    kind: str
    entry_id: str
    permit_id: str | None = None
    ground: str | None = None


@dataclass(slots=True, kw_only=True)
class Checked:
    """What a day's check found; `unchecked` could not be derived again."""

    day: date
    checked: int = 0
    unchecked: int = 0
    findings: list[Finding] = field(default_factory=list)


Period: TypeAlias = tuple[datetime, datetime]
T = TypeVar("T", Flag, SwitchRow)


class CheckProvisions:
    """The checker of one gateway. It reads through sessions that cannot write."""

    def __init__(self, context: Context, rules: ReleaseRules) -> None:
        self._context = context
        self._rules = rules

    async def run(self, day: date, *, by: str | None = None) -> Checked:
        """Check what was decided on a day (Tokyo), and record that it was done, by whom if asked.

        Raises `UnavailableError` when the database is gone.
        """
        checked = Checked(day=day)
        async with self._context.database.read_only() as database:
            await _Day(self._context, self._rules, database, checked).check()
        await self._record(checked, by)
        return checked

    async def _record(self, checked: Checked, by: str | None) -> None:
        for one in checked.findings[:LISTED_MAX]:
            log.error(
                "decision_not_derived",
                reason=one.reason,
                kind=one.kind,
                entry_id=one.entry_id,
                permit_id=one.permit_id,
            )
        private: dict[str, object] = {
            "day": checked.day.isoformat(),
            "checked": checked.checked,
            "unchecked": checked.unchecked,
            "findings": len(checked.findings),
            "findings_list": [
                {name: value for name, value in asdict(one).items() if value is not None}
                for one in checked.findings[:LISTED_MAX]
            ],
        }
        if by is not None:
            private["staff"] = by
        draft = Draft(kind=KIND, members={}, private=private, search=SearchColumns(staff=by))
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome


class _Day:
    """One day's entries, and what stood on that day."""

    def __init__(
        self, context: Context, rules: ReleaseRules, database: Database, checked: Checked
    ) -> None:
        self._context = context
        self._rules = rules
        self._database = database
        self._checked = checked
        self._switches: Sequence[SwitchRow] = ()
        self._reader = RecordReader(
            database=database,
            organisation=context.trust.organisation,
            keys=context.vault.keys,
        )

    async def check(self) -> None:
        begins = datetime.combine(self._checked.day, time(), TOKYO).astimezone(UTC)
        ends = begins + timedelta(days=1)
        async with self._database.read() as connection:
            self._switches = await switches.stood(connection, begins - MARGIN, ends + MARGIN)
        search, after = Search(since=begins, until=ends, kinds=KINDS), None
        while True:
            page = await self._reader.look(search, after=after, limit=PAGE_ENTRIES_MAX)
            for stored in page:
                try:
                    opened = self._reader.open(stored)
                except (RecordsError, KeyStoreError):
                    self._found(DAMAGED, stored.kind, stored.entry_id)
                    continue
                try:
                    await self._one(opened)
                except Unchecked:
                    self._checked.unchecked += 1
                else:
                    self._checked.checked += 1
            if len(page) < PAGE_ENTRIES_MAX:
                return
            after = page[-1].position

    async def _one(self, opened: OpenedEntry) -> None:
        public, private = opened.public, opened.private
        if isinstance(public, Inquiry):
            if ground := self._forbidden(public, opened, clearly=True):
                self._found(FORBIDDEN, public.kind, public.id, ground=ground)
        elif private is None:
            raise Unchecked
        elif isinstance(public, Provision):
            await self._provision(opened, public, private)
        elif isinstance(public, Delivery) and public.outcome in {"provided", "no-information"}:
            await self._delivery(opened, public)

    async def _provision(
        self, opened: OpenedEntry, public: Provision, private: Mapping[str, object]
    ) -> None:
        inquiry = _inquiry_in(private)
        if public.outcome == "denied":
            await self._denied(opened, public, private, inquiry)
            return
        if ground := self._forbidden(inquiry, opened, clearly=True):
            self._found(FORBIDDEN, public.kind, public.id, public.permit_id, ground)
            return
        if public.outcome == "failed":
            raise Unchecked
        number = private.get("unified_number")
        if not isinstance(number, str):
            return  # nobody known here: there is nothing to hold back
        loosest, strictest = await self._releases(opened, public, private, number)
        if public.outcome == "withheld":
            if isinstance(strictest, Automatic):
                self._found(WITHOUT_GROUND, public.kind, public.id, public.permit_id)
        elif isinstance(loosest, HoldAnswer):
            ground = loosest.reasons[0] if loosest.reasons else None
            self._found(HELD, public.kind, public.id, public.permit_id, ground)
        elif isinstance(loosest, RefuseAnswer):
            ground = loosest.reason.value
            self._found(FORBIDDEN, public.kind, public.id, public.permit_id, ground)

    async def _denied(
        self,
        opened: OpenedEntry,
        public: Provision,
        private: Mapping[str, object],
        inquiry: Inquiry,
    ) -> None:
        """Name a denial for which there was no ground: providing is a duty (法22①)."""
        if public.reason is None or public.reason in _NOT_LAW:
            raise Unchecked
        if self._forbidden(inquiry, opened, clearly=False):
            return
        number = private.get("unified_number")
        if isinstance(number, str):
            _, strictest = await self._releases(opened, public, private, number)
            if isinstance(strictest, RefuseAnswer):
                return
        self._found(DENIED, public.kind, public.id, public.permit_id, public.reason)

    async def _delivery(self, opened: OpenedEntry, public: Delivery) -> None:
        """Check what people let go: there was a hold, and the law of the day it left."""
        found = await self._reader.search(
            Search(permit_id=public.permit_id, kinds=("provision",)), limit=2
        )
        provisions = [one for one in found if one.stored.leaf_hash.hex() == public.provision_leaf]
        if not provisions:
            self._found(NOT_HELD, public.kind, public.id, public.permit_id)
            return
        before, private = provisions[0].public, provisions[0].private
        if not isinstance(before, Provision) or before.outcome != "withheld":
            self._found(NOT_HELD, public.kind, public.id, public.permit_id)
            return
        if private is None:
            raise Unchecked
        if ground := self._forbidden(_inquiry_in(private), opened, clearly=True):
            self._found(FORBIDDEN, public.kind, public.id, public.permit_id, ground)

    def _forbidden(self, inquiry: Inquiry, opened: OpenedEntry, *, clearly: bool) -> str | None:
        """Return why law, assessments or switches forbade it then, or None.

        `clearly` leaves out switches that were set or lifted just then; else they count.
        """
        trust, moment = self._context.trust, opened.stored.time
        if inquiry.law_version != trust.law.law_version:
            raise Unchecked
        period = (moment - MARGIN, moment + MARGIN)
        try:
            decide_statement(
                trust.directory,
                trust.law,
                inquiry,
                law_day=date.fromisoformat(inquiry.law_day),
                switches=switches.as_policies(
                    # Their ends have been looked at, and once more would be too exact.
                    replace(one, until=None)
                    for one in _standing(self._switches, period, clearly=clearly)
                ),
                now=moment,
            )
        except RefusedByLawError as refused:
            return refused.reason
        except UnknownBodyError:
            raise Unchecked from None
        return None

    async def _releases(
        self, opened: OpenedEntry, public: Provision, private: Mapping[str, object], number: str
    ) -> tuple[Release, Release]:
        """Return the loosest and the strictest that the rules can have said then."""
        if private.get("rules_version") != self._rules.version:
            raise Unchecked
        moment = opened.stored.time
        subject = self._context.vault.subject(UnifiedNumber.parse(number))
        async with self._database.read() as connection:
            history = await flags.history(connection, subject)
        loosest, strictest = (
            {
                evaluate(
                    self._rules,
                    _situation(
                        public,
                        local,
                        _standing(history, (moment - MARGIN, moment + MARGIN), clearly=clearly),
                        draw=draw,
                    ),
                )
                for local in (moment - MARGIN, moment)
            }
            for clearly, draw in ((True, SHARE_OF - 1), (False, 0))
        )
        if len(loosest) > 1 or len(strictest) > 1:
            raise Unchecked  # decided in one hour, perhaps, and recorded in the next
        return loosest.pop(), strictest.pop()

    def _found(
        self,
        reason: str,
        kind: str,
        entry_id: str,
        permit_id: str | None = None,
        ground: str | None = None,
    ) -> None:
        self._checked.findings.append(
            Finding(reason=reason, kind=kind, entry_id=entry_id, permit_id=permit_id, ground=ground)
        )


def _standing(measures: Iterable[T], period: Period, *, clearly: bool) -> list[T]:
    """Return what stood for the whole of a period, or else at any moment of it."""
    first, last = period if clearly else (period[1], period[0])
    return [
        one
        for one in measures
        if one.set_at <= first
        and (one.lifted_at is None or one.lifted_at > last)
        and (one.until is None or one.until > last)
    ]


def _situation(
    public: Provision, moment: datetime, standing: Iterable[Flag], *, draw: int
) -> Situation:
    local, information = moment.astimezone(TOKYO), public.information
    return Situation(
        day=local.date(),
        hour=local.hour,
        flags=flags.kinds_of(standing, term=information.term, items=information.items),
        information=information_names(information.term, information.scope),
        procedure=public.procedure or "",
        counterparty=public.inquirer,
        draw=draw,
    )


def _inquiry_in(private: Mapping[str, object]) -> Inquiry:
    """Return the inquirer's statement as the private part of a provision keeps it."""
    raw = private.get("inquiry")
    try:
        public = parse_entry(unb64(raw)).public if isinstance(raw, str) else None
    except (RecordsError, CodesError):
        public = None
    if not isinstance(public, Inquiry):
        raise Unchecked
    return public
