"""An inquiry under way: the entry that says it, and what only this gateway knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from certs.terms import Condition
from codes.canonical import unb64
from gateway.flows.lawful import LawfulInquiry
from gateway.flows.record_types import Draft, Recorded, SearchColumns, new_id
from gateway.flows.vault import Vault, key_month
from gateway.records.entry import parse_entry, subject_commitment
from gateway.records.kinds import Inquiry
from gateway.storage.effects import Effect
from gateway.storage.inquiries import InquiryAskedAgain, InquiryOpened, InquiryRow

SALT_BYTES: Final = 32
DETAILS: Final = "details"
TABLE: Final = "inquiries"


class Details(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What opens the commitments of one inquiry; lives in a box and in private parts only."""

    unified_number: str
    code: str
    salt: str
    system: str
    staff: str | None = None

    def __repr__(self) -> str:
        return "Details(masked)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What of an order goes into the entry as it came."""

    department: str
    non_disclosure: bool
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInquiry:
    """A recorded inquiry that has no final answer yet."""

    inquiry_id: str
    client_id: str
    recorded: Recorded
    inquiry: Inquiry
    details: Details = field(repr=False)
    key_year: int

    @property
    def code(self) -> bytes:
        """Return the inquirer's own code for the person, raw."""
        return unb64(self.details.code)

    @property
    def salt(self) -> bytes:
        """Return the salt that opens `subject`."""
        return unb64(self.details.salt)

    @property
    def leaf(self) -> str:
        """Return the leaf hash of the inquiry's entry in hex."""
        return self.recorded.leaf_hash.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInquiry:
    """An inquiry that has been decided on and is about to be recorded."""

    inquiry_id: str
    client_id: str
    draft: Draft
    details: Details = field(repr=False)
    key_year: int

    def recorded(self, recorded: Recorded) -> OpenInquiry:
        """Return the inquiry as it stands once its entry is committed."""
        return OpenInquiry(
            inquiry_id=self.inquiry_id,
            client_id=self.client_id,
            recorded=recorded,
            inquiry=_own_inquiry(recorded),
            details=self.details,
            key_year=self.key_year,
        )


def inquiry_of(entry: bytes) -> Inquiry:
    """Return the public part of an inquiry's entry; it is our own, so another kind is a bug."""
    public = parse_entry(entry).public
    if not isinstance(public, Inquiry):
        raise TypeError("entry: not an inquiry")
    return public


def _own_inquiry(recorded: Recorded) -> Inquiry:
    public = recorded.public
    return public if isinstance(public, Inquiry) else inquiry_of(recorded.entry)


def new_inquiry(
    *,
    inquiry_id: str,
    vault: Vault,
    client_id: str,
    details: Details,
    wording: Wording,
    lawful: LawfulInquiry,
    reply_key: str,
    accepted_at: datetime,
    gate_version: int,
    effects: tuple[Effect, ...] = (),
) -> NewInquiry:
    """Return the inquiry ready to be recorded, with everything that becomes true by it."""
    entry_id = new_id()
    members = _members(details, wording, lawful, reply_key)
    opened = InquiryOpened(
        inquiry_id=inquiry_id,
        client_id=client_id,
        accepted_at=accepted_at,
        provider=lawful.provider,
        summary={name: members[name] for name in _SUMMARY},
        entry_id=entry_id,
        key_year=key_month(accepted_at),
        details_box=_box(vault, inquiry_id, key_month(accepted_at), details),
    )
    draft = _draft(
        entry_id,
        details,
        lawful,
        members,
        effects=(opened, *effects),
        gate_version=gate_version,
    )
    return NewInquiry(
        inquiry_id=inquiry_id,
        client_id=client_id,
        draft=draft,
        details=details,
        key_year=key_month(accepted_at),
    )


