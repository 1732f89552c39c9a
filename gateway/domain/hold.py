"""Answers kept back for people: states, and who may let one go. Pure."""

from collections.abc import Collection
from enum import StrEnum

from gateway.errors import ConflictError, NotPermittedError


class HoldState(StrEnum):
    """Where a hold stands."""

    WAITING = "waiting"
    RELEASED = "released"
    REFUSED = "refused"
    DELIVERED = "delivered"
    LAPSED = "lapsed"
    STOPPED = "stopped"


class HoldClosedError(ConflictError):
    """The hold no longer takes decisions: it was released, refused, or has lapsed."""

    problem = "hold-closed"


class SameApproverError(NotPermittedError):
    """One person, or one credential, tried to be both pairs of eyes."""

    problem = "same-approver"


class FlagMakerError(NotPermittedError):
    """Whoever set or lifted the flag in question does not approve what it holds back."""

    problem = "flag-maker"


class HoldChangedError(ConflictError):
    """What would go out is not what was shown: all approvals are void, look again."""

    problem = "hold-changed"


def require_other_eyes(staff_id: str, credential_id: str, deciders: Collection[str]) -> None:
    """Return quietly if neither person nor credential has decided about this preview, else raise.

    `deciders` are the ids of both.
    """
    if not {staff_id, credential_id}.isdisjoint(deciders):
        raise SameApproverError("hold: one person, and one credential, decides once")
