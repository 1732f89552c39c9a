"""How a worker comes to a slot: opened once for the life of the organisation, held by one.

At every start the committed state is read again and must lead to the committed root.
"""

from typing import Final

from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.flows.record_drafts import prepare_call
from gateway.flows.record_seal import MonthKeys, MonthSealer
from gateway.flows.record_slot import SlotWriter
from gateway.flows.record_types import Draft, NoFreeSlotError
from gateway.records.errors import RecordsError
from gateway.records.note import log_origin
from gateway.storage.append import add_slot, last_month, take_slot
from gateway.storage.database import Database, WriterConnection
from gateway.storage.tiles import read_edge, read_slots

OPENED: Final = "opened"


class SlotDamagedError(UnavailableError):
    """What is stored of a slot does not lead to its root; nothing is written into it."""

    problem = "slot-damaged"


async def open_streams(
    *,
    database: Database,
    network: str,
    organisation: str,
    slots: int,
    key_set_digest: str,
    keys: MonthKeys,
    clock: Clock,
) -> None:
    """Commit `opened` as leaf 0 of every slot that has none; doing it again does nothing.

    `key_set_digest` is the lower-case hex SHA-256 of the organisation's key set.
    """
    warnings: list[str] = []
    connection = await database.connect_writer(warnings.append)
    sealer = MonthSealer(keys, organisation)
    try:
        for slot in range(slots):
            await add_slot(connection, slot, log_origin(network, organisation, slot))
        states = await read_slots(connection)
        for slot in (slot for slot, state in states.items() if not state.size):
            try:
                held = await hold_slot(
                    connection, warnings, sealer=sealer, clock=clock, wanted=(slot,)
                )
            except NoFreeSlotError:
                continue  # another worker is opening it
            if not held.size:
                draft = Draft(kind=OPENED, members={"key_set": key_set_digest}, private={})
                await held.write(
                    prepare_call([draft], organisation=organisation, slot=slot, kinds=frozenset())
                )
    finally:
        await connection.close()


async def hold_slot(
    connection: WriterConnection,
    warnings: list[str],
    *,
    sealer: MonthSealer,
    clock: Clock,
    wanted: tuple[int, ...] | None = None,
) -> SlotWriter:
    """Take the first free slot, of those wanted, for as long as the connection lives.

    Raises:
        NoFreeSlotError: others hold them all, or there are none.
        SlotDamagedError: the entries and tiles at the edge do not lead to the slot's root.
    """
    state = await take_slot(connection, wanted=wanted)
    if state is None:
        raise NoFreeSlotError("every slot is held or frozen")
    try:
        edge = await read_edge(connection, state)
    except RecordsError as error:
        raise SlotDamagedError(f"slot {state.slot}: {error.reason}") from error
    if edge.root() != state.root:
        raise SlotDamagedError(f"slot {state.slot}: another root")
    return SlotWriter(
        connection=connection,
        state=state,
        edge=edge,
        month=await last_month(connection, state.slot),
        sealer=sealer,
        clock=clock,
        warnings=warnings,
    )
