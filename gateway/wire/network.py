"""Messages between gateways, and between gateways and the core (PROTOCOL §2, §3).

Every message is a list of items from one sender to one recipient. Statements travel in groups,
each under one checkpoint; an item names its statement by the group's place and the entry's index
in the log. Answers hold one result or one problem for each item, in order.
"""

from typing import Annotated

import msgspec

from certs.terms import ITEMS_MAX as INFORMATION_ITEMS_MAX
from gateway.wire.fields import (
    END,
    ENTRY_CHARACTERS_MAX,
    GROUPS_MAX,
    HASHES_MAX,
    ITEMS_MAX,
    KEYS_MAX,
    NOTE_CHARACTERS_MAX,
    TOKEN_CHARACTERS_MAX,
    TOKENS_MAX,
    Base64Url,
    Count,
    Day,
    Hex32,
    Hex64,
    Instant,
    Mark,
    Message,
    Organisation,
    Position,
    Slug,
    Text,
)
from gateway.wire.problems import Problem

EntryText = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]+" + END, max_length=ENTRY_CHARACTERS_MAX)
]


class Group(Message, frozen=True):
    """Statements of one slot under one checkpoint with one multiproof (PROTOCOL §2)."""

    checkpoint: Annotated[str, msgspec.Meta(max_length=NOTE_CHARACTERS_MAX)]
    indexes: Annotated[list[Count], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
    entries: Annotated[list[EntryText], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
    hashes: Annotated[list[Base64Url], msgspec.Meta(max_length=HASHES_MAX)]


Groups = Annotated[list[Group], msgspec.Meta(max_length=GROUPS_MAX)]


class Key(Message, frozen=True):
    """One HPKE encapsulation: the message key that sealed items of this message are under."""

    message_id: Hex32
    sender: Organisation
    key_id: Hex64
    enc: Annotated[Base64Url, msgspec.Meta(max_length=4096)]


Keys = Annotated[list[Key], msgspec.Meta(max_length=KEYS_MAX)]


class Sealed(Message, frozen=True):
    """One sealed item: AES-256-GCM under the message key at `key`, nonce number `n`."""

    key: Position
    n: Count
    ct: Base64Url


class Reference(Message, frozen=True):
    """Where a statement stands in this message: the group's place and its index in the log."""

    group: Position
    index: Count


# -- inquirer to core: permits -----------------------------------------------------------------


class PermitAsked(Message, frozen=True):
    """One inquiry for which a permit is asked; `code` seals salt and the inquirer's own code."""

    group: Position
    index: Count
    code: Sealed


class PermitsRequest(Message, frozen=True):
    """`POST /v1/permits` of the core."""

    groups: Groups
    keys: Keys
    items: Annotated[list[PermitAsked], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class PermitAnswer(Message, frozen=True):
    """A permit (with the place of its token) or a refusal (with its reason), as a statement."""

    group: Position
    index: Count
    kind: Slug  # permit | refusal
    token: Position | None = None
    permit_id: Hex32 | None = None
    reason: Slug | None = None


class PermitResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: PermitAnswer | None = None
    problem: Problem | None = None


TokenText = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]+" + END, max_length=TOKEN_CHARACTERS_MAX)
]


class PermitsAnswer(Message, frozen=True):
    """The core's answer: tokens carry up to 64 permits each, results keep the request's order."""

    groups: Groups
    tokens: Annotated[list[TokenText], msgspec.Meta(max_length=ITEMS_MAX)]
    results: Annotated[list[PermitResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


# -- inquirer to provider: provisions ----------------------------------------------------------


class ProvisionAsked(Message, frozen=True):
    """One permit presented together with the inquiry's statement."""

    token: Position
    permit_id: Hex32
    group: Position
    index: Count


class ProvisionsRequest(Message, frozen=True):
    """`POST /v1/provisions` of a provider."""

    tokens: Annotated[list[TokenText], msgspec.Meta(min_length=1, max_length=TOKENS_MAX)]
    groups: Groups
    items: Annotated[list[ProvisionAsked], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class ProvisionAnswer(Message, frozen=True):
    """The provision's statement, and the sealed answer when something was provided."""

    group: Position
    index: Count
    sealed: Sealed | None = None


class ProvisionResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: ProvisionAnswer | None = None
    problem: Problem | None = None


class ProvisionsAnswer(Message, frozen=True):
    """The provider's answer, in the request's order."""

    groups: Groups
    keys: Keys
    results: Annotated[list[ProvisionResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


# -- provider to inquirer: deliveries ----------------------------------------------------------


class Delivery(Message, frozen=True):
    """A held answer let go (or refused by people): the `delivery` statement and what it seals."""

    permit_id: Hex32
    group: Position
    index: Count
    sealed: Sealed | None = None


class DeliveriesRequest(Message, frozen=True):
    """`POST /v1/deliveries` of an inquirer."""

    groups: Groups
    keys: Keys
    items: Annotated[list[Delivery], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class Acknowledged(Message, frozen=True):
    """What the recipient has durably taken in."""

    permit_id: Hex32


class AcknowledgedResult(Message, frozen=True):
    """One item's acknowledgement, or why it has none."""

    result: Acknowledged | None = None
    problem: Problem | None = None


class AcknowledgedAnswer(Message, frozen=True):
    """Acknowledgements in the request's order."""

    results: Annotated[list[AcknowledgedResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


# -- both parties to core: outcomes ------------------------------------------------------------


class Outcome(Message, frozen=True):
    """A party's `provision`, `delivery` or `receipt` statement for one permit."""

    permit_id: Hex32
    group: Position
    index: Count


class OutcomesRequest(Message, frozen=True):
    """`POST /v1/outcomes` of the core."""

    groups: Groups
    items: Annotated[list[Outcome], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class OutcomeTaken(Message, frozen=True):
    """The core recorded the outcome; `received` is 1 once it holds the inquirer's receipt."""

    permit_id: Hex32
    received: Mark


class OutcomeResult(Message, frozen=True):
    """One item's answer, or why it has none."""

    result: OutcomeTaken | None = None
    problem: Problem | None = None


class OutcomesAnswer(Message, frozen=True):
    """Answers in the request's order."""

    results: Annotated[list[OutcomeResult], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


# -- core to provider: notices -----------------------------------------------------------------


class Notice(Message, frozen=True):
    """The core's notice that an inquiry was permitted (法21②, 令26①, 命令85 41①).

    `code` seals the salt and the provider's own code for the person, as in the permit.
    """

    permit_id: Hex32
    inquirer: Organisation
    inquirer_body: Text
    provider_body: Text
    department: Text
    affair: Text
    procedure: Text
    citation: Text
    term: Text
    scope: Text
    items: Annotated[list[Text], msgspec.Meta(max_length=INFORMATION_ITEMS_MAX)]
    law_day: Day
    requested_at: Instant
    token_expires: Instant
    request_expires: Instant
    non_disclosure: Mark
    code: Sealed


class NoticesRequest(Message, frozen=True):
    """`POST /v1/notices` of a provider."""

    keys: Keys
    items: Annotated[list[Notice], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
