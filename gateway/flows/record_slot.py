"""One writer slot: the state of its tree, and how a batch is committed on top of it.

Nothing here is signed and nothing is answered: what `write` returns is durably committed, what
it raises as `UnknownCommitError` or `SlotMovedError` ends the slot for this process.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from codes.canonical import instant, tokyo_month
from gateway.clock import Clock
from gateway.flows.record_clock import StampGuard
from gateway.flows.record_drafts import Prepared
from gateway.flows.record_seal import MonthSealer
from gateway.flows.record_types import (
    EffectRefusedError,
    EntryRefusedError,
    Outcome,
    StaleDecisionError,
)
from gateway.flows.slot_seals import SlotSeals
from gateway.records.note import Checkpoint
from gateway.records.tiles import Extension, RightEdge
from gateway.records.tree import leaf_hash, range_nodes
from gateway.storage import append, slots
from gateway.storage.append import (
    BatchAgainError,
    BatchDataError,
    BatchRows,
    Conditions,
    Dropped,
    EffectsRefusedError,
    EntryRow,
    UnknownCommitError,
    known_failures,
)
from gateway.storage.database import WriterConnection
from gateway.storage.slots import SlotState

AT_ONCE_MAX: Final = 128
"""Up to here one call of one SQL function is cheapest, beyond it COPY."""
TRIES_MAX: Final = 8
AGAIN_PAUSE_S: Final = 0.005
TRIED_MAX: Final = 64
"""How many trees that were tried are remembered until one of them is committed."""
_EVERYBODY: Final = -1
"""The entry of an effect that several entries share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When a batch is recorded, and in which month (Tokyo) that is."""

    time: datetime
    text: str
    month_text: str

    @property
    def month(self) -> int:
        """The month as stored, 202607."""
        return int(self.month_text.replace("-", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What one committed transaction added to the slot."""

    stamp: Stamp
    old_size: int
    signed_size: int
    """How far the slot had been signed, as the row's seal says."""
    extension: Extension
    prepared: Sequence[Prepared] = field(repr=False)
    rows: Sequence[EntryRow] = field(repr=False)


