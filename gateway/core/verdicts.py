"""What the core says to one inquiry, and the entry that says it (PROTOCOL §3 *Order of checks*).

The statement has been verified and opened. Then: known answer, law of the day, allow list and
gates, providers asked about the person today, and last whether the provider has a code; the first
that fails is the reason.
"""

import secrets
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from certs.directory import Directory
from certs.errors import CertsError
from certs.names import GATEWAY
from certs.organisations import WITHDRAWN
from certs.permits import LIFETIME_S
from codes.canonical import b64, instant, tokyo_day
from gateway.core.code_book import CodeBook
from gateway.core.day_book import DayBook, PermitSecret
from gateway.core.inquiries import ReadInquiry
from gateway.flows.lawful import (
    LawfulInquiry,
    RefusedByLawError,
    UnknownBodyError,
    decide_statement,
    same_wording,
)
from gateway.flows.record_types import Draft, SearchColumns, new_id
from gateway.flows.trust import Trust
from gateway.records.entry import SALT_BYTES, subject_commitment
from gateway.records.kinds import Inquiry
from gateway.storage.core_inquiries import CoreInquiryAnswered, Found, Permitted, Refused
from gateway.storage.outbox import OutboxEffect

LAW_CHANGED: Final = "law-changed"
TOO_MANY_PROVIDERS: Final = "too-many-providers"
NO_CODE: Final = "no-code"
REQUEST_EXPIRED: Final = "request-expired"
WRONG_INQUIRER: Final = "wrong-inquirer"
WRONG_PROVIDER: Final = "wrong-provider"
UNKNOWN_REPLY_KEY: Final = "unknown-reply-key"
ASSESSMENT: Final = "assessment-unpublished"
NOTICE: Final = "notice"

_TOLD_FROM_INQUIRY: Final = (
    "inquirer_body",
    "provider_body",
    "department",
    "affair",
    "procedure",
    "citation",
    "information",
    "subject_role",
    "condition",
    "non_disclosure",
    "law_version",
    "law_day",
    "legal_basis",
)
"""What permit and refusal repeat of the inquiry (法23①)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """An answer to be recorded: a permit with what its token needs, or a refusal."""

    draft: Draft
    permitted: Permitted | None = None
    secret: PermitSecret | None = field(default=None, repr=False)
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """The answer that was given before; a permit's token may have lived on."""

    answer: Permitted | Refused
    token_begins: datetime | None = None


