"""Months of the record log end: seven years, no legal hold, two people (PROTOCOL §5, Erasure).

People agree, each by their own credential at that moment; the retention job then erases: the
database's part in one transaction, the month's key, the entry that says so. Whoever is killed in
between leaves a row by which the next turn goes on.
"""

import asyncio
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog

from certs.keystore import KeyStore
from codes.canonical import TOKYO, instant
from gateway import metrics
from gateway.clock import Clock
from gateway.domain.hold import SameApproverError
from gateway.domain.staff import Staff
from gateway.errors import ConflictError, InvalidBodyError, NotFoundError
from gateway.flows.erasure_evidence import METHOD, copies_of, fates, unreadable_from, verified
from gateway.flows.key_store_copies import KeyStoreCopies
from gateway.flows.operation_files import remove_archives
from gateway.flows.record import RecordWriter
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns, new_id
from gateway.flows.sign_in_staff import SOURCE
from gateway.storage import erasures
from gateway.storage.database import Database
from gateway.storage.effects import Effect
from gateway.storage.erasures import (
    ErasureApproved,
    ErasureCompleted,
    ErasureRefusedError,
    LegalHoldLifted,
    LegalHoldRow,
    LegalHoldSet,
    MonthErased,
    MonthRow,
)

APPROVALS_NEEDED: Final = 2
LEGAL_HOLDS_SHOWN: Final = 500
GROUND: Final = "retention-ended"
"""Why a month goes: its last entry is seven years old (令30)."""
ERASED: Final = "erased"
COMPLETED: Final = "erasure-completed"
_ERASING: Final = "erasing"
_PROPOSED: Final = "proposed"

log = structlog.get_logger()


