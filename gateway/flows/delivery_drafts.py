"""Deliveries made into entries: what leaves once people let it go, sealed once and for good."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from codes.canonical import b64, instant, parse_instant
from gateway.flows.answering import Case, Content, Person, Provides
from gateway.flows.answers import Sealers, outcome_of
from gateway.flows.context import Context
from gateway.flows.outcomes import Outcomes
from gateway.flows.record_types import Draft, Outcome, Recorded, SearchColumns, new_id
from gateway.records.entry import payload_commitment
from gateway.storage.holds import HoldDelivered, HoldRow
from gateway.storage.outbox import OutboxEffect

KIND: Final = "delivery"
SALT_BYTES: Final = 32
DENIED: Final = "denied"


class DeliveryDrafts:
    """Makes the `delivery` entries of one gateway."""

    def __init__(self, context: Context, outcomes: Outcomes) -> None:
        self._context = context
        self._outcomes = outcomes

    def delivery(
        self,
        row: HoldRow,
        case: Case,
        person: Person,
        content: Content,
        *,
        provision_leaf: bytes,
        gate_version: int,
    ) -> Draft:
        """Return the entry of an answer that people let go, with the sealed bytes it sends."""
        members = self._members(row, case, outcome_of(content), provision_leaf)
        members["non_disclosure_provider"] = int(person.is_not_disclosed)
        private: dict[str, object] = {
            "hold_id": row.hold_id,
            "unified_number": person.unified_number,
            "code": b64(case.code.raw),
        }
        header, number, sealed = None, None, None
        if isinstance(content, Provides):
            salt = secrets.token_bytes(SALT_BYTES)
            members["payload"] = payload_commitment(salt, content.payload).hex()
            private["payload_salt"] = b64(salt)
            header, item = Sealers(self._context, row.inquirer).seal(
                case.matter.inquiry.reply_key,
                salt,
                content.payload,
                leaf=case.matter.leaf,
                permit_id=row.permit_id,
            )
            number, sealed = item.n, item.ct
        entry_id = new_id()
        effect = HoldDelivered(
            hold_id=row.hold_id,
            permit_id=row.permit_id,
            inquirer=row.inquirer,
            round=row.round,
            digest=row.digest,
            entry_id=entry_id,
            message_key=header,
            number=number,
            sealed=sealed,
        )
        return self._draft(row, case, members, private, effect, gate_version=gate_version)

    def denial(self, row: HoldRow, case: Case, provision_leaf: bytes) -> Draft:
        """Return the entry of an answer that people refused; the ground stays with us."""
        members = self._members(row, case, DENIED, provision_leaf)
        entry_id = new_id()
        effect = HoldDelivered(
            hold_id=row.hold_id,
            permit_id=row.permit_id,
            inquirer=row.inquirer,
            round=row.round,
            digest=row.digest,
            entry_id=entry_id,
            is_denial=True,
        )
        private: dict[str, object] = {"hold_id": row.hold_id, "code": b64(case.code.raw)}
        return self._draft(row, case, members, private, effect, gate_version=None)

    def tell(self, row: HoldRow, outcomes: Sequence[Outcome]) -> None:
        """Tell the core of the delivery just recorded; the inquirer hears from the outbox."""
        delivery = outcomes[-1]
        if isinstance(delivery, Recorded):
            self._outcomes.tell(row.permit_id, delivery)

    def _draft(
        self,
        row: HoldRow,
        case: Case,
        members: dict[str, object],
        private: dict[str, object],
        effect: HoldDelivered,
        *,
        gate_version: int | None,
    ) -> Draft:
        expires: datetime = row.request_expires
        keep_s = max(1.0, (expires - self._context.clock.now()).total_seconds())
        return Draft(
            entry_id=effect.entry_id,
            kind="delivery",
            members=members,
            private=private,
            search=SearchColumns(
                subject=case.code.raw,
                outcome=str(members["outcome"]),
                counterparty=row.inquirer,
                procedure=row.procedure,
                information=row.information,
                permit_id=row.permit_id,
            ),
            effects=(
                effect,
                OutboxEffect(
                    outbox_id=f"delivery-{row.permit_id}",
                    kind=KIND,
                    destination=row.inquirer,
                    body={"permit_id": row.permit_id, "hold_id": row.hold_id},
                    after_s=0.0,
                    keep_s=keep_s,
                ),
                self._outcomes.row(row.permit_id, effect.entry_id),
            ),
            gate_version=gate_version,
        )

    def _members(
        self, row: HoldRow, case: Case, outcome: str, provision_leaf: bytes
    ) -> dict[str, object]:
        permit = case.matter.permit
        return {
            "permit_id": permit.permit_id,
            "provision_leaf": provision_leaf.hex(),
            "inquirer": row.inquirer,
            "outcome": outcome,
            "inquiry_leaf": permit.inquiry_leaf,
            "subject_p": permit.subject_p,
            "inquirer_body": permit.inquirer_body,
            "provider_body": permit.provider_body,
            "department": permit.department,
            "affair": permit.affair,
            "procedure": permit.procedure,
            "information": permit.information,
            "requested_at": instant(parse_instant(permit.requested_at)),
            "law_day": permit.law_day,
            "law_version": permit.law_version,
            "non_disclosure": permit.non_disclosure,
        }
