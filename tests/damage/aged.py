"""The same log seven years on: what was recorded before June 2019 is erased.

Nine entries of May 2019 were in every slot, and witnesses cosigned them when the month was over.
Slot 0 goes on in 2026, and its entry 12 tells of the erasure; the others have nothing left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from codes.canonical import instant
from gateway.records.bundle import Files, SlotExport, export_slot
from gateway.records.erased import ERASURES
from gateway.records.grounds import GroundProof, write_grounds
from gateway.records.note import Checkpoint, cosign
from gateway.records.tree import audit_path
from tests.damage.good import ENDS, LONG_AGO, SIZE, Good, Log, at
from tests.unit.records import made

GONE, SEEN, TOLD = 9, 11, 12
"""How many entries are erased, how large slot 0 was when it happened, which entry tells of it."""
ENDED = datetime(2019, 5, 31, 15, tzinfo=UTC)
"""Midnight in Tokyo."""
BEGINS, KEPT, TOLD_AT = ENDED - timedelta(days=2), at(GONE), at(TOLD)


@dataclass(frozen=True, kw_only=True)
class Aged:
    """An honest log of which a month is erased, and what is told about it."""

    good: Good
    telling: Mapping[str, Any] = field(default_factory=dict)
    """What the entry says instead."""
    kind: str = "erased"
    told_at: datetime = TOLD_AT
    first_kept_at: datetime = KEPT
    seen_at: datetime = ENDED
    """When the witness cosigned all that is gone."""

    @cached_property
    def logs(self) -> tuple[Log, ...]:
        first, *others = [self._aged(log) for log in self.good.logs]
        told = made.an_entry(
            self.kind, members={}, private=self.said(first, others), number=TOLD, time=self.told_at
        )
        return (first.rewritten({TOLD: told}), *others)

    def said(self, first: Log, others: Sequence[Log]) -> dict[str, object]:
        """Return the private part of the entry: the ranges as they stood then."""
        trees = [(first, SEEN), *((log, GONE) for log in others)]
        ranges = [
            {
                "slot": log.slot,
                "origin": log.at(size).origin,
                "first": 0,
                "end": GONE,
                "size": size,
                "root": log.at(size).state.root.hex(),
            }
            for log, size in trees
        ]
        said: dict[str, object] = {
            "month": "2019-05",
            "ended": instant(ENDED),
            # What no verifier asks for, and an auditor reads.
            "method": {"technique": "cryptographic-erase", "also": ["entries-dropped"]},
            "approvals": ["0" * 32, "1" * 32],
            "verification": {"key": "key-destroyed", "sample": "none-left"},
            "copies": [],
            "unreadable_from": instant(self.told_at),
            "ground": "retention-ended",
            "key_id": "month/2019-05",
            "ranges": ranges,
        }
        return said | {name: change(said[name]) for name, change in self.telling.items()}

    def _aged(self, log: Log) -> Log:
        old = {
            index: made.an_entry(
                "inquiry" if index else "opened",
                number=index,
                slot=log.slot,
                time=LONG_AGO + timedelta(minutes=index),
            )
            for index in range(GONE)
        }
        plain = {
            index: made.an_entry(number=index, time=at(index)) for index in range(GONE + 1, SIZE)
        }
        plain[GONE] = made.an_entry(number=GONE, time=self.first_kept_at)
        aged = log.rewritten({**old, **plain})
        return aged if log.slot == 0 else replace(aged, entries=aged.entries[:GONE])

    @cached_property
    def exports(self) -> tuple[SlotExport, ...]:
        """The honest exports of what is left."""
        return tuple(self._export(log) for log in self.logs)

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
        self, *exports: SlotExport, proofs: Sequence[GroundProof] | None = None, **more: object
    ) -> Files:
        """Return the bundle, with these slots and proofs instead of the honest ones."""
        instead = {export.slot: export for export in exports}
        slots = [instead.get(export.slot, export) for export in self.exports]
        files = self.good.files(
            slots=slots, **({"begins": instant(BEGINS), "ends": instant(ENDS)} | more)
        )
        told = [self.proof()] if proofs is None else proofs
        return {**files, ERASURES: write_grounds(ERASURES, told)}

    def _export(self, log: Log) -> SlotExport:
        size = len(log.entries)
        notes = [self._seen(log), log.note(size, at=at(SIZE))]
        if size > GONE:
            notes.append(log.note(SEEN, cosigners=[]))
        return export_slot(
            slot=log.slot,
            first=GONE,
            entries=[entry.raw for entry in log.entries[GONE:]],
            leaves=[entry.leaf_hash for entry in log.entries[GONE:]],
            notes=notes,
            node=log.at(size).state.node,
        )

    def _seen(self, log: Log) -> str:
        """Return the checkpoint of what is gone: signed again now, cosigned then."""
        name, key = log.witness
        then = log.at(GONE)
        checkpoint = Checkpoint(then.origin, GONE, then.state.root)
        line = cosign(checkpoint, key, name=name, time=int(self.seen_at.timestamp()))
        return f"{log.note(GONE, at=at(SIZE), cosigners=[])}{line.text()}\n"
