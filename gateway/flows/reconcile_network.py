"""Our records held against the core's, both ways, over the network (法23③, PROTOCOL §7).

What can be repaired is: an outcome that the core lacks is told again, an answer that was lost is
taken in by its statement. Everything else is listed and looked at by people. A run is itself an
entry (`reconciled`).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from certs.names import CORE
from codes.canonical import instant, parse_instant
from gateway import metrics
from gateway.errors import InvalidBodyError, SekishoError
from gateway.flows.context import Context
from gateway.flows.fetch_statements import fetch_statements_of
from gateway.flows.late_answers import LateAnswers, LostAnswer, at_core
from gateway.flows.outcomes import Outcomes
from gateway.flows.receipts import Receipts
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.flows.statements import StatementInvalidError
from gateway.outbound.errors import PeerProtocolError
from gateway.records.entry import ParsedEntry, parse_entry
from gateway.records.errors import RecordsError
from gateway.records.reconcile import Difference
from gateway.records.reconcile_core import OwnRecords, compare
from gateway.storage import outbox
from gateway.storage.outbox import OutboxEffect
from gateway.storage.records import (
    PAGE_ENTRIES_MAX,
    StoredEntry,
    Wanted,
    find_by_permit,
    months_between,
    search_entries,
)
from gateway.wire.reconciliations import (
    PermitReconciled,
    ReconciliationsAnswer,
    ReconciliationsRequest,
)

log = structlog.get_logger()

KIND: Final = "reconciled"
SOURCE: Final = "reconciliation"
PATH: Final = "/v1/reconciliations"
PERIOD_MAX: Final = timedelta(days=31)
REQUEST_LIFE_MAX: Final = timedelta(days=30)
OTHERS_TIME: Final = timedelta(days=2)
"""How long after a request has expired the other party's silence says nothing yet."""
PERMITS_AT_ONCE: Final = 50
"""A page of our log holds all entries of so many permits."""
PERMITS_MAX: Final = 100_000
"""Permits of one run; where it stops, the next one goes on."""
LISTED_MAX: Final = 200
"""Differences that the entry of a run names; it counts them all."""
_ABOUT: Final = ("provision", "delivery", "receipt")


@dataclass(slots=True, kw_only=True)
class Reconciled:
    """What a run found between `begins` and `ends` (by the core's `requested_at`).

    `unfinished` permits still run: what they miss is on its way. `ends` is earlier than asked for
    where the run stopped; the next one begins there.
    """

    begins: datetime
    ends: datetime
    permits: int = 0
    unfinished: int = 0
    is_at_running: bool = False
    """Whether it stopped because what comes next still runs."""
    repaired: list[Difference] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_agreed(self) -> bool:
        """Whether nothing is left that differs."""
        return not self.differences


