"""Every answer makes a receipt: what the peer said, with its proof, beside what follows from it.

The private part keeps the peer's entry, its place and its derived audit path, so that years later
the answer still stands without asking the peer; the peer's checkpoint is stored once for all
answers under it (PROTOCOL §3, 5).
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from codes.canonical import b64, parse_instant
from gateway import metrics
from gateway.domain.inquiry import BEFORE, GIVEN_UP, InquiryState
from gateway.flows.context import Context
from gateway.flows.open_inquiry import TABLE, OpenInquiry
from gateway.flows.outcomes import Outcomes
from gateway.flows.permit_lane import Granted, HeldPermit, RefusedByCore
from gateway.flows.provision_lane import Provided
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns, new_id
from gateway.flows.statements import Statement
from gateway.records.kinds import Delivery
from gateway.storage.effects import Effect
from gateway.storage.inquiries import InquiryAnsweredLate, InquiryMoved
from gateway.storage.records import PeerCheckpointKept

log = structlog.get_logger()

RESULT: Final = "result"
FETCHED: Final = "fetched-by-reconciling"
"""The reason of a receipt whose answer was lost: the statement is there, the payload is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """How an inquiry goes on after an answer."""

    state: InquiryState
    answer: Statement
    reason: str | None = None
    permit_id: str | None = None
    permit: HeldPermit | None = None
    provided: Provided | None = None
    is_end: bool = True
    is_late: bool = False


class Receipts:
    """The writer of receipts of one gateway."""

    def __init__(self, context: Context, outcomes: Outcomes) -> None:
        self._context = context
        self._outcomes = outcomes

    async def refused(self, opened: OpenInquiry, refused: RefusedByCore) -> None:
        """Record that the core refused; nothing more comes."""
        await self._end(
            opened,
            _Ending(
                state=InquiryState.REFUSED,
                answer=refused.statement,
                reason=refused.refusal.reason,
            ),
        )

    def of_law_changed(self, opened: OpenInquiry, refused: RefusedByCore) -> Draft:
        """Return the receipt of a refusal after which the inquiry goes on under another entry."""
        ending = _Ending(
            state=InquiryState.REFUSED,
            answer=refused.statement,
            reason=refused.refusal.reason,
            is_end=False,
        )
        return self._draft(opened, ending)

    async def failed(self, opened: OpenInquiry, granted: Granted, *, reason: str) -> None:
        """Record that the provider would not take the permit; the permit is what we hold."""
        await self._end(
            opened,
            _Ending(
                state=InquiryState.FAILED,
                answer=granted.statement,
                reason=reason,
                permit_id=granted.permit.permit_id,
                permit=granted,
            ),
        )

    async def provided(self, opened: OpenInquiry, granted: Granted, provided: Provided) -> None:
        """Record the provider's answer and keep the result for the back office."""
        await self._end(
            opened,
            _Ending(
                state=InquiryState(provided.answer.outcome),
                answer=provided.statement,
                permit_id=granted.permit.permit_id,
                permit=granted,
                provided=provided,
            ),
        )

    async def delivered(self, opened: OpenInquiry, permit_id: str, provided: Provided) -> bool:
        """Record a delivered answer; tells whether it was recorded now (else: before)."""
        return await self._end(
            opened,
            _Ending(
                state=InquiryState(provided.answer.outcome),
                answer=provided.statement,
                permit_id=permit_id,
                provided=provided,
            ),
        )

    async def fetched(self, opened: OpenInquiry, held: HeldPermit, provided: Provided) -> bool:
        """Record an answer that only the statement is left of, to an inquiry given up.

        Tells whether it was recorded now; the inquiry stays as it ended.
        """
        return await self._end(
            opened,
            _Ending(
                state=InquiryState(provided.answer.outcome),
                answer=provided.statement,
                reason=FETCHED,
                permit_id=held.permit.permit_id,
                permit=held,
                provided=provided,
                is_late=True,
            ),
        )

    async def _end(self, opened: OpenInquiry, ending: _Ending) -> bool:
        draft = self._draft(opened, ending)
        (outcome,) = await self._context.writer.append([draft], source=opened.client_id)
        if isinstance(outcome, EffectRefusedError) and not ending.is_late:
            # Withdrawn or lapsed meanwhile: the provider has provided, so we have received (法23).
            return await self._end(opened, replace(ending, is_late=True))
        if isinstance(outcome, EffectRefusedError):
            # Another worker, or another way, was faster: the answer is recorded already.
            log.info("receipt_was_there", inquiry_id=opened.inquiry_id)
            return False
        if not isinstance(outcome, Recorded):
            raise outcome
        if ending.is_late:
            log.info("receipt_after_the_end", inquiry_id=opened.inquiry_id)
        else:
            metrics.INQUIRIES.labels(outcome=ending.state.value).inc()
        if ending.permit_id is not None:
            self._outcomes.tell(ending.permit_id, outcome)
        return True

    def _draft(self, opened: OpenInquiry, ending: _Ending) -> Draft:
        entry_id, members = new_id(), self._members(opened, ending)
        effects: list[Effect] = [checkpoint_kept(ending.answer)]
        if ending.is_late:
            effects.append(_answered_late(opened, ending))
        elif ending.is_end:
            effects.append(self._moved(opened, ending))
        if ending.permit_id is not None:
            effects.append(self._outcomes.row(ending.permit_id, entry_id))
        inquiry = opened.inquiry
        return Draft(
            entry_id=entry_id,
            kind="receipt",
            members=members,
            private=self._private(opened, ending),
            search=SearchColumns(
                subject=opened.code,
                staff=opened.details.staff,
                system=opened.details.system,
                outcome=str(members["outcome"]),
                counterparty=inquiry.provider,
                procedure=inquiry.procedure,
                information=inquiry.information.term,
                permit_id=ending.permit_id,
            ),
            effects=tuple(effects),
        )

    def _members(self, opened: OpenInquiry, ending: _Ending) -> dict[str, object]:
        inquiry, public = opened.inquiry, ending.answer.entry.public
        members: dict[str, object] = {
            "inquiry_leaf": opened.leaf,
            "peer": public.organisation,
            "answer_leaf": ending.answer.entry.leaf_hash.hex(),
            "outcome": ending.state.value,
            "inquirer_body": inquiry.inquirer_body,
            "provider_body": inquiry.provider_body,
            "department": inquiry.department,
            "affair": inquiry.affair,
            "procedure": inquiry.procedure,
            "law_day": inquiry.law_day,
            "law_version": inquiry.law_version,
            "legal_basis": inquiry.legal_basis,
            "information": inquiry.information,
            "non_disclosure": inquiry.non_disclosure,
        }
        if ending.reason is not None:
            members["reason"] = ending.reason
            members["act21_2"] = int(ending.reason == "assessment-unpublished")
        if ending.permit_id is not None:
            members["permit_id"] = ending.permit_id
        members |= _from_answer(ending.provided)
        if ending.permit is not None:
            members["requested_at"] = ending.permit.permit.requested_at
        return members

    def _private(self, opened: OpenInquiry, ending: _Ending) -> dict[str, object]:
        answer = ending.answer
        private: dict[str, object] = {
            "unified_number": opened.details.unified_number,
            "code": opened.details.code,
            "system": opened.details.system,
            "answer": b64(answer.entry.raw),
            "answer_index": answer.index,
            # The audit path, leaf to root: its 32-byte hashes one after another.
            "answer_path": b64(b"".join(answer.audit_path())),
            "answer_checkpoint": hashlib.sha256(answer.note.encode()).hexdigest(),
        }
        if opened.details.staff is not None:
            private["staff"] = opened.details.staff
        if ending.permit is not None and ending.permit.statement is not answer:
            private["permit"] = b64(ending.permit.statement.entry.raw)
        return private

    def _moved(self, opened: OpenInquiry, ending: _Ending) -> InquiryMoved:
        payload = ending.provided.payload if ending.provided is not None else None
        permit = ending.permit.permit if ending.permit is not None else None
        return InquiryMoved(
            inquiry_id=opened.inquiry_id,
            from_states=tuple(state.value for state in BEFORE[ending.state]),
            state=ending.state.value,
            reason=ending.reason,
            permit_id=ending.permit_id,
            permit_leaf=(
                ending.permit.statement.entry.leaf_hash if ending.permit is not None else None
            ),
            subject_p=bytes.fromhex(permit.subject_p) if permit is not None else None,
            answer_leaf=ending.answer.entry.leaf_hash,
            request_expires=_instant(permit.request_expires if permit is not None else None),
            result_box=(
                self._context.vault.seal(TABLE, RESULT, opened.key_year, opened.inquiry_id, payload)
                if payload is not None
                else None
            ),
        )


