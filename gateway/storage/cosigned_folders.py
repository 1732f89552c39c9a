"""Which folders of marks tell what this database's organisation cosigned (`cosigned_marks.py`)."""

from typing import Final, LiteralString

from gateway.storage.database import Connection

_IS_KNOWN: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM cosigned_folders WHERE name = $1)
"""


async def is_known(connection: Connection, name: str) -> bool:
    """Tell whether a folder is one of this database's."""
    found: bool = await connection.fetchval(_IS_KNOWN, name)
    return found


_JOIN: Final[LiteralString] = """
    INSERT INTO cosigned_folders (name) VALUES ($1) ON CONFLICT DO NOTHING
"""


async def join(connection: Connection, name: str) -> None:
    """Make a folder one of this database's."""
    await connection.execute(_JOIN, name)


# A backup from before the first start says nothing of what was cosigned after it.
_JOIN_IF_FIRST: Final[LiteralString] = """
    INSERT INTO cosigned_folders (name)
    SELECT $1
     WHERE NOT EXISTS (SELECT FROM cosigned_folders)
       AND NOT EXISTS (SELECT FROM witnessed)
       AND NOT EXISTS (SELECT FROM restores)
    ON CONFLICT DO NOTHING
"""


async def join_if_first(connection: Connection, name: str) -> None:
    """Do the same if nothing can have been cosigned over this database, here or elsewhere."""
    await connection.execute(_JOIN_IF_FIRST, name)
