"""A member of staff corrects a record of ours by a later entry (法31①の表, 個情法90–97; TKM-09).

The entry that was wrong stays as it is. What is right stands in the private part of the new one;
its public part says which entry it is of, and the mark of 法23② where that was set or lifted. Core
and other party are told of it in the entry's own transaction, if there is a permit under which they
know the exchange. Of what never had one (a question that the law refused, a request without a
permit) nobody else holds a record, so nobody is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from certs.errors import KeyStoreError
from certs.terms import Information
from codes.canonical import parse_instant
from gateway.domain.inquiry import InquiryState
from gateway.domain.staff import Staff
from gateway.errors import ConflictError, InvalidBodyError, NotFoundError, RefusedError
from gateway.flows.context import Context
from gateway.flows.corrections_of import MEMBERS, CorrectionReader
from gateway.flows.exchange_of import ExchangeOf, code_in, exchange_of
from gateway.flows.permits_at_core import permits_at_core
from gateway.flows.record_read import OpenedEntry, RecordReader
from gateway.flows.record_types import (
    DamagedRecordError,
    Draft,
    EffectRefusedError,
    Recorded,
    SearchColumns,
    new_id,
)
from gateway.flows.sign_in_staff import SOURCE
from gateway.flows.tell_corrections import KIND, correction_row
from gateway.records.corrections import (
    CorrectionGround,
    corrected,
    own_mark,
    standing,
    unchanged,
)
from gateway.records.errors import RecordsError
from gateway.records.kinds import Inquiry, Public
from gateway.records.marks import MARKS, OwnCorrection, mark_said, standing_mark
from gateway.storage import corrections, inquiries
from gateway.storage.corrections import CorrectionMade
from gateway.storage.records import find_by_permit

CORE_KNOWS: Final = timedelta(days=80)
"""How long the core finds a permit by the inquiry's leaf; see its partitions."""
ASKED_WITHIN: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCorrection:
    """What a record shall say instead, by the names that entries have, and why."""

    members: Mapping[str, object] = field(repr=False)
    ground: CorrectionGround


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCorrection:
    """A correction as it was recorded; `told` are those who will hear of it."""

    entry_id: str
    time: str
    corrected_id: str
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """An entry with everything that counts for its correction."""

    opened: OpenedEntry
    exchange: ExchangeOf
    own: Sequence[OwnCorrection] = field(repr=False)
    """Our corrections of this exchange, the oldest first."""
    said: Sequence[OpenedEntry] = field(repr=False)
    """Our entries of this exchange, this one among them."""

    @property
    def of_it(self) -> list[OwnCorrection]:
        """The corrections of this very entry."""
        return [one for one in self.own if one.corrected_id == self.opened.stored.entry_id]


