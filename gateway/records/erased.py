"""Ground for why a slot begins late or is empty: an `erased` entry, proved to be in the log.

A month goes seven years after its last entry (令30); the entry that says so names, for every slot,
from which index on anything is kept. It counts here only if a slot of the same bundle holds it,
its private part is the one it committed to, its month was due, and the roots it names fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from codes.canonical import parse_instant
from codes.errors import CodesError
from gateway.records.bundle import SlotExport
from gateway.records.errors import RecordsError
from gateway.records.findings import Fault
from gateway.records.grounds import Agreeing, GroundProof, proved_ground
from gateway.records.quorum import Quorum
from gateway.records.slot_content import BACK_DATING_S
from gateway.records.slot_notes import SignedNote
from gateway.records.trust import LogTrust

ERASURES: Final = "erasures.json"
ERASED: Final = "erased"
TERM_LEAST: Final = timedelta(days=7 * 365)
"""Seven years (令30) are no less; that it was due to the day the database saw to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A proved `erased` entry: what went was of no later time than `ended`."""

    ended: datetime
    """When the last erased month was over."""
    kept: frozenset[tuple[int, int, int, str]] = field(repr=False)
    """Of every slot: from which index on it is kept, in a tree of this size and hex root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Why a slot's export begins where it does: faults, and whether witnesses bear it out."""

    faults: tuple[Fault, ...] = ()
    is_shown: bool = True
    """Whether enough witnesses saw all that is gone when its month was over."""


class _Range(msgspec.Struct, frozen=True):
    slot: int
    end: int
    size: int
    root: str


class _Said(msgspec.Struct, frozen=True):
    """What an `erased` entry says in its private part, as far as it matters here."""

    ended: str
    ranges: list[_Range]


def proved_erasures(
    proofs: Sequence[GroundProof], agreeing: Agreeing, trust: LogTrust
) -> list[Erasure]:
    """Return those `erased` entries that stand; any other proves nothing and is left out."""
    found = []
    for proof in proofs:
        try:
            found.append(_proved(proof, agreeing, trust))
        except (RecordsError, CodesError):
            continue
    return found


def check_beginning(
    export: SlotExport,
    times: Sequence[datetime],
    *,
    begins: datetime,
    agreeing: Sequence[SignedNote],
    erasures: Sequence[Erasure],
    quorum: Quorum,
) -> Beginning:
    """Return whether entries of the period may be missing before the first one of the export.

    `times` are those of its entries up to the first bad one. That nothing from before the period
    is here takes an erasure that ends exactly where the export begins.
    """
    is_late = times[0] >= begins if times else not export.leaves
    if not export.first or not is_late:
        return Beginning()
    roots = {
        (export.slot, export.first, note.checkpoint.size, note.checkpoint.root.hex())
        for note in agreeing
    }
    ended = [
        one.ended for one in erasures if one.kept & roots and (not times or one.ended <= times[0])
    ]
    if not ended:
        detail = "no entry from before the period, and no erasure that ends here"
        fault = Fault(slot=export.slot, index=export.first, reason="begins-late", detail=detail)
        return Beginning(faults=(fault,), is_shown=False)
    seen_at = quorum.first(export.first)
    latest = max(ended).timestamp() + BACK_DATING_S
    return Beginning(is_shown=seen_at is not None and seen_at <= latest)


def _proved(proof: GroundProof, agreeing: Agreeing, trust: LogTrust) -> Erasure:
    made_at, said = proved_ground(proof, ERASED, _Said, agreeing=agreeing, trust=trust)
    ended = parse_instant(said.ended)
    if ended + TERM_LEAST > made_at:
        raise RecordsError("not-due")
    kept = frozenset((one.slot, one.end, one.size, one.root) for one in said.ranges)
    return Erasure(ended=ended, kept=kept)
