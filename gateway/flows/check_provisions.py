"""Every decision of a day derived again, by somebody who can only read (`provision-checker`).

What is derived again, of every inquiry we made and every provision and delivery we gave: the law
of its law day by the signed list, assessments and the network's switches as that list states them,
bodies and classes, our own stop switches, and for provisions the flags of the person and the
release rules, each as it stood at the entry's time. List, bodies and rules are those that were kept
when they came into use (`keep_basis.py`); a version on record that was not in use then is itself a
finding. A decision and a change within `MARGIN` of each other may have met in either order, and a
directory reaches every worker within `SPREAD`, so only what stood clearly before or after counts.

What cannot be, is counted as unchecked and never guessed: what is from before the first kept basis,
or rests on one that is gone or was changed since (that is named once); answers whose month's key is
gone; what a flag or switch may have decided that has ended so long ago that it is not kept any
more. Not looked at: a replica's content, which may have changed since; whether a sampled rule
should have drawn this answer; refusals that never came to a provision; permits of the core. Flags
and switches are read from their tables, which keep when each was set and lifted; that those tables
agree with their entries is for the record log to show.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, assert_never

import structlog

from certs.errors import KeyStoreError
from codes.canonical import TOKYO, unb64
from codes.errors import CodesError
from gateway.flows.context import Context
from gateway.flows.derive import FORBIDDEN, NOT_KEPT, Against, Derive, Releases, Unchecked
from gateway.flows.record_read import OpenedEntry, RecordReader, Search
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.flows.stood import MARGIN, BasisReader
from gateway.records.entry import parse_entry
from gateway.records.errors import RecordsError
from gateway.records.kinds import Delivery, Inquiry, Provision
from gateway.storage import switches
from gateway.storage.database import Database
from gateway.storage.records import PAGE_ENTRIES_MAX
from policies.release import Automatic, HoldAnswer, RefuseAnswer

log = structlog.get_logger()

KIND: Final = "provisions-checked"
SOURCE: Final = "provision-checker"
LISTED_MAX: Final = 200
KINDS: Final = ("inquiry", "provision", "delivery")

DAMAGED: Final = "record-damaged"
BASIS_DAMAGED: Final = "basis-damaged"
HELD: Final = "given-though-held"
WITHOUT_GROUND: Final = "withheld-without-ground"
DENIED: Final = "denied-though-lawful"
NOT_HELD: Final = "delivered-without-hold"


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


class CheckProvisions:
    """The checker of one gateway. It reads as a role that may write nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self, day: date, *, by: str | None = None) -> Checked:
        """Check what was decided on a day (Tokyo), and record that it was done, by whom if asked.

        Raises `UnavailableError` when the database is gone.
        """
        checked = Checked(day=day)
        async with self._context.database.read_only() as database:
            await _check(self._context, database, checked)
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


async def _check(context: Context, database: Database, checked: Checked) -> None:
    begins = datetime.combine(checked.day, time(), TOKYO).astimezone(UTC)
    ends = begins + timedelta(days=1)
    reader = RecordReader(
        database=database, organisation=context.trust.organisation, keys=context.vault.keys
    )
    bases = await BasisReader(database, reader, context.trust).of(begins - MARGIN, ends + MARGIN)
    async with database.read() as connection:
        stood = await switches.stood(connection, begins - MARGIN, ends + MARGIN)
    checked.findings += [
        Finding(reason=BASIS_DAMAGED, kind=fault.kind, entry_id=fault.entry_id, ground=fault.what)
        for fault in bases.faults
    ]
    await _Day(reader, Derive(context, database, bases, stood), checked).check(begins, ends)


