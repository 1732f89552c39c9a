"""The inquirer's end of a delivery: a held answer, released or refused by people, taken in.

Idempotent by permit id and acknowledged only after its receipt is committed (PROTOCOL §3, 4).
"""

from dataclasses import dataclass
from typing import Final

from gateway.domain.inquiry import InquiryState
from gateway.errors import ConflictError, NotFoundError, SekishoError
from gateway.flows.context import Context
from gateway.flows.continue_inquiry import Continuations
from gateway.flows.evidence import record_refusals, refusal_of
from gateway.flows.open_inquiry import OpenInquiry, reopen
from gateway.flows.provision_lane import Provided, opened_payload, require_same_terms
from gateway.flows.receipts import Receipts
from gateway.flows.record_types import Draft
from gateway.flows.sealed import Openers, SealedInvalidError
from gateway.flows.statements import (
    Statement,
    StatementInvalidError,
    Statements,
    received_or_fetched,
)
from gateway.records.kinds import Delivery as DeliveryEntry
from gateway.storage import inquiries
from gateway.storage.inquiries import InquiryRow
from gateway.wire.network import Acknowledged, DeliveriesRequest, Delivery

TOO_EARLY: Final = "no-provision"


class InquiryGoneError(ConflictError):
    """The inquiry has lapsed, and no hold outlives its request (命令85 41③)."""

    problem = "lapsed"


@dataclass(frozen=True, slots=True)
class _Incoming:
    """What every item of one message is checked against."""

    sender: str
    statements: Statements
    openers: Openers


class TakeDeliveries:
    """`POST /v1/deliveries` of one gateway."""

    def __init__(self, context: Context, receipts: Receipts, continuations: Continuations) -> None:
        self._context = context
        self._receipts = receipts
        self._continuations = continuations

    async def take(
        self, sender: str, request: DeliveriesRequest
    ) -> list[Acknowledged | SekishoError]:
        """Take in what `sender` delivers; one acknowledgement or refusal for each item, in order.

        Raises `StatementInvalidError` when a group does not verify: nothing is done then.
        """
        incoming = _Incoming(
            sender=sender,
            statements=await received_or_fetched(
                self._context.trust, request.groups, sender=sender
            ),
            openers=Openers(self._context.trust, request.keys, sender=sender, purpose="answer"),
        )
        async with self._context.database.read() as connection:
            rows = await inquiries.find_by_permit(
                connection, [item.permit_id for item in request.items]
            )
        answers: list[Acknowledged | SekishoError] = []
        refusals: list[Draft] = []
        for item in request.items:
            try:
                answers.append(await self._one(incoming, item, rows.get(item.permit_id)))
            except SekishoError as error:
                answers.append(error)
                if _is_evidence(error) and incoming.statements.has(item.group, item.index):
                    refusals.append(_refusal(incoming, item, error))
        await record_refusals(self._context, refusals, source=sender)
        return answers

    async def _one(
        self, incoming: _Incoming, item: Delivery, row: InquiryRow | None
    ) -> Acknowledged:
        if row is None or row.provider != incoming.sender:
            raise NotFoundError("delivery: no such inquiry with this provider")
        statement = incoming.statements.at(item.group, item.index)
        public = _delivery(statement, item, row)
        if row.state is InquiryState.LAPSED:
            raise InquiryGoneError("delivery: nobody waits for it")
        if row.answer_leaf == statement.entry.leaf_hash:
            # Delivered before: the same acknowledgement again (PROTOCOL §7).
            return Acknowledged(permit_id=item.permit_id)
        if row.state.is_final and not _is_awaited_after_withdrawal(row, public):
            raise ConflictError("delivery: answered with something else before")
        opened = await self._open(row)
        if public.inquiry_leaf not in {None, opened.leaf}:
            raise StatementInvalidError("delivery: another inquiry", reason="other-inquiry")
        if public.inquirer != self._context.trust.organisation:
            raise StatementInvalidError("delivery: another inquirer", reason="other-parties")
        require_same_terms(public, opened.inquiry)
        payload = opened_payload(
            public,
            item.sealed,
            incoming.openers,
            inquiry_leaf=opened.recorded.leaf_hash,
            permit_id=item.permit_id,
            asked=opened.inquiry,
        )
        provided = Provided(statement=statement, answer=public, payload=payload)
        await self._receipts.delivered(opened, item.permit_id, provided)
        self._continuations.ended(row.inquiry_id)
        return Acknowledged(permit_id=item.permit_id)

    async def _open(self, row: InquiryRow) -> OpenInquiry:
        found = await self._context.writer.find([row.entry_id])
        return reopen(row, found[row.entry_id], self._context.vault)


def _is_evidence(error: SekishoError) -> bool:
    """Tell whether asking again changes nothing; what only came too early is asked again."""
    return (
        isinstance(error, StatementInvalidError | SealedInvalidError | ConflictError)
        and getattr(error, "reason", None) != TOO_EARLY
    )


def _refusal(incoming: _Incoming, item: Delivery, error: SekishoError) -> Draft:
    return refusal_of(
        incoming.statements.at(item.group, item.index),
        sender=incoming.sender,
        reason=getattr(error, "reason", error.problem),
        permit_id=item.permit_id,
    )


def _is_awaited_after_withdrawal(row: InquiryRow, public: DeliveryEntry) -> bool:
    """Tell whether the back office gave the inquiry up while people held this answer."""
    is_next = row.answer_leaf is not None and public.provision_leaf == row.answer_leaf.hex()
    return row.state is InquiryState.WITHDRAWN and is_next


def _delivery(statement: Statement, item: Delivery, row: InquiryRow) -> DeliveryEntry:
    """Return the statement's public part if it is the delivery of this very provision."""
    public = statement.entry.public
    if not isinstance(public, DeliveryEntry):
        raise StatementInvalidError("delivery: another kind", reason="other-kind")
    if public.permit_id != item.permit_id:
        raise StatementInvalidError("delivery: another permit", reason="other-permit")
    if row.answer_leaf is None:
        raise StatementInvalidError("delivery: before its provision", reason=TOO_EARLY)
    if row.state is InquiryState.WITHHELD and public.provision_leaf != row.answer_leaf.hex():
        raise StatementInvalidError("delivery: another provision", reason="other-provision")
    if row.subject_p is not None and public.subject_p not in {None, row.subject_p.hex()}:
        raise StatementInvalidError("delivery: another person", reason="other-person")
    return public
