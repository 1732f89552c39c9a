"""Day partitions: made ahead, dropped when their term ends. Which days is the schema's to say."""

from datetime import date
from typing import Final, LiteralString

from gateway.storage.database import Connection

ANSWERS: Final = ("answers", "answered_inquiries")
ASSERTIONS: Final = "client_assertions"
CORE: Final = ("core_inquiries", "core_contacts", "core_outcomes")

_MAKE: Final[LiteralString] = "SELECT days_make($1)"
_DROP: Final[LiteralString] = "SELECT days_drop($1)"


async def make(connection: Connection, table: str) -> list[date]:
    """Make the partitions that what happens now may fall into; return their days."""
    return list(await connection.fetchval(_MAKE, table))


async def turn(connection: Connection, table: str) -> list[str]:
    """Make the days to come and drop those whose term is over; return what was dropped."""
    await make(connection, table)
    return list(await connection.fetchval(_DROP, table))
