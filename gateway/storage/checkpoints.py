"""Who has something of a slot in hand, and so may see how far the slot has grown."""

from typing import Final, LiteralString

from gateway.storage.database import Connection

# Kinds that are statements: whoever is their counterparty was given them.
_HOLDS: Final[LiteralString] = """
    SELECT EXISTS (
        SELECT FROM log_entries
         WHERE slot = $1 AND counterparty = $2
           AND kind IN ('inquiry', 'permit', 'provision', 'delivery', 'receipt', 'refusal',
                        'correction'))
"""


async def holds_statement(connection: Connection, slot: int, organisation: str) -> bool:
    """Tell whether an organisation was ever given a statement of this slot."""
    found: bool = await connection.fetchval(_HOLDS, slot, organisation)
    return found