Verdict: TypeAlias = Fresh | Repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One message's decisions on one version of directory, allow list and gate.

    `words` are the people asked about, each as counted today.
    """

    trust: Trust
    codes: CodeBook
    days: DayBook
    words: Mapping[bytes, bytes] = field(repr=False)
    sender: str
    now: datetime
    gate_version: int
    request_life: timedelta
    providers_max: int
    _contacts: dict[bytes, set[str]] = field(
        default_factory=lambda: defaultdict(set), init=False, repr=False
    )
    _lawful: dict[tuple[object, ...], LawfulInquiry | str] = field(
        default_factory=dict, init=False, repr=False
    )

    def decide(self, read: ReadInquiry, found: Found) -> Verdict:
        """Return the answer to one inquiry."""
        if isinstance(found.answer, Refused):
            return Repeated(answer=found.answer)
        if found.answer is not None:
            return self._again(read, found.answer)
        reason = read.refusal or self._unlawful(read.inquiry)
        if reason is not None or read.person is None:
            return self._refuse(read, reason or NO_CODE)
        asked = self._contacts[read.person]
        asked |= found.contacts
        if read.inquiry.provider not in asked and len(asked) >= self.providers_max:
            return self._refuse(read, TOO_MANY_PROVIDERS)
        asked.add(read.inquiry.provider)
        if not found.has_code:
            return self._refuse(read, NO_CODE, is_contact=True)
        return self._permit(read, read.person)

    def _again(self, read: ReadInquiry, permitted: Permitted) -> Verdict:
        """Return a permit once more: as it was while its token lives, later in a new token."""
        if self.now < permitted.token_expires:
            begun = permitted.token_expires - timedelta(seconds=LIFETIME_S)
            return Repeated(answer=permitted, token_begins=begun)
        reason = (
            REQUEST_EXPIRED
            if self.now >= permitted.request_expires
            else self._unlawful(read.inquiry)
        )
        if reason is None:
            return Repeated(answer=permitted, token_begins=self.now)
        return self._refuse(read, reason, repeated=permitted)

    def _unlawful(self, inquiry: Inquiry) -> str | None:
        """Return why the law of the day does not allow the inquiry as it is worded."""
        trust, law_day = self.trust, self.trust.law_day(self.now)
        if inquiry.law_day != law_day.isoformat() or inquiry.law_version != trust.law.law_version:
            return LAW_CHANGED
        lawful = self._decided(inquiry)
        if isinstance(lawful, str):
            return lawful
        if not same_wording(inquiry, lawful):
            return LAW_CHANGED
        if lawful.inquirer != self.sender:
            return WRONG_INQUIRER
        if lawful.provider != inquiry.provider or not _provides(trust.directory, lawful.provider):
            return WRONG_PROVIDER
        return self._unanswerable(inquiry)

    def _decided(self, inquiry: Inquiry) -> LawfulInquiry | str:
        """Return allow list's and gates' answer; inquiries in the same words are asked once."""
        key = (
            inquiry.inquirer_body,
            inquiry.provider_body,
            inquiry.procedure,
            inquiry.information,
            inquiry.subject_role,
            inquiry.legal_basis,
            inquiry.consent,
        )
        known = self._lawful.get(key)
        if known is None:
            known = self._lawful[key] = self._decide_lawfully(inquiry)
        return known

    def _decide_lawfully(self, inquiry: Inquiry) -> LawfulInquiry | str:
        trust = self.trust
        try:
            return decide_statement(
                trust.directory,
                trust.law,
                inquiry,
                law_day=trust.law_day(self.now),
                switches=(),  # those of the network stand in the allow list itself
                now=self.now,
            )
        except RefusedByLawError as refused:
            return refused.reason
        except UnknownBodyError as unknown:
            return unknown.problem

    def _unanswerable(self, inquiry: Inquiry) -> str | None:
        """Return why no answer could be sealed: the reply key must be the inquirer's own."""
        try:
            self.trust.directory.sealing_key(self.sender, inquiry.reply_key, at=self.now)
        except CertsError:
            return UNKNOWN_REPLY_KEY
        return None

    def _permit(self, read: ReadInquiry, person: bytes) -> Fresh:
        inquiry, provider = read.inquiry, read.inquiry.provider
        code, salt = self.codes.code_of(person, provider), secrets.token_bytes(SALT_BYTES)
        permit_id, entry_id = new_id(), new_id()
        subject_p = subject_commitment(salt, code.raw)
        request_expires = self.now + self.request_life
        secret = PermitSecret(person=person, salt=salt)
        effect = CoreInquiryAnswered(
            inquiry_day=read.day,
            inquirer=self.sender,
            leaf=read.leaf,
            entry_id=entry_id,
            provider=provider,
            requested_at=self.now,
            permit_id=permit_id,
            sealed=self.days.seal(secret, day=read.day, inquirer=self.sender, leaf=read.leaf),
            subject_p=subject_p,
            token_expires=token_expiry(self.now),
            request_expires=request_expires,
            contact_day=tokyo_day(self.now),
            contact=self.words[person],
            providers_max=self.providers_max,
        )
        members = _told(inquiry) | {
            "consent": inquiry.consent,
            "permit_id": permit_id,
            "inquirer": self.sender,
            "provider": provider,
            "inquiry_leaf": read.leaf.hex(),
            "requested_at": instant(self.now),
            "request_expires": instant(request_expires),
            "subject_p": subject_p.hex(),
            "directory_version": self.trust.directory.version,
            "allow_list": self.trust.directory.allow_list_digest,
        }
        draft = Draft(
            entry_id=entry_id,
            kind="permit",
            members=members,
            private=_private(read, person) | {"subject_p_salt": b64(salt)},
            search=self._search(read, outcome="permit", permit_id=permit_id),
            effects=(effect, notice_row(permit_id, effect, self.request_life)),
            gate_version=self.gate_version,
        )
        return Fresh(draft=draft, permitted=_permitted(effect), secret=secret)

    def _refuse(
        self,
        read: ReadInquiry,
        reason: str,
        *,
        is_contact: bool = False,
        repeated: Permitted | None = None,
    ) -> Fresh:
        """Return a refusal; one of a repeated permit changes nothing of the first answer."""
        inquiry, entry_id = read.inquiry, new_id()
        permit_id = repeated.permit_id if repeated is not None else None
        contact = self.words[read.person] if is_contact and read.person is not None else None
        members = _told(inquiry) | {
            "reason": reason,
            "of": read.leaf.hex(),
            "counterparty": self.sender,
            "inquirer": self.sender,
            "provider": inquiry.provider,
            "requested_at": instant(self.now),
            "act21_2": int(reason == ASSESSMENT),
        }
        if permit_id is not None:
            members["permit_id"] = permit_id
        answered = CoreInquiryAnswered(
            inquiry_day=read.day,
            inquirer=self.sender,
            leaf=read.leaf,
            entry_id=entry_id,
            provider=inquiry.provider,
            requested_at=self.now,
            reason=reason,
            contact_day=tokyo_day(self.now) if contact is not None else None,
            contact=contact,
            providers_max=self.providers_max,
        )
        draft = Draft(
            entry_id=entry_id,
            kind="refusal",
            members=members,
            private=_private(read, read.person),
            search=self._search(read, outcome=reason, permit_id=permit_id),
            effects=(answered,) if read.is_kept and repeated is None else (),
            gate_version=self.gate_version,
        )
        return Fresh(draft=draft, reason=reason)

    def _search(self, read: ReadInquiry, *, outcome: str, permit_id: str | None) -> SearchColumns:
        return SearchColumns(
            subject=read.person,
            outcome=outcome,
            counterparty=self.sender,
            procedure=read.inquiry.procedure,
            information=read.inquiry.information.term,
            permit_id=permit_id,
        )