def asked_again(
    opened: OpenInquiry,
    *,
    vault: Vault,
    details: Details,
    lawful: LawfulInquiry,
    reply_key: str,
    gate_version: int,
) -> NewInquiry:
    """Return the same inquiry in the words of the law as it reads now, as a new entry."""
    entry_id = new_id()
    wording = Wording(
        department=opened.inquiry.department,
        non_disclosure=bool(opened.inquiry.non_disclosure),
        condition=opened.inquiry.condition,
    )
    members = _members(details, wording, lawful, reply_key)
    effect = InquiryAskedAgain(
        inquiry_id=opened.inquiry_id,
        old_entry_id=opened.recorded.entry_id,
        entry_id=entry_id,
        provider=lawful.provider,
        summary={name: members[name] for name in _SUMMARY},
        details_box=_box(vault, opened.inquiry_id, opened.key_year, details),
    )
    return NewInquiry(
        inquiry_id=opened.inquiry_id,
        client_id=opened.client_id,
        draft=_draft(
            entry_id,
            details,
            lawful,
            members,
            effects=(effect,),
            gate_version=gate_version,
        ),
        details=details,
        key_year=opened.key_year,
    )


def _draft(
    entry_id: str,
    details: Details,
    lawful: LawfulInquiry,
    members: dict[str, object],
    *,
    effects: tuple[Effect, ...],
    gate_version: int,
) -> Draft:
    return Draft(
        entry_id=entry_id,
        kind="inquiry",
        members=members,
        private=_private(details),
        search=SearchColumns(
            subject=unb64(details.code),
            staff=details.staff,
            system=details.system,
            counterparty=lawful.provider,
            procedure=lawful.permit.procedure.id,
            information=lawful.permit.term.id,
        ),
        effects=effects,
        gate_version=gate_version,
    )


def _box(vault: Vault, inquiry_id: str, month: int, details: Details) -> bytes:
    return vault.seal(TABLE, DETAILS, month, inquiry_id, msgspec.json.encode(details))


def reopen(row: InquiryRow, recorded: Recorded, vault: Vault) -> OpenInquiry:
    """Return an inquiry that another worker, or this one before, let go."""
    raw = vault.open(TABLE, DETAILS, row.key_year, row.inquiry_id, row.details_box)
    return OpenInquiry(
        inquiry_id=row.inquiry_id,
        client_id=row.client_id,
        recorded=recorded,
        inquiry=_own_inquiry(recorded),
        details=msgspec.json.decode(raw, type=Details),
        key_year=row.key_year,
    )


_SUMMARY: Final = (
    "inquirer_body",
    "provider_body",
    "department",
    "affair",
    "procedure",
    "citation",
    "information",
    "subject_role",
    "condition",
    "law_day",
)


def _members(
    details: Details, wording: Wording, lawful: LawfulInquiry, reply_key: str
) -> dict[str, object]:
    consent: Mapping[str, str] = lawful.consent
    return {
        "inquirer_body": lawful.inquirer_body,
        "provider": lawful.provider,
        "provider_body": lawful.provider_body,
        "department": wording.department,
        "affair": lawful.affair,
        "procedure": lawful.permit.procedure.id,
        "citation": lawful.citation,
        "law_version": lawful.law_version,
        "law_day": lawful.law_day.isoformat(),
        "legal_basis": lawful.legal_basis,
        "information": {
            "term": lawful.permit.term.id,
            "scope": lawful.scope,
            "items": list(lawful.permit.items),
        },
        "subject_role": lawful.subject_role,
        "condition": msgspec.to_builtins(wording.condition),
        "non_disclosure": int(wording.non_disclosure),
        "consent": dict(consent),
        "subject": subject_commitment(unb64(details.salt), unb64(details.code)).hex(),
        "reply_key": reply_key,
    }


def _private(details: Details) -> dict[str, object]:
    private: dict[str, object] = {
        "unified_number": details.unified_number,
        "code": details.code,
        "subject_salt": details.salt,
        "system": details.system,
    }
    if details.staff is not None:
        private["staff"] = details.staff
    return private
