"""How the streams of an organisation begin: leaf 0 of every slot, once for its life."""

from typing import Final

from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.flows.record_drafts import prepare_call
from gateway.flows.record_seal import MonthSealer
from gateway.flows.record_takeover import slot_writer
from gateway.flows.record_types import Draft
from gateway.flows.slot_seals import LogKeys, SlotSeals
from gateway.storage.database import Database
from gateway.storage.slots import add_slot, let_go, take_slot
from gateway.storage.tiles import read_slots

OPENED: Final = "opened"


async def open_streams(
    *,
    database: Database,
    network: str,
    organisation: str,
    slots: int,
    key_set_digest: str,
    keys: LogKeys,
    clock: Clock,
) -> None:
    """Commit `opened` as leaf 0 of every slot that has none; doing it again does nothing.

    `key_set_digest` is the lower-case hex SHA-256 of the organisation's key set. The first slot
    makes the key of all seals.

    Raises:
        ConfigurationError: there are slots, and the key store is not the one that was there.
    """
    if (keys.network, keys.organisation) != (network, organisation):
        raise ConfigurationError(f"key store: of {keys.organisation} on {keys.network}")
    warnings: list[str] = []
    connection = await database.connect_writer(warnings.append)
    sealer = MonthSealer(keys, organisation)
    try:
        seals = SlotSeals.open(keys, is_first=not await read_slots(connection))
        for slot in range(slots):
            await add_slot(connection, slot, seals.origin(slot), seals.empty(slot))
        states = await read_slots(connection)
        for slot in (slot for slot, state in states.items() if not state.size):
            taken = await take_slot(connection, warnings, wanted=(slot,))
            if taken is None:
                continue  # another worker is opening it
            if not taken.size and seals.empty(slot) == taken.seal:
                held = await slot_writer(
                    connection, warnings, taken, sealer=sealer, seals=seals, clock=clock
                )
                draft = Draft(kind=OPENED, members={"key_set": key_set_digest}, private={})
                await held.write(
                    prepare_call([draft], organisation=organisation, slot=slot, kinds=frozenset())
                )
            await let_go(connection, slot)
    finally:
        await connection.close()
