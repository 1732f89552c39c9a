"""Messages of the staff listener about answers kept back for people (PROTOCOL §3)."""

from typing import Literal

from gateway.wire.fields import Hex32, Hex64, Instant, Message, Name, Slug
from gateway.wire.staff import Credential, Cursor, Limit

HoldStateWord = Literal["waiting", "released", "refused", "delivered", "lapsed", "stopped"]
GroundWord = Literal[
    "not-permitted",
    "wrong-person",
    "replica-unreliable",
    "assessment-unpublished",
    "stopped",
]
"""The closed list of grounds (法22①)."""


class HoldsQuery(Message, frozen=True):
    """Which page of which state; without `state` all."""

    state: HoldStateWord | None = None
    after: Cursor | None = None
    limit: Limit = 50


class Hold(Message, frozen=True):
    """One hold; nothing of the person it is about."""

    id: Hex32
    permit_id: Hex32
    state: HoldStateWord
    inquirer: str
    procedure: Name
    information: Name
    reasons: list[Slug]
    approvals: int
    approvals_needed: int
    opened_at: Instant
    deadline: Instant
    request_expires: Instant


class Holds(Message, frozen=True):
    """A page of holds, newest first."""

    holds: list[Hold]
    next: str | None = None


class HoldPreview(Message, frozen=True):
    """What would go out: an approval is of exactly this digest."""

    hold: Hold
    outcome: Slug
    digest: Hex64
    round: int
    unified_number: str
    payload: dict[str, object] | None = None


class Approval(Message, frozen=True):
    """Whoever proves this credential lets exactly these bytes go."""

    credential: Credential
    digest: Hex64


class HoldRefusal(Message, frozen=True):
    """Whoever proves this credential refuses, on a ground of the closed list."""

    credential: Credential
    ground: GroundWord


class Decision(Message, frozen=True):
    """What a decision came to."""

    hold_id: Hex32
    state: HoldStateWord
    approvals: int
    approvals_needed: int
