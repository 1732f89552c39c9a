"""Offline verification of an export bundle: what PROTOCOL §5 says that `records verify` proves.

These entries, in this order, unchanged, signed by this organisation, each slot complete up to
the last cosigned size and as of the cosignature's time. Nothing is claimed about acts that were
never recorded, nor about the truth of what was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from codes.canonical import parse_instant
from codes.errors import CodesError
from gateway.records.bundle import (
    Files,
    SlotExport,
    read_manifest,
    read_peer_notes,
    read_slot,
)
from gateway.records.erased import ERASURES, Erasure, check_beginning, proved_erasures
from gateway.records.errors import RecordsError
from gateway.records.findings import Fault
from gateway.records.grounds import read_grounds
from gateway.records.lost import LOSSES, Loss, Lost, Place, check_ending, proved_losses
from gateway.records.quorum import Quorum
from gateway.records.slot_content import (
    CosignedBounds,
    EntryFindings,
    check_entries,
)
from gateway.records.slot_notes import SignedNote, read_foreign, read_notes
from gateway.records.slot_private import PeerNotes, check_private, peer_notes_by_hash
from gateway.records.slot_tree import TreeFindings, check_tree
from gateway.records.trust import LogTrust

Completeness: TypeAlias = Literal["proved", "unproved"]
Period: TypeAlias = tuple[datetime, datetime]
_ENTRIES_STAND: Final = frozenset({"fork", "leaf-changed", "unsigned"})
"""Faults beside which the entries are still those of the signed tree, as far as it was signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReport:
    """What was found about one slot."""

    slot: int
    first: int
    end: int
    """The index after the last entry held."""
    cosigned_size: int | None
    """What enough witnesses cosigned; the slot is complete so far."""
    cosigned_at: int | None
    """POSIX second as of which they did; the slot is complete as of then."""
    complete: Completeness
    lost: Lost | None
    """What is lost of the slot, before the period, in it or after it; a fault only if in it."""
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a bundle proves: nothing is wrong with it if `faults` is empty."""

    organisation: str
    begins: str
    ends: str
    entries: int
    slots: tuple[SlotReport, ...]
    faults: tuple[Fault, ...]

    @property
    def complete(self) -> Completeness:
        """Whether every slot that the directory lists is proved complete for the period."""
        is_proved = not self.faults and all(slot.complete == "proved" for slot in self.slots)
        return "proved" if is_proved else "unproved"

    @property
    def is_sound(self) -> bool:
        """Whether no fault was found; completeness is a question of its own."""
        return not self.faults


def verify_bundle(
    files: Files,
    *,
    trust: LogTrust,
    foreign_notes: Sequence[str] = (),
    begins: str | None = None,
    ends: str | None = None,
) -> Report:
    """Return what the bundle proves about the log of `trust` in a period.

    `foreign_notes` are checkpoints of this log that other parties hold with their receipts;
    `begins` and `ends` ask about another period than the bundle names. No fault of the bundle
    raises: it is reported with the first bad index.

    Raises:
        RecordsError: bad-bundle without a readable manifest, peers' notes and erasures, other-log
            if it is somebody else's, bad-period.
    """
    manifest = read_manifest(files)
    if (manifest.network, manifest.organisation) != (trust.network, trust.organisation):
        raise RecordsError("other-log")
    first, last = begins or manifest.begins, ends or manifest.ends
    period = _period(first, last)
    peer_notes = peer_notes_by_hash(read_peer_notes(files))
    erased, told = read_grounds(files, ERASURES), read_grounds(files, LOSSES)
    judged: list[_Judged | Fault] = []
    for slot in range(trust.slots):
        if slot not in manifest.slots:
            judged.append(Fault(slot=slot, index=None, reason="missing-slot"))
            continue
        try:
            export = read_slot(files, slot)
        except RecordsError as error:
            judged.append(Fault(slot=slot, index=None, reason=error.reason, detail=error.detail))
            continue
        judged.append(_judge(export, trust, foreign_notes, peer_notes))
    readable = [one for one in judged if isinstance(one, _Judged)]
    # A ground may be told in another slot than those it is about: all are judged before it.
    agreeing = {one.export.slot: one.tree.agreeing for one in readable}
    quorums = {one.export.slot: one.quorum for one in readable}
    losses, opened = proved_losses(told, agreeing, quorums, trust)
    grounds = _Grounds(proved_erasures(erased, agreeing, trust), losses)
    found = [one if isinstance(one, Fault) else _reported(one, period, grounds) for one in judged]
    places = {(proof.slot, proof.index) for proof in told}
    places |= {(one.export.slot, index) for one in readable for index in one.content.losses}
    return Report(
        organisation=trust.organisation,
        begins=first,
        ends=last,
        entries=sum(len(one.export.entries) for one in readable),
        slots=tuple(one for one in found if isinstance(one, SlotReport)),
        faults=tuple(
            fault
            for one in [*found, *_unproved(places - opened)]
            for fault in ([one] if isinstance(one, Fault) else one.faults)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Grounds:
    """What the log itself tells of why its slots are not whole."""

    erasures: Sequence[Erasure]
    losses: Sequence[Loss]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """One slot's export held against its checkpoints, but for why it begins and ends where it does.

    `signed` and `foreign` are all notes that the log really signed, of this tree or not.
    """

    export: SlotExport
    signed: Sequence[SignedNote]
    foreign: Sequence[SignedNote]
    tree: TreeFindings
    content: EntryFindings
    quorum: Quorum
    faults: tuple[Fault, ...]


def _judge(
    export: SlotExport, trust: LogTrust, foreign_notes: Sequence[str], peer_notes: PeerNotes
) -> _Judged:
    """Return what one slot's export proves, and its faults, each with its first bad index.

    `foreign_notes` are checkpoints of this log that others hold, `peer_notes` those of others'
    logs that this log's receipts name, by their hash.
    """
    signed, faults = read_notes(export.slot, export.notes, trust)
    foreign = read_foreign(export.slot, foreign_notes, trust)
    tree = check_tree(export, signed, foreign)
    faults += tree.faults
    content = check_entries(
        export, trust, bounds=CosignedBounds(tree.agreeing), stop=_first_bad(tree, export)
    )
    faults += content.faults
    faults += check_private(export, trust, peer_notes)
    return _Judged(
        export=export,
        signed=signed,
        foreign=foreign,
        tree=tree,
        content=content,
        quorum=Quorum(tree.agreeing, trust.named),
        faults=tuple(faults),
    )


def _reported(judged: _Judged, period: Period, grounds: _Grounds) -> SlotReport:
    export, quorum = judged.export, judged.quorum
    beginning = check_beginning(
        export,
        judged.content.times,
        begins=period[0],
        agreeing=judged.tree.agreeing,
        erasures=grounds.erasures,
        quorum=quorum,
    )
    ending = check_ending(
        export,
        content=judged.content,
        tree=judged.tree,
        signed=judged.signed,
        foreign=judged.foreign,
        quorum=quorum,
        losses=grounds.losses,
        period=period,
    )
    faults = (*judged.faults, *ending.faults, *beginning.faults)
    size, time = quorum.largest() or (None, None)
    is_proved = ending.is_shown and beginning.is_shown and not faults
    return SlotReport(
        slot=export.slot,
        first=export.first,
        end=export.end,
        cosigned_size=size,
        cosigned_at=time,
        complete="proved" if is_proved else "unproved",
        lost=ending.lost,
        faults=faults,
    )


def _unproved(places: set[Place]) -> list[Fault]:
    """Return the faults of `log-loss` entries that are not opened, or opened and not in the log."""
    return [Fault(slot=slot, index=index, reason="loss-unproved") for slot, index in sorted(places)]


def _period(begins: str, ends: str) -> Period:
    try:
        period = (parse_instant(begins), parse_instant(ends))
    except CodesError:
        raise RecordsError("bad-period") from None
    if period[0] > period[1]:
        raise RecordsError("bad-period")
    return period


def _first_bad(tree: TreeFindings, export: SlotExport) -> int:
    """Return the index from which on the entries are not those that were signed."""
    indexes = [
        fault.index
        for fault in tree.faults
        if fault.index is not None and fault.reason not in _ENTRIES_STAND
    ]
    return min(indexes, default=export.end)