class SlotWriter:
    """Commits batches into one slot over a connection that holds the slot's advisory lock.

    `warnings` grows with every WARNING on the connection: what one came with has no known result.
    """

    def __init__(
        self,
        *,
        connection: WriterConnection,
        state: SlotState,
        edge: RightEdge,
        month: int | None,
        sealer: MonthSealer,
        seals: SlotSeals,
        clock: Clock,
        warnings: Sequence[str],
    ) -> None:
        self._connection = connection
        self._state = state
        self._edge = edge
        self._last_time = state.last_time
        self._month = month
        self._months: frozenset[int] = frozenset()
        self._sealer = sealer
        self._seals = seals
        self._guard = StampGuard(connection, clock, state.slot)
        self._warnings = warnings
        self._signed = Checkpoint(seals.origin(state.slot), edge.size, state.root)
        self._sealed_size = state.signed_size
        self._line: tuple[Checkpoint, ...] = (self._signed,)

    @property
    def slot(self) -> int:
        """The slot's number."""
        return self._state.slot

    @property
    def size(self) -> int:
        """How many entries are committed."""
        return self._edge.size

    @property
    def signed(self) -> Checkpoint:
        """How far the slot was signed, as far as this writer knows."""
        return self._signed

    @property
    def is_sealed_as_signed(self) -> bool:
        """Whether the slot's row tells that all of it is signed."""
        return self._sealed_size == self._edge.size

    def line(self) -> Sequence[Checkpoint]:
        """Return the newest tree and what was tried on top of it: others may sign one of them."""
        return self._line

    def was_signed(self, checkpoint: Checkpoint) -> None:
        """Take note that this much of the slot is marked and signed."""
        self._signed = checkpoint

    async def seal_signed(self) -> None:
        """Let the slot's row tell that all of it is signed, while nothing else is to be done.

        Raises:
            UnknownCommitError, SlotMovedError: the slot must stop.
        """
        seal = self._seals.seal(self._signed, self._last_time, self._signed)
        size, root = self._signed.size, self._signed.root
        await slots.seal_signed(self._connection, self._state, size=size, root=root, seal=seal)
        if self._warnings:
            raise UnknownCommitError(f"WARNING {self._warnings[0]} at a seal")
        self._sealed_size = size

    async def write(self, prepared: Sequence[Prepared]) -> list[Commit]:
        """Commit these drafts and return the commits made, usually one.

        A draft that dropped out has its error as outcome; one that was committed has none yet.

        Raises:
            UnknownCommitError, SlotMovedError: the slot must stop.
            BatchAgainError: deadlocks without end; nothing was committed.
            ClockOffError, SlotAheadError: no time can be stamped just now; nothing was committed.
        """
        stamp = self._stamp(await self._guard.now(self._last_time))
        await self._turn_to(stamp)
        for _ in range(TRIES_MAX - 1):
            try:
                return await self._write(prepared, stamp)
            except BatchAgainError:
                await asyncio.sleep(AGAIN_PAUSE_S)
        return await self._write(prepared, stamp)

    async def _write(self, prepared: Sequence[Prepared], stamp: Stamp) -> list[Commit]:
        try:
            if len(prepared) <= AT_ONCE_MAX:
                try:
                    return [await self._at_once(prepared, stamp)]
                except EffectsRefusedError:
                    pass
            return await self._by_steps(prepared, stamp)
        except BatchDataError as error:
            if len(prepared) > 1:
                return await self._one_by_one(prepared, stamp)
            prepared[0].outcome = EntryRefusedError(str(error))
            return []

    async def _at_once(self, prepared: Sequence[Prepared], stamp: Stamp) -> Commit:
        batch, commit = self._build(prepared, stamp)
        await append.commit_batch(self._connection, _conditions(prepared), batch)
        self._take(commit)
        return commit

    async def _by_steps(self, prepared: Sequence[Prepared], stamp: Stamp) -> list[Commit]:
        with known_failures():
            async with self._connection.transaction():
                accepted, outcomes = await self._run_effects(prepared)
                commit = await self._add(accepted, stamp) if accepted else None
        if commit is not None:
            self._take(commit)
        for one, outcome in outcomes:
            one.outcome = outcome
        return [] if commit is None else [commit]

    async def _one_by_one(self, prepared: Sequence[Prepared], stamp: Stamp) -> list[Commit]:
        commits: list[Commit] = []
        for one in prepared:
            commits += await self._write([one], stamp)
        return commits

    async def _run_effects(
        self, prepared: Sequence[Prepared]
    ) -> tuple[list[Prepared], list[tuple[Prepared, Outcome]]]:
        """Apply the effects of all that can be accepted together; return who and who not."""
        remaining = list(prepared)
        outcomes: list[tuple[Prepared, Outcome]] = []
        while remaining:
            savepoint = self._connection.transaction()
            await savepoint.start()
            dropped = await append.run_effects(self._connection, _conditions(remaining))
            outcomes += [(remaining[one.entry], _refusal(one)) for one in dropped]
            gone = {one.entry for one in dropped}
            remaining = [one for number, one in enumerate(remaining) if number not in gone]
            if not any(one.is_dirty for one in dropped):
                await savepoint.commit()
                break
            # An earlier effect of a dropped entry was applied: undo all, go on without it.
            await savepoint.rollback()
        return remaining, outcomes

    async def _add(self, accepted: Sequence[Prepared], stamp: Stamp) -> Commit:
        batch, commit = self._build(accepted, stamp)
        if len(accepted) <= AT_ONCE_MAX:
            await append.write_entries(self._connection, batch)
        else:
            await append.copy_entries(self._connection, batch)
        return commit

    def _take(self, commit: Commit) -> None:
        """Stand on what was committed, unless the database had a warning with it."""
        if self._warnings:
            raise UnknownCommitError(f"WARNING {self._warnings[0]} at commit")
        self._edge = commit.extension.edge
        self._line = (self._checkpoint(commit.extension),)
        self._sealed_size = commit.signed_size
        self._last_time = commit.stamp.time
        self._month = commit.stamp.month

    def _stamp(self, now: datetime) -> Stamp:
        # Never before the slot's last entry, whatever the clock says (PROTOCOL §5).
        time = max(now, self._last_time or now)
        return Stamp(time=time, text=instant(time), month_text=tokyo_month(time))

    async def _turn_to(self, stamp: Stamp) -> None:
        self._sealer.turn_to(stamp.month_text)
        if stamp.month not in self._months:
            self._months = await append.make_months(self._connection)

    def _build(self, prepared: Sequence[Prepared], stamp: Stamp) -> tuple[BatchRows, Commit]:
        time = stamp.text.encode()
        rows = [self._row(one, one.stamped(time)) for one in prepared]
        extension = self._edge.extend([row.leaf_hash for row in rows])
        old_size, size = self._edge.size, extension.edge.size
        tree, signed = self._checkpoint(extension), self._signed
        # Whoever reads what is tried here, committed or not, may come to sign it before us.
        self._line = (*self._line[:TRIED_MAX], tree)
        batch = BatchRows(
            slot=self.slot,
            epoch=self._state.epoch,
            old_size=old_size,
            size=size,
            root=extension.root,
            frontier=b"".join(extension.node(*node) for node in range_nodes(0, size)),
            signed_size=signed.size,
            signed_root=signed.root,
            seal=self._seals.seal(tree, stamp.time, signed),
            time=stamp.time,
            month=stamp.month,
            is_new_month=stamp.month != self._month,
            entries=rows,
            tiles=extension.full_tiles,
        )
        commit = Commit(
            stamp=stamp,
            old_size=old_size,
            signed_size=signed.size,
            extension=extension,
            prepared=prepared,
            rows=rows,
        )
        return batch, commit

    def _checkpoint(self, extension: Extension) -> Checkpoint:
        return Checkpoint(self._signed.origin, extension.edge.size, extension.root)

    def _row(self, one: Prepared, raw: bytes) -> EntryRow:
        draft, search = one.draft, one.draft.search
        subject, staff, system = self._sealer.blind(search)
        return EntryRow(
            entry_id=draft.entry_id,
            kind=draft.kind,
            leaf=raw,
            leaf_hash=leaf_hash(raw),
            private=self._sealer.seal(draft.entry_id, one.private),
            outcome=search.outcome,
            counterparty=search.counterparty,
            procedure=search.procedure,
            information=search.information,
            permit_id=search.permit_id,
            subject=subject,
            staff=staff,
            system=system,
        )


