"""Every kind of entry and the members its public part may show.

An entry that belongs to no exchange shows only the common members (PROTOCOL §2); what it is
about stands in its private part. Entries know no booleans and no null: a mark is 0 or 1, an
absent member is left out.
"""

import datetime as dt
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec

from certs.terms import (
    Condition,
    Count,
    Day,
    Hex32,
    Hex64,
    Information,
    Instant,
    Mark,
    Organisation,
    Shape,
    Slug,
    Text,
)

ENTRY_VERSION: Final = 1
SLOTS_MAX: Final = 1024

Slot = Annotated[int, msgspec.Meta(ge=0, le=SLOTS_MAX - 1)]
Provided = Literal["provided", "no-information", "withheld", "denied", "failed"]
Delivered = Literal["provided", "no-information", "denied", "failed"]
Received = Literal["provided", "no-information", "withheld", "denied", "failed", "refused"]


class Public(Shape, frozen=True, kw_only=True):
    """The common members of every entry; alone, those of an entry outside any exchange."""

    v: Annotated[int, msgspec.Meta(ge=ENTRY_VERSION, le=ENTRY_VERSION)]
    id: Hex32
    kind: Slug
    time: Instant
    organisation: Organisation
    slot: Slot
    private: Hex64


class Consent(Shape, frozen=True, kw_only=True):
    """Whether the person consented, on what ground or day (令, `LAW.md` *Consent*)."""

    state: Literal["unknown", "required", "not-required"]
    ground: Text | None = None
    date: Day | None = None

    def __post_init__(self) -> None:
        """Refuse a day that does not exist."""
        if self.date is not None:
            dt.date.fromisoformat(self.date)


class _Asked(Public, frozen=True, kw_only=True):
    """The members that inquiry and permit share; the same as `certs.terms.Terms`."""

    inquirer_body: Text
    provider_body: Text
    department: Text
    affair: Text
    procedure: Text
    citation: Text
    information: Information
    subject_role: Text
    condition: Condition
    non_disclosure: Mark
    law_version: Text
    law_day: Day
    legal_basis: Slug
    consent: Consent


class Inquiry(_Asked, frozen=True, kw_only=True):
    """An inquirer asks: everything that decides the answer is here."""

    provider: Organisation
    subject: Hex64
    reply_key: Hex64


class PermitGranted(_Asked, frozen=True, kw_only=True):
    """The core's leave for one inquiry (`permit`)."""

    permit_id: Hex32
    inquirer: Organisation
    provider: Organisation
    inquiry_leaf: Hex64
    requested_at: Instant
    request_expires: Instant
    subject_p: Hex64
    directory_version: Count
    allow_list: Hex64


class _About(Public, frozen=True, kw_only=True):
    """What 法23① wants in every party's record, as far as the party knows it."""

    inquirer_body: Text | None = None
    provider_body: Text | None = None
    department: Text | None = None
    affair: Text | None = None
    procedure: Text | None = None
    citation: Text | None = None
    information: Information | None = None
    subject_role: Text | None = None
    condition: Condition | None = None
    law_version: Text | None = None
    law_day: Day | None = None
    legal_basis: Slug | None = None
    requested_at: Instant | None = None
    provided_at: Instant | None = None
    non_disclosure: Mark | None = None
    """The inquirer's mark (法23②)."""
    non_disclosure_provider: Mark | None = None
    """The provider's mark (法23②)."""
    act21_2: Mark | None = None
    """Whether the case of 法21② applied (an assessment was missing)."""


class Refusal(_About, frozen=True, kw_only=True):
    """An authentic request was refused; `of` is the leaf hash of its statement, if any."""

    reason: Slug
    of: Hex64 | None = None
    counterparty: Organisation | None = None
    permit_id: Hex32 | None = None
    inquirer: Organisation | None = None
    provider: Organisation | None = None


_REASONED: Final = frozenset({"denied", "failed"})


class _Answer(_About, frozen=True, kw_only=True):
    """A provider's answer; the payload's commitment stands there exactly when it provides.

    Only what was decided without looking at the person gives a reason (PROTOCOL §3).
    """

    outcome: Slug
    payload: Hex64 | None = None
    reason: Slug | None = None

    def __post_init__(self) -> None:
        """Refuse an answer that commits to what it does not give, or tells too much."""
        if (self.outcome == "provided") != (self.payload is not None):
            raise ValueError("payload stands exactly in an answer that provides")
        if self.reason is not None and self.outcome not in _REASONED:
            raise ValueError("reason stands only in an answer that was denied or failed")


