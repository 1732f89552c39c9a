"""The network code under which our records know a person, whoever may use it just now."""

from codes.numbers import UnifiedNumber
from gateway.flows.context import Context
from gateway.storage import network_codes


async def code_in_records(context: Context, person: UnifiedNumber) -> bytes | None:
    """Return a person's code, raw; records are found by it also while it is suspended."""
    subject = context.vault.subject(person)
    async with context.database.read() as connection:
        stored = await network_codes.known_code(connection, subject)
    return None if stored is None else context.vault.code(stored).raw