class CorrectRecords:
    """The corrections of one gateway's own records."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reader = RecordReader(
            database=context.database,
            organisation=context.trust.organisation,
            keys=context.vault.keys,
        )
        self._corrections = CorrectionReader(context.database, self._reader)

    async def correct(self, entry_id: str, new: NewCorrection, *, by: Staff) -> MadeCorrection:
        """Record what an entry shall say instead, and that core and other party are to be told.

        To correct a correction is to correct the same entry once more: the later one wins.

        Raises:
            NotFoundError: there is no such entry.
            RefusedError: kind-not-correctable, changes-nothing, or exchange-open: an inquiry
                without an answer is not over, and the correction would not reach its permit.
            InvalidBodyError: a member that no entry of this kind could show so.
            ConflictError: somebody else corrected it meanwhile.
            DamagedRecordError: the entry is not what was recorded.
        """
        try:
            case = await self._case(await self._opened(entry_id))
        except (RecordsError, KeyStoreError):
            raise DamagedRecordError("correction: an entry does not open") from None
        after = self._after(case, new.members)
        draft, told = self._draft(case, new, after, by)
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if isinstance(outcome, EffectRefusedError):
            raise ConflictError("correction: somebody else corrected it; look again")
        if not isinstance(outcome, Recorded):
            raise outcome
        return MadeCorrection(
            entry_id=outcome.entry_id,
            time=outcome.time,
            corrected_id=case.opened.stored.entry_id,
            told=told,
        )

    async def _opened(self, entry_id: str) -> OpenedEntry:
        """Return the entry, or the one that it corrects."""
        async with self._context.database.read() as connection:
            corrected_id = await corrections.corrected_by(connection, entry_id)
        found = await self._reader.find([corrected_id or entry_id])
        if not found or found[0].private is None:
            raise NotFoundError("correction: no entry of that id")
        return found[0]

    async def _case(self, opened: OpenedEntry) -> _Case:
        try:
            own_mark(opened.public)
        except RecordsError as error:
            raise RefusedError("correction: of no exchange", reason=error.reason) from None
        exchange = await exchange_of(self._reader, opened)
        if isinstance(opened.public, Inquiry) and exchange.permit_id is None:
            exchange = replace(exchange, permit_id=await self._permit_without_answer(opened))
        permits = [exchange.permit_id] if exchange.permit_id is not None else []
        own = await self._corrections.own([opened.stored.entry_id], permits)
        async with self._context.database.read() as connection:
            stored = await find_by_permit(connection, permits)
        said = {one.entry_id: self._reader.open(one) for one in stored}
        said[opened.stored.entry_id] = opened
        return _Case(opened=opened, exchange=exchange, own=own, said=list(said.values()))

    async def _permit_without_answer(self, opened: OpenedEntry) -> str | None:
        """Return the permit of an inquiry that no answer came to, as the core knows it.

        Raises `RefusedError` while it is open, and what asking the core raises.
        """
        entry_id, now = opened.stored.entry_id, self._context.clock.now()
        async with self._context.database.read() as connection:
            row = (await inquiries.find_by_entry(connection, [entry_id])).get(entry_id)
        if row is not None and row.state is InquiryState.OPEN:
            raise RefusedError("correction: not answered yet", reason="exchange-open")
        asked_at = parse_instant(opened.public.time)
        if now - asked_at > CORE_KNOWS:
            return None
        permits = await permits_at_core(
            self._context,
            [opened.stored.leaf_hash.hex()],
            since=asked_at,
            until=min(now, asked_at + ASKED_WITHIN),
        )
        return permits[0].permit_id if permits else None

    def _after(self, case: _Case, members: Mapping[str, object]) -> Public:
        """Return how the entry will read, or say why it cannot."""
        try:
            before = standing(case.opened.public, [one.members for one in case.of_it])
            after = corrected(before, members)
        except RecordsError as error:
            raise InvalidBodyError(
                "correction: no entry of this kind says that", pointer=_pointer(error)
            ) from None
        same = {*unchanged(before, after, members.keys() - set(MARKS))}
        mark = own_mark(before)
        if mark in members and members[mark] == _standing_mark(case, mark):
            same.add(mark)
        if same or not members:
            raise RefusedError("correction: it says so already", reason="changes-nothing")
        return after

    def _draft(
        self, case: _Case, new: NewCorrection, after: Public, by: Staff
    ) -> tuple[Draft, tuple[str, ...]]:
        entry_id, opened, exchange = new_id(), case.opened, case.exchange
        told = self._told(exchange)
        information: Information | None = getattr(after, "information", None)
        draft = Draft(
            entry_id=entry_id,
            kind=KIND,
            members={
                "of": opened.stored.leaf_hash.hex(),
                "permit_id": exchange.permit_id,
                "non_disclosure": new.members.get(own_mark(after)),
            },
            private={
                "entry_id": opened.stored.entry_id,
                MEMBERS: dict(new.members),
                "ground": new.ground.value,
                "staff": by.staff_id,
                "credential": by.credential_id,
            },
            search=SearchColumns(
                subject=code_in(opened),
                staff=by.staff_id,
                counterparty=exchange.counterparty,
                procedure=getattr(after, "procedure", None),
                information=information.term if information is not None else None,
                permit_id=exchange.permit_id,
            ),
            effects=(
                CorrectionMade(
                    corrected_id=opened.stored.entry_id,
                    number=len(case.of_it) + 1,
                    entry_id=entry_id,
                    permit_id=exchange.permit_id,
                ),
                *(
                    correction_row(entry_id=entry_id, permit_id=permit_id, destination=one)
                    for permit_id in ([exchange.permit_id] if exchange.permit_id else [])
                    for one in told
                ),
            ),
        )
        return draft, told

    def _told(self, exchange: ExchangeOf) -> tuple[str, ...]:
        """Return who knows the exchange beside us: nobody without a permit."""
        if exchange.permit_id is None:
            return ()
        others = {self._context.trust.core: None, exchange.counterparty: None}
        own = self._context.trust.organisation
        return tuple(one for one in others if one is not None and one != own)


def _standing_mark(case: _Case, name: str) -> int:
    return standing_mark(
        (said for one in case.said for said in mark_said(one.public, one.private, name)),
        (said for one in case.own for said in one.mark(name)),
    )


def _pointer(error: RecordsError) -> str:
    """Return where in the body the fault is: details are names of members, or `$.` paths."""
    name = error.detail.removeprefix("$").removeprefix(".")
    return f"/members/{name}".rstrip("/").replace(".", "/")