class Provision(_Answer, frozen=True, kw_only=True):
    """A provider answers a permit."""

    permit_id: Hex32
    permit_leaf: Hex64
    inquiry_leaf: Hex64
    inquirer: Organisation
    outcome: Provided
    requested_at: Instant  # pyright: ignore[reportGeneralTypeIssues]  # required here
    subject_p: Hex64
    information: Information  # pyright: ignore[reportGeneralTypeIssues]  # required here
    law_day: Day  # pyright: ignore[reportGeneralTypeIssues]  # required here
    law_version: Text  # pyright: ignore[reportGeneralTypeIssues]  # required here
    non_disclosure: Mark  # pyright: ignore[reportGeneralTypeIssues]  # required here
    """The inquirer's mark, repeated (法23②)."""
    non_disclosure_provider: Mark  # pyright: ignore[reportGeneralTypeIssues]  # required here
    """The provider's own mark (法23②)."""
    request_expires: Instant | None = None


class Delivery(_Answer, frozen=True, kw_only=True):
    """A held answer was released or refused by people."""

    permit_id: Hex32
    provision_leaf: Hex64
    inquirer: Organisation
    outcome: Delivered
    inquiry_leaf: Hex64 | None = None
    subject_p: Hex64 | None = None


class Receipt(_About, frozen=True, kw_only=True):
    """An inquirer took an answer in; also a refusal is an answer (then without permit id)."""

    inquiry_leaf: Hex64
    peer: Organisation
    answer_leaf: Hex64
    outcome: Received
    permit_id: Hex32 | None = None
    reason: Slug | None = None
    payload: Hex64 | None = None


class OutcomeTaken(_About, frozen=True, kw_only=True):
    """The core took in a party's outcome (`outcome`)."""

    permit_id: Hex32
    party: Organisation
    outcome: Received
    of: Hex64 | None = None


class OfPermit(_About, frozen=True, kw_only=True):
    """What became of a permit at a provider: notified, lapsed, delivery-stopped."""

    permit_id: Hex32
    inquirer: Organisation | None = None
    reason: Slug | None = None


class Correction(Public, frozen=True, kw_only=True):
    """A later entry that corrects an earlier one (法31, 個情法97); what it says is private.

    The core's names what it was told: `of` is then the leaf hash of a party's correction.
    """

    of: Hex64
    permit_id: Hex32 | None = None
    non_disclosure: Mark | None = None
    """The mark of whoever corrected, from now on (法23②); the others keep it too (法23③)."""


class DirectoryChanged(Public, frozen=True, kw_only=True):
    """The core published a directory version; in its slot 0, unless that one was lost."""

    version: Count
    digest: Hex64


class Opened(Public, frozen=True, kw_only=True):
    """Leaf 0 of a slot; `key_set` is the digest of the organisation's key set."""

    key_set: Hex64 | None = None


KINDS: Final = MappingProxyType[str, type[Public]](
    {
        "inquiry": Inquiry,
        "permit": PermitGranted,
        "refusal": Refusal,
        "provision": Provision,
        "delivery": Delivery,
        "receipt": Receipt,
        "outcome": OutcomeTaken,
        "notified": OfPermit,
        "lapsed": OfPermit,
        "delivery-stopped": OfPermit,
        "correction": Correction,
        "directory-changed": DirectoryChanged,
        "opened": Opened,
        "hold-opened": Public,
        "hold-approved": Public,
        "hold-refused": Public,
        "hold-voided": Public,
        "hold-lapsed": Public,
        "erasure-approved": Public,
        "erased": Public,
        "erasure-completed": Public,
        "legal-hold-set": Public,
        "legal-hold-lifted": Public,
        "log-loss": Public,
        "fork-found": Public,
        "flag-set": Public,
        "flag-lifted": Public,
        "switch-set": Public,
        "switch-lifted": Public,
        "staff-added": Public,
        "staff-changed": Public,
        "staff-session": Public,
        "client-added": Public,
        "client-changed": Public,
        "inquiry-withdrawn": Public,
        "inquiry-lapsed": Public,
        "correction-received": Public,
        "code-wanted": Public,
        "peer-confirmed": Public,
        "peer-taken-over": Public,
        "rules-changed": Public,
        "allow-list-changed": Public,
        "replicas-loaded": Public,
        "replicas-read": Public,
        "code-requested": Public,
        "code-linked": Public,
        "code-changed": Public,
        "resident-code-changed": Public,
        "result-acknowledged": Public,
        "result-lapsed": Public,
        "records-read": Public,
        "operations-archived": Public,
        "reconciled": Public,
        "provisions-checked": Public,
        "security-events": Public,
    }
)
"""The type of every kind's public part."""

COMMON: Final = frozenset(Public.__struct_fields__)
"""The members that the writer adds."""
