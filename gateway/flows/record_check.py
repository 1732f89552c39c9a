"""Whether what is stored of each slot still leads to its root, looked at when a worker starts.

A worker makes sure of the slot that it takes (`record_takeover.py`); one that nobody takes would
else show only when somebody asks for it. Nothing is frozen here: whoever takes the slot does that.
"""

from gateway import metrics
from gateway.flows.record_takeover import leads_to_its_root
from gateway.logs import get_logger
from gateway.storage.database import Database
from gateway.storage.tiles import read_slots

log = get_logger()


async def look_at_slots(database: Database) -> list[int]:
    """Return the slots whose entries and tiles do not lead to their root, and raise the alarm.

    What was found before, and is frozen, is told of by its entry `log-loss`.
    """
    # One instant: whoever writes a slot meanwhile moves root and entries together.
    async with database.snapshot() as connection:
        states = await read_slots(connection)
        broken = [
            state.slot
            for state in states.values()
            if not state.is_frozen and not await leads_to_its_root(connection, state)
        ]
    for slot in broken:
        log.error("slot_not_whole", slot=slot, size=states[slot].size)
    metrics.RECORD_SLOTS_BROKEN.set(len(broken))
    return broken