class Reconcile:
    """The comparison of one gateway with the core, and its repairs."""

    def __init__(self, context: Context, receipts: Receipts, outcomes: Outcomes) -> None:
        self._context = context
        self._outcomes = outcomes
        self._late = LateAnswers(context, receipts)

    async def run(
        self,
        begins: datetime,
        ends: datetime,
        *,
        by: str | None = None,
        only_over: bool = False,
        permits_max: int = PERMITS_MAX,
    ) -> Reconciled:
        """Compare and repair what was requested in a period, and record that it was done.

        `by` is who asked for it. With `only_over` it stops before the first permit that still
        runs; it stops after about `permits_max` permits in any case.

        Raises:
            InvalidBodyError: the period is none, or longer than 31 days.
            SekishoError: the core is out of reach, or answers with something else; nothing of a
                page that was not repaired before is lost, the next run finds it.
        """
        if not timedelta(0) < ends - begins <= PERIOD_MAX:
            days = PERIOD_MAX.days
            raise InvalidBodyError(f"period: more than none, {days} days at most", pointer="/ends")
        found = Reconciled(begins=begins, ends=ends)
        seen: set[bytes] = set()
        async for given in self._pages(begins, ends):
            page = self._over(given, found) if only_over else given
            for start in range(0, len(page), PERMITS_AT_ONCE):
                await self._permits(page[start : start + PERMITS_AT_ONCE], found)
            seen.update(bytes.fromhex(one.permit_id) for one in page)
            if found.is_at_running:
                break
            # What was requested in the same instant may stand on the next page.
            if len(seen) >= permits_max and (last := parse_instant(page[-1].requested_at)) > begins:
                found.ends = last
                break
        await self._unknown_there(found, seen)
        await self._record(found, by)
        return found

    async def _pages(
        self, begins: datetime, ends: datetime
    ) -> AsyncIterator[Sequence[PermitReconciled]]:
        """Yield what the core has, in the order of `requested_at`."""
        own, after, last = self._context.trust.organisation, None, begins
        while True:
            request = ReconciliationsRequest(
                begins=instant(begins), ends=instant(ends), after=after
            )
            core = self._context.trust.core
            answer = await self._context.peers.post(core, PATH, request, ReconciliationsAnswer)
            for one in answer.permits:
                requested_at = parse_instant(one.requested_at)
                if own not in (one.inquirer, one.provider):
                    raise PeerProtocolError("reconciliations: somebody else's permit")
                if not last <= requested_at < ends:
                    raise PeerProtocolError("reconciliations: out of order")
                last = requested_at
            yield answer.permits
            if answer.next is None:
                return
            if answer.next == after or not answer.permits:
                raise PeerProtocolError("reconciliations: a page without end")
            after = answer.next

    def _over(
        self, page: Sequence[PermitReconciled], found: Reconciled
    ) -> Sequence[PermitReconciled]:
        """Return the part of a page before the first permit that still runs."""
        now = self._context.clock.now()
        for place, one in enumerate(page):
            if parse_instant(one.request_expires) > now:
                found.ends, found.is_at_running = parse_instant(one.requested_at), True
                return page[:place]
        return page

    async def _permits(self, page: Sequence[PermitReconciled], found: Reconciled) -> None:
        """Compare some permits with our entries about them, and repair what can be."""
        now = self._context.clock.now()
        entries = await self._entries([one.permit_id for one in page], found)
        again: list[OutboxEffect] = []
        lost: list[LostAnswer] = []
        doubted: dict[str, list[Difference]] = {}
        for one in page:
            expires, permit = parse_instant(one.request_expires), at_core(one)
            about = entries.get(one.permit_id, [])
            own = OwnRecords(
                organisation=self._context.trust.organisation,
                entries=about,
                is_over=expires <= now,
                is_silence=expires + OTHERS_TIME <= now,
            )
            found.permits += 1
            found.unfinished += int(not own.is_over)
            leaves: set[str] = set()
            for difference in compare(own, permit):
                match difference.organisation, difference.reason, difference.leaf:
                    case (_, "outcome-missing", str(leaf)):
                        again.append(self._outcomes.row(one.permit_id, _entry_id(about, leaf)))
                        found.repaired.append(difference)
                    case (party, "receipt-missing", str(leaf)) if party == own.organisation:
                        leaves.add(leaf)
                    case (party, "provision-missing", str()) if party != own.organisation:
                        doubted.setdefault(party, []).append(difference)
                    case _:
                        found.differences.append(difference)
            if leaves:
                lost.append(
                    LostAnswer(
                        permit=permit,
                        requested_at=parse_instant(one.requested_at),
                        leaves=frozenset(leaves),
                    )
                )
        await self._tell_again(again)
        taken = await self._late.take_in(lost)
        found.repaired += taken.repaired
        found.differences += taken.differences
        for provider, differences in doubted.items():
            found.differences += await self._asked_again(provider, differences)

    async def _entries(
        self, permit_ids: Sequence[str], found: Reconciled
    ) -> dict[str, list[ParsedEntry]]:
        async with self._context.database.read() as connection:
            stored = await find_by_permit(connection, permit_ids)
        entries: dict[str, list[ParsedEntry]] = {}
        for one in stored:
            entry = self._parsed(one, found)
            permit_id: str | None = getattr(entry and entry.public, "permit_id", None)
            if entry is not None and permit_id is not None:
                entries.setdefault(permit_id, []).append(entry)
        return entries

    def _parsed(self, stored: StoredEntry, found: Reconciled) -> ParsedEntry | None:
        """Return one entry of ours, or list it: a damaged row keeps no other from being seen."""
        try:
            entry = parse_entry(stored.leaf)
        except RecordsError:
            entry = None
        if entry is not None and entry.leaf_hash == stored.leaf_hash:
            return entry
        damaged = Difference(
            organisation=self._context.trust.organisation,
            reason="record-damaged",
            leaf=stored.leaf_hash.hex(),
        )
        if damaged not in found.differences:
            found.differences.append(damaged)
        return None

    async def _tell_again(self, rows: Sequence[OutboxEffect]) -> None:
        if rows:
            async with self._context.database.read() as connection:
                await outbox.put(connection, rows)

    async def _asked_again(
        self, provider: str, differences: Sequence[Difference]
    ) -> list[Difference]:
        """Return who is wrong about answers that the core was never told of by their provider.

        Ours is a receipt with the provider's own proof: whoever still gives the statement told us
        and not the core, whoever does not denies it.
        """
        permit_ids = [one.permit_id for one in differences if one.permit_id is not None]
        try:
            stated = await fetch_statements_of(self._context, provider, permit_ids)
        except StatementInvalidError:
            return [replace(one, reason="statement-invalid") for one in differences]
        except SekishoError as error:
            log.warning("answers_not_fetched", peer=provider, problem=error.problem)
            return list(differences)
        given = {one.entry.leaf_hash.hex() for some in stated.values() for one in some}
        return [
            replace(one, organisation=CORE, reason="outcome-missing") if one.leaf in given else one
            for one in differences
        ]

    async def _unknown_there(self, found: Reconciled, seen: set[bytes]) -> None:
        """Look for what we recorded under permits that the core does not name."""
        begins, ends = found.begins, found.ends
        if begins >= ends:
            return
        until = min(ends + REQUEST_LIFE_MAX, self._context.clock.now())
        wanted = Wanted(
            since=begins, until=until, kinds=_ABOUT, months=months_between(begins, until)
        )
        after, named = None, set[str]()
        while True:
            async with self._context.database.read() as connection:
                page = await search_entries(connection, wanted, after=after, limit=PAGE_ENTRIES_MAX)
            for stored in page:
                entry = self._parsed(stored, found)
                public = entry and entry.public
                permit_id: str | None = getattr(public, "permit_id", None)
                requested_at: str | None = getattr(public, "requested_at", None)
                if permit_id is None or requested_at is None or permit_id in named:
                    continue
                is_ours = begins <= parse_instant(requested_at) < ends
                if is_ours and bytes.fromhex(permit_id) not in seen:
                    named.add(permit_id)
                    found.differences.append(
                        Difference(
                            organisation=CORE,
                            reason="permit-unknown",
                            permit_id=permit_id,
                            leaf=stored.leaf_hash.hex(),
                        )
                    )
            if len(page) < PAGE_ENTRIES_MAX:
                return
            after = page[-1].position

    async def _record(self, found: Reconciled, by: str | None) -> None:
        private: dict[str, object] = {
            "begins": instant(found.begins),
            "ends": instant(found.ends),
            "permits": found.permits,
            "unfinished": found.unfinished,
            "repaired": len(found.repaired),
            "differences": len(found.differences),
            "repaired_list": _listed(found.repaired),
            "differences_list": _listed(found.differences),
        }
        if by is not None:
            private["staff"] = by
        draft = Draft(kind=KIND, members={}, private=private, search=SearchColumns(staff=by))
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome
        for one in found.repaired:
            metrics.RECONCILIATION_REPAIRED.labels(reason=one.reason).inc()
        for one in found.differences[:LISTED_MAX]:
            log.warning(
                "records_differ",
                organisation=one.organisation,
                reason=one.reason,
                permit_id=one.permit_id,
            )


def _entry_id(entries: Sequence[ParsedEntry], leaf: str) -> str:
    return next(one.public.id for one in entries if one.leaf_hash.hex() == leaf)


def _listed(differences: Sequence[Difference]) -> list[dict[str, object]]:
    return [
        {name: value for name, value in asdict(one).items() if value is not None}
        for one in differences[:LISTED_MAX]
    ]
