"""How a worker comes to a slot, and what it makes sure of before it writes (PROTOCOL §5).

Lock, barrier, read again, compare: with the seal that only a writer of ours can make, with the
highest root that was signed on this machine and with what the witnesses hold. A row that is not
sealed is nobody's; a database that is behind what was signed, or says something else, has lost what
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
from gateway.flows.record_seal import MonthSealer
from gateway.flows.record_slot import SlotWriter
from gateway.flows.record_stand import begins_with
from gateway.flows.record_types import Draft, NoFreeSlotError, SlotDoubtedError, new_id
from gateway.flows.slot_seals import SEAL, LogKeys, SlotSeals
from gateway.logs import get_logger
from gateway.records.errors import RecordsError
from gateway.records.note import Checkpoint
from gateway.records.tree import EMPTY_ROOT, range_nodes
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
from gateway.storage.tiles import read_edge, read_slots

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
    keys: LogKeys = field(repr=False)
    seals: SlotSeals
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
        origin = self.seals.origin(state.slot)
        return Tenancy(connection=connection, slot=slot, kinds=kinds, origin=origin)

    async def _hold(
        self, connection: WriterConnection, warnings: Sequence[str], copies: Copies
    ) -> tuple[SlotState, SlotWriter]:
        unproved: dict[int, Loss] = {}
        while (state := await take_slot(connection, warnings, unwanted=unproved)) is not None:
            origin = self.seals.origin(state.slot)
            known = await self._known(state)
            loss = await self._missing(connection, state, known, copies)
            if loss is None:
                # From here on nothing else may be signed of it, whoever reads what.
                tree = Checkpoint(origin, state.size, state.root)
                self.marks.put(tree, against=known.get(RELEASED))
                for one in unproved.values():
                    await _freeze(connection, one)
                sealer = MonthSealer(self.keys, self.organisation)
                return state, await slot_writer(
                    *(connection, warnings, state),
                    sealer=sealer,
                    seals=self.seals,
                    clock=self.clock,
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
            state = (await read_slots(connection, [slot]))[slot]
        # What is known comes first: what is committed meanwhile only adds to what is there.
        known = await self._known(state)
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
        ground = None
        if not self._is_sealed(state):
            ground = SEAL
        elif not await leads_to_its_root(connection, state):
            ground = TILES
        is_prefix = ground is None
        for mark in known.values():
            if is_prefix and mark.size <= state.size:
                is_prefix = await begins_with(connection, state, mark)
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
            known_from=ground or source,
            is_prefix=is_prefix,
            copies=copies(state.slot, state.size if is_prefix else 0),
        )

    def _is_sealed(self, state: SlotState) -> bool:
        try:
            self.seals.require(state)
        except SlotDoubtedError:
            return False
        return True

    async def _known(self, state: SlotState) -> dict[str, Mark]:
        """Return what we are known to have signed from a slot, by who knows.

        No witness is asked of a row without a seal: nothing it says makes it ours.
        """
        known: dict[str, Mark] = {}
        mark = self.marks.highest(self.seals.origin(state.slot))
        if mark is not None:
            known[RELEASED] = mark
        if self.elsewhere is not None and self._is_sealed(state):
            cosigned = await self.elsewhere.newest(state.slot)
            if cosigned is None and mark is None:
                raise WitnessesSilentError(f"slot {state.slot}: no witness answers")
            for witness, checkpoint in (cosigned or {}).items():
                known[witness] = Mark(checkpoint.size, checkpoint.root)
        return known

    async def untold(self) -> list[Draft]:
        """Return an entry for every loss that none tells of yet."""
        async with self.database.read() as connection:
            return await _untold(connection)

    async def _tell_losses(
        self, connection: WriterConnection, slot: SlotWriter, kinds: frozenset[str]
    ) -> None:
        """Record every loss that no entry tells of yet."""
        drafts = await _untold(connection)
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


async def _untold(connection: Connection) -> list[Draft]:
    metrics.RECORD_SLOTS_FROZEN.set(await count_frozen(connection))
    return [_loss_draft(loss) for loss in await unrecorded_losses(connection)]


async def _require_standby(connection: WriterConnection) -> None:
    if not await promise_replication(connection):
        raise ConfigurationError("durability replicated: there is no synchronous standby")


async def leads_to_its_root(connection: Connection, state: SlotState) -> bool:
    """Tell whether the entries and tiles at the edge of a slot lead to its root."""
    try:
        edge = await read_edge(connection, state)
        frontier = b"".join(edge.node(*node) for node in range_nodes(0, state.size))
    except RecordsError:
        return False
    return (edge.root(), frontier) == (state.root, state.frontier)


async def slot_writer(
    connection: WriterConnection,
    warnings: Sequence[str],
    state: SlotState,
    *,
    sealer: MonthSealer,
    seals: SlotSeals,
    clock: Clock,
) -> SlotWriter:
    """Return the writer of a slot that this connection holds.

    Raises:
        SlotDoubtedError: what is stored does not lead to its root, or no longer.
    """
    edge = await read_edge(connection, state)
    if edge.root() != state.root:
        raise SlotDoubtedError(state.slot, "its tiles do not lead to its root")
    return SlotWriter(
        connection=connection,
        state=state,
        edge=edge,
        month=await last_month(connection, state.slot),
        sealer=sealer,
        seals=seals,
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
