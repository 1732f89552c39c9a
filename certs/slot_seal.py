"""The seal of a slot: what a writer of the record log says of a row, under a key outside it.

Whoever may write every row of the database can copy a seal and make none. A seal says that a
writer of this organisation meant to commit exactly this; that it was committed, marks and
witnesses say.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from certs.boxes import SecretKey
from certs.errors import SlotSealError

_ROOT_BYTES: Final = 32
_LABEL: Final = b"sekisho/slot-seal/v1\0"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFacts:
    """What a seal is about: a slot's tree, its last entry's time, and how far it was signed.

    `signed_size` and `signed_root` are of a tree that had been marked as signed before.
    """

    origin: str
    size: int
    root: bytes = field(repr=False)
    last_time: datetime | None
    signed_size: int
    signed_root: bytes = field(repr=False)


def slot_seal(key: SecretKey, facts: SlotFacts) -> bytes:
    """Return the seal of these facts: HMAC-SHA256, 32 bytes."""
    return hmac.digest(key.raw, _LABEL + _written(facts), hashlib.sha256)


def verify_slot_seal(key: SecretKey, facts: SlotFacts, seal: bytes) -> None:
    """Return quietly if this is the seal of these facts; raise `SlotSealError` (not-sealed)."""
    # Whoever may drop constraints may store anything: what has not its length has no reading.
    if {len(facts.root), len(facts.signed_root)} != {_ROOT_BYTES}:
        raise SlotSealError("not-sealed", facts.origin)
    if facts.last_time is not None and facts.last_time.tzinfo is None:
        raise SlotSealError("not-sealed", facts.origin)
    if not hmac.compare_digest(slot_seal(key, facts), seal):
        raise SlotSealError("not-sealed", facts.origin)


def _written(facts: SlotFacts) -> bytes:
    """Return the facts as bytes with one reading: the only part without a fixed length is first."""
    time = facts.last_time
    # A slot without entries has no time, and no entry is of the year 1970.
    microseconds = 0 if time is None else (time - _EPOCH) // _MICROSECOND
    return b"".join(
        (
            facts.origin.encode("ascii"),
            b"\0",
            facts.size.to_bytes(8, "big", signed=True),
            facts.root,
            microseconds.to_bytes(8, "big", signed=True),
            facts.signed_size.to_bytes(8, "big", signed=True),
            facts.signed_root,
        )
    )
