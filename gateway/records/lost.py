"""Ground for why a slot grew no more: a `log-loss` entry, proved to be in another slot.

A database that lost what was signed freezes its slot for good (PROTOCOL §5), and an entry in the
next one says how much is left and how much there is known to have been. It explains that nothing
came after, never that nothing is missing: a period in which entries may have been lost is not
proved complete but named, with the entry that tells of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from codes.canonical import unb64
from codes.errors import CodesError
from gateway.records.bundle import SlotExport
from gateway.records.errors import RecordsError
from gateway.records.findings import Fault
from gateway.records.grounds import Agreeing, GroundProof, proved_ground
from gateway.records.quorum import Quorum
from gateway.records.slot_content import BACK_DATING_S, LOG_LOSS, EntryFindings
from gateway.records.slot_notes import SignedNote
from gateway.records.slot_tree import TreeFindings
from gateway.records.trust import LogTrust

LOSSES: Final = "losses.json"
UNSURE_S: Final = 900
"""What was cosigned so shortly before a loss was told may already lack what is lost."""

Place = tuple[int, int]
"""A slot and an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A `log-loss` entry that enough witnesses hold: of this slot there is no more."""

    slot: int
    size: int
    """What was left."""
    root: bytes = field(repr=False)
    known_size: int
    """How many entries there are known to have been."""
    is_prefix: bool
    """Whether what was left is the beginning of what was signed."""
    told: Place
    seen_at: int
    """POSIX second as of which enough witnesses had signed the tree that holds the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Entries that are lost: from `first` to before `end`, as far as is known."""

    first: int
    end: int
    told: Place
    """Where the entry stands that tells of it."""

    def __str__(self) -> str:
        entries = f"entries {self.first} to {self.end - 1}"
        if self.end <= self.first + 1:
            entries = f"entry {self.first}"
        if self.end == self.first:
            entries = f"what followed entry {self.first - 1}, if anything did,"
        slot, index = self.told
        return f"{entries} lost, told by entry {index} of slot {slot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Whether all of the period is here, and what is lost of the slot before, in or after it."""

    faults: tuple[Fault, ...]
    is_shown: bool
    lost: Lost | None


class _Said(msgspec.Struct, frozen=True):
    """What a `log-loss` entry says in its private part, as far as it matters here."""

    slot: int
    size: int
    root: str
    known_size: int
    is_prefix: int


def proved_losses(
    proofs: Sequence[GroundProof],
    agreeing: Agreeing,
    quorums: Mapping[int, Quorum],
    trust: LogTrust,
) -> tuple[list[Loss], set[Place]]:
    """Return the losses that stand, and where each opened `log-loss` entry is.

    One that not enough witnesses have signed yet is opened, and no ground for anything.
    """
    losses, opened = [], set()
    for proof in proofs:
        try:
            _, said = proved_ground(proof, LOG_LOSS, _Said, agreeing=agreeing, trust=trust)
            root = unb64(said.root)
        except (RecordsError, CodesError):
            continue
        place = (proof.slot, proof.index)
        opened.add(place)
        seen_at = quorums[proof.slot].first(proof.index + 1)
        if seen_at is not None:
            losses.append(
                Loss(
                    slot=said.slot,
                    size=said.size,
                    root=root,
                    known_size=max(said.size, said.known_size),
                    is_prefix=said.is_prefix == 1,
                    told=place,
                    seen_at=seen_at,
                )
            )
    return losses, opened


def check_ending(
    export: SlotExport,
    *,
    content: EntryFindings,
    tree: TreeFindings,
    signed: Sequence[SignedNote],
    foreign: Sequence[SignedNote],
    quorum: Quorum,
    losses: Sequence[Loss],
    period: tuple[datetime, datetime],
) -> Ending:
    """Return whether entries of the period may be missing behind the last one of the export.

    `signed` are the bundle's own notes, `foreign` those of other parties, whether comparable or
    not. Enough witnesses (or another party) must have held all of the period after its end; or a
    loss says that the slot had ended before the period began.
    """
    begins, ends = (moment.timestamp() for moment in period)
    last = content.times[-1].timestamp() if content.times else 0.0
    loss = _loss_of(export.slot, last, tree.agreeing, losses)
    covered = export.first + sum(1 for time in content.times if time < period[1])
    until = loss.seen_at - UNSURE_S if loss and last < ends else None
    is_shown = _is_held(quorum, tree.foreign, size=covered, ends=ends, until=until)
    faults = _truncated(export, content, signed, foreign, loss, ends=ends)
    if loss is None:
        return Ending(faults=faults, is_shown=is_shown, lost=None)
    known = [note.checkpoint.size for note in foreign if note.time <= loss.seen_at + BACK_DATING_S]
    lost = Lost(first=_size(tree.agreeing), end=max([loss.known_size, *known]), told=loss.told)
    if last >= ends:
        # What is lost came after an entry that is younger than the period.
        is_shown = is_shown or loss.is_prefix
    elif begins >= loss.seen_at:
        is_shown = True
    elif not is_shown:
        fault = Fault(slot=export.slot, index=lost.first, reason="lost", detail=str(lost))
        faults = (*faults, fault)
    return Ending(faults=faults, is_shown=is_shown, lost=lost)


def _loss_of(
    slot: int, last: float, agreeing: Sequence[SignedNote], losses: Sequence[Loss]
) -> Loss | None:
    """Return the loss that fits what is left of a slot; the one told last, if there are more."""
    roots = {(note.checkpoint.size, note.checkpoint.root) for note in agreeing}
    size = _size(agreeing)
    fitting = [
        loss
        for loss in losses
        if loss.slot == slot
        and ((loss.size, loss.root) in roots if loss.is_prefix else size <= loss.known_size)
        # An entry from after the loss was told is in no tree that ended there.
        and last <= loss.seen_at + BACK_DATING_S
    ]
    return max(fitting, key=lambda loss: loss.seen_at, default=None)


def _size(agreeing: Sequence[SignedNote]) -> int:
    return agreeing[-1].checkpoint.size if agreeing else 0


def _is_held(
    quorum: Quorum,
    foreign: Sequence[SignedNote],
    *,
    size: int,
    ends: float,
    until: int | None,
) -> bool:
    """Tell whether enough witnesses, or another party, held so many entries after the period."""
    times = [
        note.time
        for note in foreign
        if note.checkpoint.size >= size and (until is None or note.time <= until)
    ]
    seen_at = quorum.last(size, until=until)
    return max([*times, seen_at or 0]) >= ends


def _truncated(
    export: SlotExport,
    content: EntryFindings,
    signed: Sequence[SignedNote],
    foreign: Sequence[SignedNote],
    loss: Loss | None,
    *,
    ends: float,
) -> tuple[Fault, ...]:
    """Return a fault where the log signed more of the period than is here.

    A foreign note from after the period may be younger than the export, so it does not count; nor
    does one from before a loss, which tells of what is lost.
    """
    told = 0 if loss is None else loss.seen_at + BACK_DATING_S
    sizes = [note.checkpoint.size for note in signed]
    sizes += [note.checkpoint.size for note in foreign if told < note.time < ends]
    largest = max(sizes, default=0)
    # After a bad entry nobody knows where the period ends; that fault is named already.
    is_whole = len(content.times) == len(export.leaves)
    last = content.times[-1].timestamp() if content.times else 0.0
    if not is_whole or last >= ends or largest <= export.end:
        return ()
    detail = f"the log signed {largest} entries"
    return (Fault(slot=export.slot, index=export.end, reason="truncated", detail=detail),)
