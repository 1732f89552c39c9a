"""What slots lost, as far as an entry tells of it: what an export needs to say why they end."""

from dataclasses import dataclass
from typing import Final, LiteralString

from gateway.storage.database import Connection

_TOLD: Final[LiteralString] = """
    SELECT slot, entry_id FROM log_losses WHERE entry_id IS NOT NULL ORDER BY slot
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldLoss:
    """A frozen slot, and the entry in another one that tells what it lost."""

    slot: int
    entry_id: str


async def told_losses(connection: Connection) -> list[ToldLoss]:
    """Return every loss that an entry tells of."""
    rows = await connection.fetch(_TOLD)
    return [ToldLoss(slot=row["slot"], entry_id=row["entry_id"].hex) for row in rows]
