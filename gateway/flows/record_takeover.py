"""How a worker comes to a slot, and what it makes sure of before it writes (PROTOCOL §5).

Lock, barrier, read again, compare: with the highest root that was signed on this machine and with
what the witnesses hold. A database that is behind either, or says something else, has lost what
others were given: the slot is frozen for good, an entry in the next free slot tells of it, and
work goes on there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from codes.canonical import b64
from gateway import metrics
from gateway.clock import Clock
from gateway.errors import ConfigurationError, UnavailableError
from gateway.flows.record_drafts import prepare_call
from gateway.flows.record_marks import Mark, ReleasedMarks
from gateway.flows.record_seal import MonthKeys, MonthSealer
from gateway.flows.record_slot import SlotWriter
from gateway.flows.record_types import Draft, NoFreeSlotError, new_id
from gateway.logs import get_logger
from gateway.records.errors import RecordsError
from gateway.records.note import Checkpoint
from gateway.records.tree import EMPTY_ROOT
from gateway.storage.append import effect_kinds
from gateway.storage.database import Connection, Database, WriterConnection
from gateway.storage.preflight import require_writer
from gateway.storage.slots import (
    Loss,
    LossRecorded,
    SlotState,
    count_frozen,
    freeze_slot,
    is_where_restored,
    last_month,
    let_go,
    promise_replication,
    take_slot,
    unrecorded_losses,
)
from gateway.storage.tiles import read_edge, read_slots, root_at

LOG_LOSS: Final = "log-loss"
RELEASED: Final = "released"
RESTORED: Final = "restore"
TILES: Final = "tiles"
_NOTHING: Final = Mark(0, EMPTY_ROOT)

log = get_logger()

Copies = Callable[[int, int], Mapping[str, Sequence[int]]]
"""Who was given entries of a slot from an index on: indexes by organisation."""


class WitnessesSilentError(UnavailableError):
    """No witness says how far a slot had grown, and nothing on this machine does either."""

    problem = "slot-unproved"


class Elsewhere(Protocol):
    """What others hold of our slots."""

    async def newest(self, slot: int) -> Mapping[str, Checkpoint] | None:
        """Return what each witness cosigned last, signed by ourselves; None if nobody answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenancy:
    """A slot that is ours as long as the connection lives."""

    connection: WriterConnection
    slot: SlotWriter
    kinds: frozenset[str]
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """What slots are taken with; `is_replicated` promises that a commit stands on a standby too."""

    database: Database
    organisation: str
    keys: MonthKeys = field(repr=False)
    clock: Clock
    marks: ReleasedMarks
    elsewhere: Elsewhere | None = None
    is_replicated: bool = False

    async def take(self, copies: Copies) -> Tenancy:
        """Return the first free slot that nothing is missing from.

        Raises:
            ConfigurationError: the database does not keep what was promised of it, or replication
                was and commits wait for no standby.
            NoFreeSlotError: others hold every slot, or all are frozen.
            WitnessesSilentError: it cannot be told whether something is missing.
            UnknownCommitError: the barrier's result is not known.
            UnavailableError: there is no database.
        """
        warnings: list[str] = []
        connection = await self.database.connect_writer(warnings.append)
        try:
            await require_writer(connection, self.database.demands)
            if self.is_replicated:
                await _require_standby(connection)
            kinds = await effect_kinds(connection)
            state, slot = await self._hold(connection, warnings, copies)
            await self._tell_losses(connection, slot, kinds)
        except BaseException:
            # Not `close`: that waits for a database that may be gone.
            connection.terminate()
            raise
        return Tenancy(connection=connection, slot=slot, kinds=kinds, origin=state.origin)

    async def _hold(
        self, connection: WriterConnection, warnings: Sequence[str], copies: Copies
    ) -> tuple[SlotState, SlotWriter]:
        unproved: dict[int, Loss] = {}
        while (state := await take_slot(connection, warnings, unwanted=unproved)) is not None:
            known = await self._known(state.slot, state.origin)
            loss = await self._missing(connection, state, known, copies)
            if loss is None:
                for one in unproved.values():
                    await _freeze(connection, one)
                sealer = MonthSealer(self.keys, self.organisation)
                return state, await slot_writer(
                    connection, warnings, state, sealer=sealer, clock=self.clock
                )
            if loss.known_from == RESTORED:
                # For good only where work goes on elsewhere: a mark may still be brought.
                unproved[state.slot] = loss
            else:
                await _freeze(connection, loss)
            await let_go(connection, state.slot)
        raise NoFreeSlotError("every slot is held or frozen")

    async def freeze_if_lost(self, slot: int, copies: Copies) -> None:
        """Freeze a slot that anybody may hold, if it is shown to have lost what was signed."""
        async with self.database.read() as connection:
            origin = (await read_slots(connection, [slot]))[slot].origin
        # What is known comes first: what is committed meanwhile only adds to what is there.
        known = await self._known(slot, origin)
        async with self.database.read() as connection:
            state = (await read_slots(connection, [slot]))[slot]
            loss = await self._missing(connection, state, known, copies)
            if loss is not None:
                await _freeze(connection, loss)

    async def _missing(
        self,
        connection: Connection,
        state: SlotState,
        known: Mapping[str, Mark],
        copies: Copies,
    ) -> Loss | None:
        """Return what is known to be signed of a slot and is not in the database as it was."""
        is_prefix = is_whole = await leads_to_its_root(connection, state)
        for mark in known.values():
            if is_prefix and mark.size <= state.size:
                is_prefix = await root_at(connection, state.slot, mark.size) == mark.root
        source, largest = max(
            known.items(), key=lambda item: item[1].size, default=(TILES, _NOTHING)
        )
        if is_prefix and largest.size <= state.size:
            if RELEASED in known or not await is_where_restored(connection, state):
                return None
            # More may have followed the backup than any witness saw: nobody can tell.
            source, largest = RESTORED, Mark(state.size, state.root)
        return Loss(
            slot=state.slot,
            size=state.size,
            root=state.root,
            known_size=largest.size,
            known_root=largest.root,
            known_from=source if is_whole else TILES,
            is_prefix=is_prefix,
            copies=copies(state.slot, state.size if is_prefix else 0),
        )

    async def _known(self, slot: int, origin: str) -> dict[str, Mark]:
        """Return what we are known to have signed from a slot, by who knows."""
        known: dict[str, Mark] = {}
        mark = self.marks.highest(origin)
        if mark is not None:
            known[RELEASED] = mark
        if self.elsewhere is not None:
            cosigned = await self.elsewhere.newest(slot)
            if cosigned is None and mark is None:
                raise WitnessesSilentError(f"slot {slot}: no witness answers")
            for witness, checkpoint in (cosigned or {}).items():
                known[witness] = Mark(checkpoint.size, checkpoint.root)
        return known

    async def _tell_losses(
        self, connection: WriterConnection, slot: SlotWriter, kinds: frozenset[str]
    ) -> None:
        """Record every loss that no entry tells of yet."""
        metrics.RECORD_SLOTS_FROZEN.set(await count_frozen(connection))
        drafts = [_loss_draft(loss) for loss in await unrecorded_losses(connection)]
        if drafts:
            await slot.write(
                prepare_call(drafts, organisation=self.organisation, slot=slot.slot, kinds=kinds)
            )


