"""A back office asks: decide, find the person's code, record, and only then go out (PROTOCOL §3).

Nothing leaves before its entry is committed, and an inquiry whose caller went away goes on.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from codes.canonical import b64
from codes.numbers import UnifiedNumber
from gateway import metrics
from gateway.domain.client import Registration
from gateway.domain.inquiry import BEFORE, InquiryState
from gateway.errors import ConflictError, IdempotencyMismatchError, NotFoundError, UnavailableError
from gateway.flows.batching import Batcher
from gateway.flows.context import Context
from gateway.flows.continue_inquiry import Continuations
from gateway.flows.lawful import Asked, RefusedByLawError, decide_asked
from gateway.flows.open_inquiry import TABLE, Details, NewInquiry, Wording, new_inquiry
from gateway.flows.receipts import RESULT
from gateway.flows.record_types import (
    Draft,
    EffectRefusedError,
    Outcome,
    Recorded,
    SearchColumns,
    StaleDecisionError,
    new_id,
)
from gateway.storage import idempotency, inquiries, network_codes
from gateway.storage.effects import Effect
from gateway.storage.idempotency import IdempotencyKept, Kept
from gateway.storage.inquiries import InquiryAcknowledged, InquiryMoved, InquiryRow

DECISIONS_MAX: Final = 5
SALT_BYTES: Final = 32
WAIT_S_MAX: Final = 30.0
IDEMPOTENCY_LIFE: Final = timedelta(days=7)


class NoCodeError(ConflictError):
    """The person has no network code here yet; it must be acquired first (法21の2)."""

    problem = "no-network-code"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """What a caller repeats to find what it began; `digest` is that of the request's body."""

    key: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryOrder:
    """What a back-office system wants to know, about whom, and on what ground."""

    unified_number: UnifiedNumber
    staff: str | None
    asked: Asked
    wording: Wording
    idempotency: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryView:
    """An inquiry as its client may see it; `result` is there once, until acknowledged."""

    row: InquiryRow
    result: dict[str, object] | None = field(default=None, repr=False)


