"""Day partitions of the core's transient tables: made ahead, dropped when their term ends."""

from datetime import date
from typing import Final, LiteralString

from gateway.storage.database import Connection

_MAKE: Final[LiteralString] = "SELECT core_make_days()"
_DROP: Final[LiteralString] = "SELECT core_drop_days()"


async def make_days(connection: Connection) -> list[date]:
    """Make the partitions that an inquiry of today may fall into, and return their days."""
    return list(await connection.fetchval(_MAKE))


async def drop_days(connection: Connection) -> list[str]:
    """Drop the partitions that have served their term, and return their names."""
    return list(await connection.fetchval(_DROP))