class _Day:
    """One day's entries, each held against what can have been decided."""

    def __init__(self, reader: RecordReader, derive: Derive, checked: Checked) -> None:
        self._reader = reader
        self._derive = derive
        self._checked = checked

    async def check(self, begins: datetime, ends: datetime) -> None:
        search, after = Search(since=begins, until=ends, kinds=KINDS), None
        while True:
            page = await self._reader.look(search, after=after, limit=PAGE_ENTRIES_MAX)
            for stored in page:
                try:
                    opened = self._reader.open(stored)
                except (RecordsError, KeyStoreError):
                    self._found(Against(DAMAGED), stored.kind, stored.entry_id)
                    continue
                await self._count(opened)
            if len(page) < PAGE_ENTRIES_MAX:
                return
            after = page[-1].position

    async def _count(self, opened: OpenedEntry) -> None:
        public = opened.public
        try:
            await self._one(opened)
        except Unchecked:
            self._checked.unchecked += 1
            return
        except Against as against:
            permit_id = public.permit_id if isinstance(public, Provision | Delivery) else None
            self._found(against, public.kind, public.id, permit_id)
        self._checked.checked += 1

    async def _one(self, opened: OpenedEntry) -> None:
        """Return quietly if the decision can have been right; else `Against`, or `Unchecked`."""
        public, private, moment = opened.public, opened.private, opened.stored.time
        if isinstance(public, Inquiry):
            self._derive.require_lawful(public, moment, under=public.law_version)
        elif private is None:
            raise Unchecked
        elif isinstance(public, Provision):
            await self._provision(public, private, moment)
        elif isinstance(public, Delivery) and public.outcome in {"provided", "no-information"}:
            await self._delivery(public, moment)

    async def _provision(
        self, public: Provision, private: Mapping[str, object], moment: datetime
    ) -> None:
        inquiry = _inquiry_in(private)
        if public.outcome == "denied":
            await self._denied(public, private, inquiry, moment)
            return
        self._derive.require_lawful(inquiry, moment, under=inquiry.law_version)
        rules = self._derive.rules_of(private, moment)
        if public.outcome == "failed":
            raise Unchecked
        number = private.get("unified_number")
        if not isinstance(number, str):
            return  # nobody known here: there is nothing to hold back
        said = await self._derive.releases(rules, public, moment, number)
        if public.outcome == "withheld":
            _require_ground(said)
        else:
            _require_released(said)

    async def _denied(
        self,
        public: Provision,
        private: Mapping[str, object],
        inquiry: Inquiry,
        moment: datetime,
    ) -> None:
        """Name a denial for which there was no ground: providing is a duty (法22①)."""
        rules = self._derive.rules_of(private, moment)
        if public.reason is None or public.reason in NOT_KEPT:
            raise Unchecked
        if self._derive.explains_denial(inquiry, public, moment):
            return
        number = private.get("unified_number")
        if isinstance(number, str):
            said = await self._derive.releases(rules, public, moment, number)
            if isinstance(said.strictest, RefuseAnswer):
                return
            if not said.is_sure:
                raise Unchecked
        raise Against(DENIED, public.reason)

    async def _delivery(self, public: Delivery, moment: datetime) -> None:
        """Check what people let go: there was a hold, and the law of the day it left."""
        found = await self._reader.search(
            Search(permit_id=public.permit_id, kinds=("provision",)), limit=2
        )
        provisions = [one for one in found if one.stored.leaf_hash.hex() == public.provision_leaf]
        if not provisions:
            raise Against(NOT_HELD)
        before, private = provisions[0].public, provisions[0].private
        if not isinstance(before, Provision) or before.outcome != "withheld":
            raise Against(NOT_HELD)
        if private is None:
            raise Unchecked
        self._derive.require_lawful(_inquiry_in(private), moment)

    def _found(
        self, against: Against, kind: str, entry_id: str, permit_id: str | None = None
    ) -> None:
        self._checked.findings.append(
            Finding(
                reason=against.reason,
                kind=kind,
                entry_id=entry_id,
                permit_id=permit_id,
                ground=against.ground,
            )
        )


def _require_ground(said: Releases) -> None:
    """Return quietly if the rules can have wanted people; providing is a duty (法22①)."""
    if not isinstance(said.strictest, Automatic):
        return
    if not said.is_sure:
        raise Unchecked
    raise Against(WITHOUT_GROUND)


def _require_released(said: Releases) -> None:
    """Return quietly if the rules can have let it go out by itself."""
    match said.loosest:
        case HoldAnswer(reasons=reasons):
            raise Against(HELD, reasons[0] if reasons else None)
        case RefuseAnswer(reason=reason):
            raise Against(FORBIDDEN, reason.value)
        case Automatic():
            if not said.is_sure:
                raise Unchecked
        case _ as never:
            assert_never(never)


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
