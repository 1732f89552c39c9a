"""Which writer slots are held just now, by whichever worker: the locks that the server sees."""

from typing import Final, LiteralString

from gateway.storage.database import Connection

_LOWEST: Final[LiteralString] = """
    SELECT min(l.objid::bigint)
      FROM pg_locks AS l
      JOIN pg_database AS d ON d.oid = l.database
     WHERE l.locktype = 'advisory' AND l.classid = 2 AND l.objsubid = 2 AND l.granted
       AND d.datname = current_database()
"""


async def lowest_held(connection: Connection) -> int | None:
    """Return the lowest slot that anybody holds, `None` if nobody holds one.

    A frozen one counts while it is held: its holder learns of it by the next thing it writes.
    """
    slot: int | None = await connection.fetchval(_LOWEST)
    return slot
