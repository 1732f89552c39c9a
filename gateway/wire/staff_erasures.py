"""Messages of the staff listener about the end of the log's months (PROTOCOL §5, Erasure)."""

from typing import Annotated, Literal

import msgspec

from gateway.wire.fields import END, Hex32, Instant, Message
from gateway.wire.staff import Credential, Words

ErasureStateWord = Literal["kept", "proposed", "erasing", "erased"]
Month = Annotated[str, msgspec.Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])" + END)]
"""A month of Asia/Tokyo."""


class LogMonth(Message, frozen=True):
    """One month of the record log: when it is due, whether it is held, who agreed."""

    month: Month
    state: ErasureStateWord
    due_at: Instant
    is_due: bool
    is_held: bool
    approvals: int
    approvals_needed: int
    evidence: list[Hex32]
    """The entries that tell of its erasure: approvals, `erased`, `erasure-completed`."""


class LogMonths(Message, frozen=True):
    """Every month the log ever had entries in, oldest first."""

    months: list[LogMonth]


class ErasureApproval(Message, frozen=True):
    """Whoever proves this credential agrees that the month goes."""

    credential: Credential


class NewLegalHold(Message, frozen=True):
    """Which months stay whatever their age, and why; both ends included."""

    first_month: Month
    last_month: Month
    ground: Words


class LegalHold(Message, frozen=True):
    """One legal hold, standing until it is lifted."""

    id: Hex32
    first_month: Month
    last_month: Month
    ground: str
    maker: str
    set_at: Instant
    lifted_at: Instant | None = None


class LegalHolds(Message, frozen=True):
    """Legal holds, newest first."""

    legal_holds: list[LegalHold]
