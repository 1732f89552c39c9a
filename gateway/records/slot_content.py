"""What the entries of one exported slot say: whose they are, when they were made."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final

from codes.canonical import parse_instant
from gateway.records.bundle import SlotExport
from gateway.records.entry import parse_entry
from gateway.records.errors import RecordsError
from gateway.records.findings import Fault
from gateway.records.kinds import Opened, Public
from gateway.records.slot_notes import SignedNote
from gateway.records.trust import LogTrust

BACK_DATING_S: Final = 120
LOG_LOSS: Final = "log-loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFindings:
    """The instants of the entries up to the first fault, and that fault."""

    times: tuple[datetime, ...]
    losses: tuple[int, ...]
    """Where among them an entry `log-loss` stands."""
    faults: tuple[Fault, ...]


class CosignedBounds:
    """Between which cosignatures an entry must have been made (PROTOCOL §5)."""

    __slots__ = ("_not_after", "_not_before", "_sizes")

    def __init__(self, notes: Sequence[SignedNote]) -> None:
        marks = sorted(
            (note.checkpoint.size, time) for note in notes for time in note.cosigned_at.values()
        )
        self._sizes = [size for size, _ in marks]
        times = [time for _, time in marks]
        self._not_before = list(accumulate(times, max))
        self._not_after = list(accumulate(reversed(times), min))[::-1]

    def hold(self, index: int, made_at: datetime) -> bool:
        """Tell whether an entry's time fits the cosignatures before and after it."""
        second = made_at.timestamp()
        place = bisect_right(self._sizes, index)
        if place > 0 and second < self._not_before[place - 1] - BACK_DATING_S:
            return False
        return place == len(self._sizes) or second <= self._not_after[place] + BACK_DATING_S


def check_entries(
    export: SlotExport, trust: LogTrust, *, bounds: CosignedBounds, stop: int
) -> EntryFindings:
    """Return the instants of the entries before index `stop`, as far as nothing is wrong."""
    times: list[datetime] = []
    losses: list[int] = []
    faults: list[Fault] = []
    for index, raw in enumerate(export.entries, start=export.first):
        if index >= stop:
            break
        try:
            public = _public(raw, index, export.slot, trust)
            made_at = parse_instant(public.time)
            _check_time(made_at, times, is_bounded=bounds.hold(index, made_at))
        except RecordsError as error:
            faults.append(
                Fault(slot=export.slot, index=index, reason=error.reason, detail=error.detail)
            )
            break
        times.append(made_at)
        if public.kind == LOG_LOSS:
            losses.append(index)
    return EntryFindings(times=tuple(times), losses=tuple(losses), faults=tuple(faults))


def _public(raw: bytes, index: int, slot: int, trust: LogTrust) -> Public:
    """Return the public part of an entry that stands in the right log."""
    public = parse_entry(raw).public
    if public.organisation != trust.organisation:
        raise RecordsError("wrong-organisation")
    if public.slot != slot:
        raise RecordsError("wrong-slot")
    if index == 0 and not isinstance(public, Opened):
        raise RecordsError("not-opened")
    return public


def _check_time(made_at: datetime, before: Sequence[datetime], *, is_bounded: bool) -> None:
    if before and made_at < before[-1]:
        raise RecordsError("time-decreases")
    if not is_bounded:
        raise RecordsError("back-dated")