def _answered_late(opened: OpenInquiry, ending: _Ending) -> InquiryAnsweredLate:
    permit = ending.permit.permit if ending.permit is not None else None
    answer = ending.provided.answer if ending.provided is not None else None
    return InquiryAnsweredLate(
        inquiry_id=opened.inquiry_id,
        states=tuple(GIVEN_UP),
        answer_leaf=ending.answer.entry.leaf_hash,
        follows=bytes.fromhex(answer.provision_leaf) if isinstance(answer, Delivery) else None,
        permit_id=ending.permit_id,
        permit_leaf=(
            ending.permit.statement.entry.leaf_hash if ending.permit is not None else None
        ),
        subject_p=bytes.fromhex(permit.subject_p) if permit is not None else None,
        request_expires=_instant(permit.request_expires if permit is not None else None),
    )


def checkpoint_kept(statement: Statement) -> PeerCheckpointKept:
    """Return the effect that stores the peer's checkpoint, once however often it comes."""
    checkpoint = statement.checkpoint.checkpoint
    return PeerCheckpointKept(
        hash=hashlib.sha256(statement.note.encode()).digest(),
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        note=statement.note,
    )


def _from_answer(provided: Provided | None) -> dict[str, object]:
    """Return what the provider's own statement says of the exchange (法23①②)."""
    if provided is None:
        return {}
    answer = provided.answer
    members: dict[str, object] = {"provided_at": answer.provided_at or answer.time}
    if answer.payload is not None:
        members["payload"] = answer.payload
    if answer.non_disclosure_provider is not None:
        members["non_disclosure_provider"] = answer.non_disclosure_provider
    if isinstance(answer, Delivery) and answer.requested_at is not None:
        members["requested_at"] = answer.requested_at
    return members


def _instant(text: str | None) -> datetime | None:
    return parse_instant(text) if text is not None else None
