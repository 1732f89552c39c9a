"""The same log after a database lost what had been signed from slot 1.

Fifteen entries are left of eighteen, and nothing was ever written there again. Entry 16 of slot 0
tells of it; the core signed a tree that holds that entry half an hour after the log began. Three
periods are asked about: one before the damage, one in which it happened, one long after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from codes.canonical import b64, instant
from gateway.records.bundle import Files, SlotExport, export_slot
from gateway.records.grounds import GroundProof, write_grounds
from gateway.records.lost import LOSSES
from gateway.records.tree import audit_path
from tests.damage.good import COSIGNED, SIZE, Good, Log, at
from tests.unit.records import made

LOST, LEFT, KNOWN, TOLD = 1, 15, 18, 16
"""Which slot, how much is left of how much, and which entry of slot 0 tells of it."""
SEEN = 12
"""How much of slot 1 the core has signed."""
Minutes = tuple[int, int]
BEFORE, IN_IT, AFTER = (5, 10), (13, 20), (35, 40)


@dataclass(frozen=True, kw_only=True)
class Lossy:
    """An honest log that lost records, and what is told about it."""

    good: Good
    telling: Mapping[str, Any] = field(default_factory=dict)
    """What the entry says instead."""
    kind: str = "log-loss"
    is_prefix: bool = True
    """Whether what the database holds is the beginning of what was signed."""
    told_sizes: tuple[int, ...] = COSIGNED
    """Which trees of slot 0 the core signed before the period after the damage."""
    seen_late: int | None = None
    """The minute in which the core signed once more what is left, if it did."""

    @cached_property
    def logs(self) -> tuple[Log, ...]:
        first, lost, *others = self.good.logs
        private = {
            "slot": LOST,
            "size": LEFT,
            "root": b64(lost.at(LEFT).state.root if self.is_prefix else bytes(32)),
            "known_size": KNOWN,
            "known_root": b64(lost.at(KNOWN).state.root),
            "known_from": "released",
            "is_prefix": int(self.is_prefix),
            "copies": {"union": [LEFT]},
        }
        told = made.an_entry(
            self.kind, members={}, private={**private, **self.telling}, number=TOLD, time=at(TOLD)
        )
        # Of other rows than were signed, those are left that the witness can vouch for.
        left = LEFT if self.is_prefix else SEEN
        return (
            replace(first, sizes=self.told_sizes).rewritten({TOLD: told}),
            replace(lost, entries=lost.entries[:left]),
            *others,
        )

    def proof(self, **more: Any) -> GroundProof:
        """Return the entry with its place in slot 0."""
        log = self.logs[0]
        entry = log.entries[TOLD]
        proof = GroundProof(
            slot=0,
            index=TOLD,
            entry=entry.raw,
            private=entry.private_plaintext,
            path=tuple(audit_path(SIZE, TOLD, log.at(SIZE).state.node)),
        )
        return replace(proof, **more)

    def files(
        self, minutes: Minutes, *, proofs: Sequence[GroundProof] | None = None, **more: object
    ) -> Files:
        """Return the bundle of a period, with these proofs instead of the honest one."""
        begins, ends = minutes
        period = {"begins": instant(at(begins)), "ends": instant(at(ends))}
        slots = [self._export(log, minutes) for log in self.logs]
        files = self.good.files(slots=slots, **(period | more))
        told = [self.proof()] if proofs is None else proofs
        return {**files, LOSSES: write_grounds(LOSSES, told)}

    def _export(self, log: Log, minutes: Minutes) -> SlotExport:
        begins, ends = minutes
        size = len(log.entries)
        first, end = min(begins, size) - 1, min(size, ends + 1)
        return export_slot(
            slot=log.slot,
            first=first,
            entries=[entry.raw for entry in log.entries[first:end]],
            leaves=[entry.leaf_hash for entry in log.entries[first:end]],
            notes=self._notes(log),
            node=log.at(size).state.node,
        )

    def _notes(self, log: Log) -> list[str]:
        if log.slot != LOST:
            return [*log.notes, log.note(SIZE, at=at(41))]
        # What is left is signed anew: whoever asks for it gets statements as before.
        notes = [log.note(SEEN), log.note(len(log.entries), at=at(41), cosigners=[])]
        if self.seen_late is not None:
            notes.append(log.note(LEFT, at=at(self.seen_late)))
        return notes
