"""What time it is for the database: the other clock on the way of every entry."""

from datetime import UTC, datetime
from typing import Final, LiteralString

from gateway.storage.append import known_failures
from gateway.storage.database import Connection

# Not `now()`: that is when the transaction began.
_NOW: Final[LiteralString] = "SELECT clock_timestamp()"


async def database_now(connection: Connection) -> datetime:
    """Return the instant that the database shows, aware, in UTC."""
    with known_failures():
        shown: datetime = await connection.fetchval(_NOW)
    return shown.astimezone(UTC)
