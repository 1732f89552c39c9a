"""Verdicts made into entries: commitments, sealed bytes, and everything that becomes true by them.

One message key for each key that answers are sealed to; a decision that is made again takes a new
one, so that the same key and number never meet two plaintexts (PROTOCOL §1 *Sealing*).
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from certs.sealing import MessageSealer, SealedItem, pack_answer
from codes.canonical import b64, canonical_json, parse_instant
from gateway.flows.answering import (
    Content,
    Decided,
    Denied,
    Held,
    NoInformation,
    Provides,
)
from gateway.flows.context import Context
from gateway.flows.outcomes import Outcomes
from gateway.flows.presented import Presented
from gateway.flows.receipts import checkpoint_kept
from gateway.flows.record_types import Draft, SearchColumns, new_id
from gateway.flows.vault import key_month
from gateway.records.entry import payload_commitment
from gateway.storage.effects import Effect
from gateway.storage.holds import HoldOpened
from gateway.storage.provisions import PermitUsed

SALT_BYTES: Final = 32
HOLDS: Final = "holds"
CASE: Final = "case"
_PREVIEW_LABEL: Final = b"sekisho/preview/v1\0"


class HeldCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a held answer is made from again: kept in a box until the hold has ended."""

    inquiry: str
    inquirer: str
    permit: dict[str, object]
    code: str
    salt: str

    def __repr__(self) -> str:
        return "HeldCase(masked)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One provision ready to be recorded, with what is sent once it is."""

    outcome: str
    draft: Draft
    message_key: dict[str, str] | None = field(default=None, repr=False)
    number: int | None = None
    sealed: bytes | None = field(default=None, repr=False)


class Sealers:
    """The message keys of one message, one for each key that answers are sealed to."""

    def __init__(self, context: Context, recipient: str) -> None:
        self._context = context
        self._recipient = recipient
        self._by_key: dict[str, MessageSealer] = {}

    def seal(
        self, reply_key: str, salt: bytes, payload: bytes, *, leaf: bytes, permit_id: str
    ) -> tuple[dict[str, str], SealedItem]:
        """Return the header of the message key and the payload sealed under it."""
        sealer = self._by_key.get(reply_key)
        if sealer is None:
            trust = self._context.trust
            sealer = self._by_key[reply_key] = MessageSealer.start(
                "answer",
                network=trust.network,
                sender=trust.organisation,
                recipient=self._recipient,
                public_key=trust.directory.sealing_key(self._recipient, reply_key).public,
            )
        item = sealer.seal(pack_answer(salt, payload), inquiry_leaf=leaf, permit_id=permit_id)
        return sealer.header.to_json(), item


