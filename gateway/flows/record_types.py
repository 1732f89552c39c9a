"""What goes into the writer and what comes out: drafts, recorded entries, typed refusals."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.errors import ConflictError, SekishoError, UnavailableError, UnknownResultError
from gateway.records.kinds import Public
from gateway.records.tiles import Extension
from gateway.storage.effects import Effect


def new_id() -> str:
    """Return 128 fresh random bits as lower-case hex: an entry, permit, message or inquiry id."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchColumns:
    """What an entry can be found by.

    `subject` (the raw network code), `staff` and `system` are stored as HMAC under keys of the
    month, the rest in clear.
    """

    subject: bytes | None = field(default=None, repr=False)
    staff: str | None = field(default=None, repr=False)
    system: str | None = field(default=None, repr=False)
    outcome: str | None = None
    counterparty: str | None = None
    procedure: str | None = None
    information: str | None = None
    permit_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry to be recorded, with everything that becomes true by it.

    `members` go into the public part beside the common ones (v, id, kind, time, organisation,
    slot, private), shapes of other signed documents as they are; None counts as absent. `private`
    is sealed under the month's key. `gate_version` is the version the decision was made on (None:
    it depends on nothing the gate guards). `changes_gate` marks a change that every later
    statement must honour.
    """

    kind: str
    members: Mapping[str, object] = field(repr=False)
    private: Mapping[str, object] = field(repr=False)
    search: SearchColumns = SearchColumns()
    effects: tuple[Effect, ...] = field(default=(), repr=False)
    gate_version: int | None = None
    changes_gate: bool = False
    entry_id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Under:
    """A signed checkpoint and the part of its tree that was still in memory."""

    size: int
    checkpoint: str = field(repr=False)
    extension: Extension = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An entry that is durably committed; `under` is the checkpoint it was first released with.

    An entry found again later has none: its proof is made under its slot's latest root. Nor has
    it `public`, which saves reading what was written a moment ago, and `counterparty`, which says
    who was given it if its slot is lost.
    """

    entry_id: str
    entry: bytes = field(repr=False)
    leaf_hash: bytes
    slot: int
    index: int
    time: str
    under: Under | None = field(default=None, repr=False, compare=False)
    public: Public | None = field(default=None, repr=False, compare=False)
    counterparty: str | None = field(default=None, compare=False)


class EffectRefusedError(ConflictError):
    """An effect of the entry was refused, so there is no entry; `kind` says which effect."""

    problem = "effect-refused"

    def __init__(self, kind: str) -> None:
        super().__init__(f"effect {kind} refused")
        self.kind = kind


class StaleDecisionError(ConflictError):
    """The gate has moved since the decision was made; decide again (PROTOCOL §4)."""

    problem = "stale-decision"


class EntryRefusedError(ConflictError):
    """The database refused this entry alone; its neighbours were recorded."""

    problem = "entry-refused"


class SlotStoppedError(UnknownResultError):
    """The writer's slot has stopped; whether this entry is recorded is not known."""

    problem = "slot-stopped"


class NoFreeSlotError(UnavailableError):
    """No slot is held just now: others hold them all, or one is being taken. Nothing was queued."""

    problem = "no-free-slot"


class SlotAheadError(UnavailableError):
    """The slot's last entry is in the future; it rests until that time has come."""

    problem = "slot-ahead"


class SlotFrozenError(UnavailableError):
    """What is stored of this slot is not known to be what was signed from it."""

    problem = "slot-frozen"


class SlotDoubtedError(SlotFrozenError):
    """It has to be looked at first, and frozen if it is so."""

    def __init__(self, slot: int, why: str) -> None:
        super().__init__(f"slot {slot}: {why}")
        self.slot = slot


class DamagedRecordError(SekishoError):
    """The entry in the database is not what was recorded: export and verify the log."""

    problem = "record-damaged"


Outcome: TypeAlias = Recorded | EffectRefusedError | StaleDecisionError | EntryRefusedError