async def _freeze(connection: Connection, loss: Loss) -> None:
    log.error(
        "slot_frozen",
        slot=loss.slot,
        size=loss.size,
        known_size=loss.known_size,
        what=loss.known_from,
    )
    await freeze_slot(connection, loss)


async def _require_standby(connection: WriterConnection) -> None:
    if not await promise_replication(connection):
        raise ConfigurationError("durability replicated: there is no synchronous standby")


async def leads_to_its_root(connection: Connection, state: SlotState) -> bool:
    """Tell whether the entries and tiles at the edge of a slot lead to its root."""
    try:
        return (await read_edge(connection, state)).root() == state.root
    except RecordsError:
        return False


async def slot_writer(
    connection: WriterConnection,
    warnings: Sequence[str],
    state: SlotState,
    *,
    sealer: MonthSealer,
    clock: Clock,
) -> SlotWriter:
    """Return the writer of a slot that this connection holds."""
    return SlotWriter(
        connection=connection,
        state=state,
        edge=await read_edge(connection, state),
        month=await last_month(connection, state.slot),
        sealer=sealer,
        clock=clock,
        warnings=warnings,
    )


def _loss_draft(loss: Loss) -> Draft:
    entry_id = new_id()
    private: dict[str, object] = {
        "slot": loss.slot,
        "size": loss.size,
        "root": b64(loss.root),
        "known_size": loss.known_size,
        "known_root": b64(loss.known_root),
        "known_from": loss.known_from,
        "is_prefix": int(loss.is_prefix),
        "copies": {name: list(indexes) for name, indexes in loss.copies.items()},
    }
    return Draft(
        entry_id=entry_id,
        kind=LOG_LOSS,
        members={},
        private=private,
        effects=(LossRecorded(slot=loss.slot, entry_id=entry_id),),
    )