def _conditions(prepared: Sequence[Prepared]) -> Conditions:
    return Conditions(
        gate_versions=[one.draft.gate_version for one in prepared],
        changes=[one.draft.changes_gate for one in prepared],
        effects=_effects(prepared),
    )


def _effects(prepared: Sequence[Prepared]) -> str:
    """Return all effects as `record_effects` reads them: by order and kind, within it by key."""
    groups: dict[tuple[bool, int, str], list[tuple[str, int, bytes]]] = {}
    shared: dict[tuple[bool, int, str], dict[tuple[str, bytes], int]] = {}
    for number, one in enumerate(prepared):
        for effect in one.effects:
            group = (not one.draft.changes_gate, effect.order, effect.kind)
            if effect.is_unique:
                groups.setdefault(group, []).append((effect.key, number, effect.row))
            else:
                same = shared.setdefault(group, {})
                owner = number if (effect.key, effect.row) not in same else _EVERYBODY
                same[effect.key, effect.row] = owner
    for group, facts in shared.items():
        groups.setdefault(group, []).extend(
            (key, number, row) for (key, row), number in facts.items()
        )
    return "[" + ",".join(_group(group, rows) for group, rows in sorted(groups.items())) + "]"


def _group(group: tuple[bool, int, str], rows: list[tuple[str, int, bytes]]) -> str:
    is_plain, _, kind = group
    rows.sort()
    entries = ",".join(str(number) for _, number, _ in rows)
    changes = "false" if is_plain else "true"
    written = b",".join(row for _, _, row in rows).decode()
    return f'{{"kind":"{kind}","changes":{changes},"entries":[{entries}],"rows":[{written}]}}'


def _refusal(dropped: Dropped) -> Outcome:
    if dropped.effect is None:
        return StaleDecisionError("the gate has moved since the decision")
    return EffectRefusedError(dropped.effect)