def token_expiry(begins: datetime) -> datetime:
    """Return when a token of that moment expires: tokens count whole seconds."""
    return begins.replace(microsecond=0) + timedelta(seconds=LIFETIME_S)


def notice_row(permit_id: str, effect: CoreInquiryAnswered, life: timedelta) -> OutboxEffect:
    """Return the outbox row by which the provider hears of the permit (法21②)."""
    return OutboxEffect(
        outbox_id=f"{NOTICE}-{permit_id}",
        kind=NOTICE,
        destination=effect.provider,
        body={"permit_id": permit_id, "inquiry_day": effect.inquiry_day.isoformat()},
        after_s=0.0,
        keep_s=life.total_seconds(),
    )


def _provides(directory: Directory, name: str) -> bool:
    organisation = directory.organisation(name)
    return organisation.role == GATEWAY and organisation.status != WITHDRAWN


def _told(inquiry: Inquiry) -> dict[str, object]:
    return {name: getattr(inquiry, name) for name in _TOLD_FROM_INQUIRY}


def _private(read: ReadInquiry, person: bytes | None) -> dict[str, object]:
    """Return the private part: the core knows a person by its management code (命令85 47③)."""
    private: dict[str, object] = {}
    if person is not None:
        private["person"] = b64(person)
    if read.salt is not None:
        private["subject_salt"] = b64(read.salt)
    return private


def _permitted(effect: CoreInquiryAnswered) -> Permitted:
    assert effect.permit_id is not None
    assert effect.subject_p is not None
    assert effect.sealed is not None
    assert effect.token_expires is not None
    assert effect.request_expires is not None
    return Permitted(
        permit_id=effect.permit_id,
        inquiry_day=effect.inquiry_day,
        inquirer=effect.inquirer,
        provider=effect.provider,
        inquiry_leaf=effect.leaf,
        entry_id=effect.entry_id,
        requested_at=effect.requested_at,
        token_expires=effect.token_expires,
        request_expires=effect.request_expires,
        subject_p=effect.subject_p,
        sealed=effect.sealed,
    )
