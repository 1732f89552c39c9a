"""The gate: one version for everything that decisions rest on (PROTOCOL §4)."""

from typing import Final, LiteralString

from gateway.storage.database import Connection

_READ: Final[LiteralString] = "SELECT version FROM gate"
_CHANGE: Final[LiteralString] = "SELECT gate_change()"


async def read_gate_version(connection: Connection) -> int:
    """Return the gate's version: to be read before, or in one snapshot with, what is decided on."""
    version: int = await connection.fetchval(_READ)
    return version


async def change_gate(connection: Connection) -> int:
    """Take the gate exclusively in the caller's transaction and move it; return its version.

    For changes made outside the writer; a draft with `changes_gate` does the same inside it.
    """
    version: int = await connection.fetchval(_CHANGE)
    return version