class Answers:
    """Makes provisions of verdicts."""

    def __init__(self, context: Context, outcomes: Outcomes, *, rules_version: str) -> None:
        self._context = context
        self._outcomes = outcomes
        self._rules_version = rules_version

    def of(
        self,
        presented: Sequence[Presented],
        decided: Sequence[Decided],
        *,
        gate_version: int,
        now: datetime,
    ) -> list[Answer]:
        """Return one answer for each verdict of one sender's message, in order."""
        sealers = Sealers(self._context, presented[0].matter.inquirer)
        return [
            self._answer(one, verdict, sealers, gate_version=gate_version, now=now)
            for one, verdict in zip(presented, decided, strict=True)
        ]

    def _answer(
        self,
        presented: Presented,
        decided: Decided,
        sealers: Sealers,
        *,
        gate_version: int,
        now: datetime,
    ) -> Answer:
        matter, verdict = decided.matter, decided.verdict
        outcome = outcome_of(verdict)
        entry_id = new_id()
        members = self._members(decided, outcome)
        private = self._private(presented, decided)
        header: dict[str, str] | None = None
        item: SealedItem | None = None
        if isinstance(verdict, Provides):
            salt = secrets.token_bytes(SALT_BYTES)
            members["payload"] = payload_commitment(salt, verdict.payload).hex()
            private["payload_salt"] = b64(salt)
            header, item = sealers.seal(
                matter.inquiry.reply_key,
                salt,
                verdict.payload,
                leaf=matter.leaf,
                permit_id=matter.permit_id,
            )
        number, sealed = (item.n, item.ct) if item is not None else (None, None)
        effects: list[Effect] = [
            PermitUsed(
                day=matter.day,
                permit_id=matter.permit_id,
                inquirer=matter.inquirer,
                inquiry_day=matter.inquiry_day,
                inquiry_leaf=matter.leaf,
                outcome=outcome,
                entry_id=entry_id,
                message_key=header,
                number=number,
                sealed=sealed,
            ),
            checkpoint_kept(presented.statement),
            self._outcomes.row(matter.permit_id, entry_id),
        ]
        if isinstance(verdict, Held):
            effects.append(self._hold(presented, decided, verdict, entry_id=entry_id, now=now))
        draft = Draft(
            entry_id=entry_id,
            kind="provision",
            members=members,
            private=private,
            search=self._search(decided, outcome),
            effects=tuple(effects),
            gate_version=gate_version,
        )
        return Answer(
            outcome=outcome, draft=draft, message_key=header, number=number, sealed=sealed
        )

    def _members(self, decided: Decided, outcome: str) -> dict[str, object]:
        matter, permit = decided.matter, decided.matter.permit
        members: dict[str, object] = {
            "permit_id": permit.permit_id,
            "permit_leaf": permit.permit_leaf,
            "inquiry_leaf": permit.inquiry_leaf,
            "inquirer": matter.inquirer,
            "outcome": outcome,
            "requested_at": permit.requested_at,
            "request_expires": permit.request_expires,
            "subject_p": permit.subject_p,
            "inquirer_body": permit.inquirer_body,
            "provider_body": permit.provider_body,
            "department": permit.department,
            "affair": permit.affair,
            "procedure": permit.procedure,
            "citation": permit.citation,
            "information": permit.information,
            "subject_role": permit.subject_role,
            "condition": permit.condition,
            "law_version": permit.law_version,
            "law_day": permit.law_day,
            "legal_basis": matter.inquiry.legal_basis,
            "non_disclosure": permit.non_disclosure,
            "non_disclosure_provider": _provider_mark(decided),
        }
        if isinstance(decided.verdict, Denied):
            members["reason"] = decided.verdict.reason
            members["act21_2"] = int(decided.verdict.reason == "assessment-unpublished")
        return members

    def _private(self, presented: Presented, decided: Decided) -> dict[str, object]:
        statement = presented.statement
        private: dict[str, object] = {
            "inquiry": b64(statement.entry.raw),
            "inquiry_index": statement.index,
            # The audit path, leaf to root: its 32-byte hashes one after another.
            "inquiry_path": b64(b"".join(statement.audit_path())),
            "inquiry_checkpoint": hashlib.sha256(statement.note.encode()).hexdigest(),
            "rules_version": self._rules_version,
        }
        if decided.case is not None:
            private["code"] = b64(decided.case.code.raw)
            private["subject_p_salt"] = b64(decided.case.salt)
        if decided.person is not None:
            private["unified_number"] = decided.person.unified_number
            private["replica_generations"] = [
                record.generation for record in decided.person.records
            ]
            private["flags"] = sorted(flag.kind for flag in decided.person.flags)
        if isinstance(decided.verdict, Held):
            private["hold_reasons"] = list(decided.verdict.hold.reasons)
        return private

    def _search(self, decided: Decided, outcome: str) -> SearchColumns:
        permit = decided.matter.permit
        return SearchColumns(
            subject=decided.case.code.raw if decided.case is not None else None,
            outcome=outcome,
            counterparty=decided.matter.inquirer,
            procedure=permit.procedure,
            information=permit.information.term,
            permit_id=permit.permit_id,
        )

    def _hold(
        self, presented: Presented, decided: Decided, held: Held, *, entry_id: str, now: datetime
    ) -> HoldOpened:
        matter, permit = decided.matter, decided.matter.permit
        if decided.case is None or decided.person is None:
            raise TypeError("a hold without a person")
        expires = parse_instant(permit.request_expires)
        case = HeldCase(
            inquiry=b64(presented.statement.entry.raw),
            inquirer=matter.inquirer,
            permit=msgspec.to_builtins(permit),
            code=b64(decided.case.code.raw),
            salt=b64(decided.case.salt),
        )
        hold_id = new_id()
        return HoldOpened(
            hold_id=hold_id,
            permit_id=permit.permit_id,
            day=matter.day,
            inquirer=matter.inquirer,
            procedure=permit.procedure,
            information=permit.information.term,
            subject=decided.person.subject,
            entry_id=entry_id,
            approvals_needed=held.hold.approvals,
            reasons=held.hold.reasons,
            opened_at=now,
            # No hold outlives the notice (命令85 41③).
            deadline=min(expires, now + held.hold.deadline),
            request_expires=expires,
            key_year=key_month(now),
            case_box=self._context.vault.seal(
                HOLDS, CASE, key_month(now), hold_id, msgspec.json.encode(case)
            ),
            digest=preview_digest(
                held.content,
                recipient=matter.inquirer,
                permit_id=permit.permit_id,
                scope=permit.information.scope,
            ),
        )


def outcome_of(verdict: object) -> str:
    """Return the word a provision says: provided, no-information, withheld, denied."""
    match verdict:
        case Provides():
            return "provided"
        case NoInformation():
            return "no-information"
        case Held():
            return "withheld"
        case _:
            return "denied"


def preview_digest(content: Content, *, recipient: str, permit_id: str, scope: str) -> bytes:
    """Return what people approve: plaintext, recipient, permit and information, in one hash."""
    payload = content.payload if isinstance(content, Provides) else b""
    named = canonical_json(
        {
            "outcome": outcome_of(content),
            "recipient": recipient,
            "permit_id": permit_id,
            "scope": scope,
            "payload": hashlib.sha256(payload).hexdigest(),
        }
    )
    return hashlib.sha256(_PREVIEW_LABEL + named).digest()


def _provider_mark(decided: Decided) -> int:
    """Return our mark (法23②); a withheld answer carries no reason on the wire, so not this."""
    if isinstance(decided.verdict, Held) or decided.person is None:
        return 0
    return int(decided.person.is_not_disclosed)