class EraseMonths:
    """The end of the record log's months, for people and for the retention job."""

    def __init__(
        self,
        *,
        database: Database,
        writer: RecordWriter,
        keys: KeyStore,
        archives: Path,
        copies: KeyStoreCopies,
        clock: Clock,
    ) -> None:
        self._database = database
        self._archives = archives
        self._copies = copies
        self._clock = clock
        self._writer = writer
        self._keys = keys

    async def months(self) -> list[MonthRow]:
        """Return every month there was, with when it is due and how far its erasure is."""
        async with self._database.read() as connection:
            return await erasures.months(connection)

    async def erased_through(self) -> str | None:
        """Return the last month whose records nobody finds any more, as `2019-05`."""
        async with self._database.read() as connection:
            month = await erasures.erased_through(connection)
        return None if month is None else month_text(month)

    async def approve(self, month: int, *, by: Staff) -> MonthRow:
        """Count one person's agreement; with the second the retention job erases the month.

        Raises:
            NotFoundError: the log has no such month.
            ErasureRefusedError: it is not due, held, or gone already, or they may not decide.
            SameApproverError: they agreed before, or the credential did.
        """
        await self._require(month, by)
        entry_id = new_id()
        effect = ErasureApproved(
            month=month, staff_id=by.staff_id, credential_id=by.credential_id, entry_id=entry_id
        )
        private = {"month": month_text(month), "credential": by.credential_id, "ground": GROUND}
        if not await self._record("erasure-approved", private, effect, by, entry_id=entry_id):
            await self._require(month, by)
            raise ConflictError("erasure: it has changed; look again")
        return await self._month(month)

    async def legal_holds(self) -> list[LegalHoldRow]:
        """Return legal holds, newest first."""
        async with self._database.read() as connection:
            return await erasures.legal_holds(connection, limit=LEGAL_HOLDS_SHOWN)

    async def set_legal_hold(self, first: int, last: int, *, ground: str, by: Staff) -> str:
        """Keep these months whatever their age; approvals given before are void.

        Raises:
            InvalidBodyError: the last month is before the first.
        """
        if last < first:
            raise InvalidBodyError("legal hold: no month in it", pointer="/last_month")
        legal_hold_id = new_id()
        effect = LegalHoldSet(
            legal_hold_id=legal_hold_id,
            first_month=first,
            last_month=last,
            ground=ground,
            set_by=by.staff_id,
        )
        private: dict[str, object] = {
            "legal_hold_id": legal_hold_id,
            "first_month": month_text(first),
            "last_month": month_text(last),
            "ground": ground,
        }
        if not await self._record("legal-hold-set", private, effect, by):
            raise ConflictError("legal hold: of this id there is one")
        return legal_hold_id

    async def lift_legal_hold(self, legal_hold_id: str, *, by: Staff) -> None:
        """Let months go again; raises `ConflictError` if there is no such hold that stands."""
        effect = LegalHoldLifted(legal_hold_id=legal_hold_id, lifted_by=by.staff_id)
        private: dict[str, object] = {"legal_hold_id": legal_hold_id}
        if not await self._record("legal-hold-lifted", private, effect, by):
            raise ConflictError("legal hold: none of that id stands")

    async def turn(self) -> None:
        """Make the months to come, and go on with every erasure that people agreed on.

        Raises:
            CopiesUnknownError: nobody could say which copies have a month's key; it stays.
            NotErasedError: what was erased is not gone.
        """
        async with self._database.read() as connection:
            metrics.RECORD_MONTHS_READY.set(await erasures.make_months(connection))
        rows = await self.months()
        for row in rows:
            is_agreed = row.state == _PROPOSED and row.approvals >= APPROVALS_NEEDED
            if is_agreed or row.state == _ERASING:
                try:
                    await self._erase(row)
                except ErasureRefusedError as refused:
                    log.warning("month_not_erased", month=row.month, reason=refused.reason)
            elif row.state == ERASED:
                await asyncio.to_thread(self._keep_destroyed, key_id_of(row.month))
        for row in rows:
            if row.is_awaited:
                await self._complete(row)

    def _keep_destroyed(self, key_id: str) -> None:
        """End a key that came back with a copy of the key store from before its erasure."""
        if key_id in self._keys.key_ids():
            log.warning("erased_key_was_back", key_id=key_id)
            self._keys.destroy(key_id)

    async def _erase(self, row: MonthRow) -> None:
        """Erase a month, from whichever step it is at; each step may be done twice."""
        month, text, key_id = row.month, month_text(row.month), key_id_of(row.month)
        await asyncio.to_thread(self._copies.known)  # no evidence, no erasure
        async with self._database.transaction() as connection:
            sample = await erasures.sample(connection, month)
            ranges = await erasures.erase(connection, month)
        await asyncio.to_thread(self._keys.destroy, key_id)
        await asyncio.to_thread(remove_archives, self._archives, text)
        evidence = await asyncio.to_thread(
            partial(verified, month=text, key_id=key_id, sample=sample), self._keys, self._archives
        )
        # After the key is gone: whoever copied it was registered before they read it.
        copies = copies_of(await asyncio.to_thread(self._copies.known))
        entry_id = new_id()
        draft = Draft(
            entry_id=entry_id,
            kind=ERASED,
            members={},
            private={
                "month": text,
                "ended": instant(_end_of(month)),
                "key_id": key_id,
                "ground": GROUND,
                "ranges": [msgspec.structs.asdict(one) for one in ranges],
                "method": dict(METHOD),
                "approvals": list(row.approved_by),
                "verification": evidence,
                "copies": [msgspec.structs.asdict(one) for one in copies],
                "unreadable_from": unreadable_from(copies, self._clock.now()),
            },
            effects=(MonthErased(month=month, entry_id=entry_id, copies=copies),),
        )
        (outcome,) = await self._writer.append([draft], source=ERASED)
        if not isinstance(outcome, Recorded | EffectRefusedError):
            raise outcome
        log.info("month_erased", month=month, key_id=key_id)

    async def _complete(self, row: MonthRow) -> None:
        """Say that no copy has the month's key any more, once that is so."""
        register, now = await asyncio.to_thread(self._copies.known), self._clock.now()
        ended = fates(row.copies or (), register, now)
        if ended is None:
            return
        entry_id, month = new_id(), row.month
        draft = Draft(
            entry_id=entry_id,
            kind=COMPLETED,
            members={},
            private={
                "month": month_text(month),
                "key_id": key_id_of(month),
                "erased": row.entry_id,
                "copies": ended,
                "unreadable_since": max(str(one["ended_at"]) for one in ended),
            },
            effects=(ErasureCompleted(month=month, entry_id=entry_id),),
        )
        (outcome,) = await self._writer.append([draft], source=ERASED)
        if not isinstance(outcome, Recorded | EffectRefusedError):
            raise outcome
        log.info("erasure_completed", month=month, count=len(ended))

    async def _require(self, month: int, by: Staff) -> None:
        """Refuse what the database would, and say why."""
        async with self._database.read() as connection:
            reason = await erasures.refusal(
                connection, month, staff_id=by.staff_id, credential_id=by.credential_id
            )
        match reason:
            case None:
                return
            case "no-such-month":
                raise NotFoundError("erasure: the log has no such month")
            case "same-approver":
                raise SameApproverError("erasure: one person, and one credential, agrees once")
            case _:
                raise ErasureRefusedError(reason)

    async def _month(self, month: int) -> MonthRow:
        found = next((row for row in await self.months() if row.month == month), None)
        if found is None:
            raise NotFoundError("erasure: the log has no such month")
        return found

    async def _record(
        self,
        kind: str,
        private: dict[str, str] | dict[str, object],
        effect: Effect,
        by: Staff,
        *,
        entry_id: str | None = None,
    ) -> bool:
        draft = Draft(
            entry_id=entry_id or new_id(),
            kind=kind,
            members={},
            private={**private, "staff": by.staff_id},
            search=SearchColumns(staff=by.staff_id),
            effects=(effect,),
        )
        (outcome,) = await self._writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded | EffectRefusedError):
            raise outcome
        return isinstance(outcome, Recorded)


def month_text(month: int) -> str:
    """Return a month as people and the key store write it: `2019-05`."""
    return f"{month // 100:04d}-{month % 100:02d}"


def _end_of(month: int) -> datetime:
    year, number = divmod(month, 100)
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=TOKYO)


def key_id_of(month: int) -> str:
    """Return the id of the month's key."""
    return f"month/{month_text(month)}"