class Inquire:
    """The asking side of one gateway."""

    def __init__(self, context: Context, continuations: Continuations) -> None:
        self._context = context
        self._continuations = continuations
        self._codes: Batcher[bytes, bytes] = Batcher(self._read_codes)
        self._kept: Batcher[tuple[str, str], Kept] = Batcher(self._read_kept)

    async def begin(
        self, order: InquiryOrder, registration: Registration, *, bulk: bool = False
    ) -> str:
        """Record the inquiry and send it on its way; returns its id.

        Raises:
            OutsideRegistrationError: the client is not registered for this.
            RefusedByLawError: the law, or a gate beside it, does not allow it (recorded).
            NoCodeError: the person has no network code here.
            IdempotencyMismatchError: the key was used with another body.
            UnavailableError: fail closed; ask again.
        """
        registration.admit_asking(department=order.wording.department)
        if order.idempotency is not None:
            known = await self._known(order.idempotency, registration)
            if known is not None:
                return known
        gate = await self._context.gate.current()
        for _ in range(DECISIONS_MAX):
            new = await self._prepare(order, registration, gate_version=gate.version)
            (outcome,) = await self._context.writer.append(
                [new.draft], source=registration.client_id
            )
            if isinstance(outcome, StaleDecisionError):
                gate = await self._context.gate.newer_than(gate.version)
                continue
            return await self._begun(order, registration, new, outcome, bulk=bulk)
        raise UnavailableError("inquiry: the gate kept moving")

    async def wait(self, inquiry_id: str, seconds: float) -> None:
        """Return when the inquiry has ended or is withheld, or when the time is up."""
        await self._continuations.wait(inquiry_id, min(seconds, WAIT_S_MAX))

    async def find(self, inquiry_id: str, registration: Registration) -> InquiryView:
        """Return a client's own inquiry, or raise `NotFoundError`."""
        row = await self._own(inquiry_id, registration)
        result = None
        if row.result_box is not None:
            raw = self._context.vault.open(
                TABLE, RESULT, row.key_year, row.inquiry_id, row.result_box
            )
            result = msgspec.json.decode(raw, type=dict[str, object])
        return InquiryView(row=row, result=result)

    async def page(
        self,
        registration: Registration,
        *,
        before: tuple[datetime, str] | None,
        state: InquiryState | None,
        limit: int,
    ) -> list[InquiryRow]:
        """Return the client's inquiries, newest first, without results."""
        async with self._context.database.read() as connection:
            return await inquiries.page(
                connection, registration.client_id, before=before, state=state, limit=limit
            )

    async def acknowledge(self, inquiry_id: str, registration: Registration) -> None:
        """Record that the back office has the result, and forget the result."""
        row = await self._own(inquiry_id, registration)
        if not row.state.is_final:
            raise ConflictError("inquiry: not finished")
        if row.acknowledged_at is None:
            effect = InquiryAcknowledged(inquiry_id=row.inquiry_id, state=row.state)
            await self._close(row, "result-acknowledged", effect, registration)

    async def withdraw(self, inquiry_id: str, registration: Registration) -> None:
        """Take an unanswered inquiry back; what is still answered is recorded and not kept."""
        row = await self._own(inquiry_id, registration)
        effect = InquiryMoved(
            inquiry_id=row.inquiry_id,
            from_states=tuple(BEFORE[InquiryState.WITHDRAWN]),
            state=InquiryState.WITHDRAWN,
        )
        if row.state.is_final or isinstance(
            await self._close(row, "inquiry-withdrawn", effect, registration), EffectRefusedError
        ):
            raise ConflictError("inquiry: finished already")
        metrics.INQUIRIES.labels(outcome=InquiryState.WITHDRAWN.value).inc()
        self._continuations.ended(row.inquiry_id)

    async def _prepare(
        self, order: InquiryOrder, registration: Registration, *, gate_version: int
    ) -> NewInquiry:
        """Decide and find the person's code: what is left is to record it."""
        now = self._context.clock.now()
        self._context.trust.require_fresh(now)
        self._context.witnesses.require(now)
        try:
            lawful = await decide_asked(self._context, order.asked, now)
        except RefusedByLawError as refused:
            await self._record_refusal(order, registration, refused)
            raise
        registration.admit_inquiry(
            procedure=lawful.permit.procedure.id,
            term=lawful.permit.term.id,
            department=order.wording.department,
        )
        code = await self._codes.get(self._context.vault.subject(order.unified_number))
        if code is None:
            raise NoCodeError("inquiry: no network code")
        details = Details(
            unified_number=order.unified_number.text,
            code=b64(self._context.vault.code(code).raw),
            salt=b64(secrets.token_bytes(SALT_BYTES)),
            system=registration.system,
            staff=order.staff,
        )
        inquiry_id = new_id()
        return new_inquiry(
            inquiry_id=inquiry_id,
            vault=self._context.vault,
            client_id=registration.client_id,
            details=details,
            wording=order.wording,
            lawful=lawful,
            reply_key=self._context.trust.reply_key(),
            accepted_at=now,
            gate_version=gate_version,
            effects=_kept(order.idempotency, registration, inquiry_id, now),
        )

    async def _begun(
        self,
        order: InquiryOrder,
        registration: Registration,
        new: NewInquiry,
        outcome: Outcome,
        *,
        bulk: bool,
    ) -> str:
        if isinstance(outcome, EffectRefusedError) and order.idempotency is not None:
            # Twice at once with one key: the other was faster.
            known = await self._known(order.idempotency, registration)
            if known is not None:
                return known
        if not isinstance(outcome, Recorded):
            raise outcome
        self._continuations.start(new.recorded(outcome), bulk=bulk)
        return new.inquiry_id

    async def _own(self, inquiry_id: str, registration: Registration) -> InquiryRow:
        """Return the row; one that is not there and one of somebody else look alike."""
        row = await self._continuations.rows.get(inquiry_id)
        if row is None or row.client_id != registration.client_id:
            raise NotFoundError("inquiry: none of this client")
        return row

    async def _known(self, key: IdempotencyKey, registration: Registration) -> str | None:
        kept = await self._kept.get((registration.client_id, key.key))
        if kept is None:
            return None
        if not hmac.compare_digest(kept.digest, key.digest):
            raise IdempotencyMismatchError("inquiry: the key stands for another body")
        return kept.inquiry_id

    async def _record_refusal(
        self, order: InquiryOrder, registration: Registration, refused: RefusedByLawError
    ) -> None:
        private: dict[str, object] = {
            "unified_number": order.unified_number.text,
            "system": registration.system,
            "asked": order.asked.as_json(),
        }
        if order.staff is not None:
            private["staff"] = order.staff
        draft = Draft(
            kind="refusal",
            members={
                "reason": refused.reason,
                "inquirer_body": order.asked.inquirer_body,
                "provider_body": order.asked.provider_body,
                "department": order.wording.department,
                "non_disclosure": int(order.wording.non_disclosure),
                "law_day": refused.law_day.isoformat(),
                "legal_basis": order.asked.legal_basis,
                "act21_2": int(refused.reason == "assessment-unpublished"),
            },
            private=private,
            search=SearchColumns(
                staff=order.staff,
                system=registration.system,
                outcome=InquiryState.REFUSED.value,
            ),
        )
        (outcome,) = await self._context.writer.append([draft], source=registration.client_id)
        if not isinstance(outcome, Recorded):
            raise outcome
        metrics.INQUIRIES.labels(outcome=InquiryState.REFUSED.value).inc()

    async def _close(
        self, row: InquiryRow, kind: str, effect: Effect, registration: Registration
    ) -> Outcome:
        """Record what the client did with its inquiry; a refused effect says it was done before."""
        draft = Draft(
            kind=kind,
            members={},
            private={"inquiry_id": row.inquiry_id, "system": registration.system},
            search=SearchColumns(system=registration.system),
            effects=(effect,),
        )
        (outcome,) = await self._context.writer.append([draft], source=registration.client_id)
        if not isinstance(outcome, Recorded | EffectRefusedError):
            raise outcome
        return outcome

    async def _read_kept(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Kept]:
        async with self._context.database.read() as connection:
            return await idempotency.find(connection, keys)

    async def _read_codes(self, subjects: Sequence[bytes]) -> dict[bytes, bytes]:
        async with self._context.database.read() as connection:
            return await network_codes.codes_of(connection, subjects)


def _kept(
    key: IdempotencyKey | None, registration: Registration, inquiry_id: str, now: datetime
) -> tuple[Effect, ...]:
    if key is None:
        return ()
    return (
        IdempotencyKept(
            client_id=registration.client_id,
            idempotency_key=key.key,
            digest=key.digest,
            inquiry_id=inquiry_id,
            expires_at=now + IDEMPOTENCY_LIFE,
        ),
    )
