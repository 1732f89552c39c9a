"""What is done to a database behind the back of whoever writes its record log."""

from typing import Final

import asyncpg

from gateway.records.tiles import RightEdge
from gateway.records.tree import leaf_hash, range_nodes
from tests.conftest import Dsns

END_WRITERS: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'sekisho-writer' AND datname = current_database()"
)


async def as_superuser(dsns: Dsns, sql: str, *arguments: object) -> None:
    connection = await asyncpg.connect(dsns.superuser)
    try:
        await connection.execute(sql, *arguments)
    finally:
        await connection.close()


async def leaves_of(dsns: Dsns, slot: int) -> list[bytes]:
    """Return the public parts of all entries of a slot, as they are stored."""
    connection = await asyncpg.connect(dsns.superuser)
    try:
        rows = await connection.fetch(
            "SELECT leaf FROM log_entries WHERE slot = $1 ORDER BY index", slot
        )
    finally:
        await connection.close()
    return [row["leaf"] for row in rows]


async def set_back(dsns: Dsns, *, to: int, slot: int = 0) -> None:
    """Leave the database as it was when the slot held `to` entries: an older backup's state."""
    leaves = await leaves_of(dsns, slot)
    tree = RightEdge().extend([leaf_hash(leaf) for leaf in leaves[:to]])
    frontier = b"".join(tree.node(*node) for node in range_nodes(0, to))
    await as_superuser(dsns, "DELETE FROM log_entries WHERE slot = $1 AND index >= $2", slot, to)
    await as_superuser(
        dsns,
        "UPDATE log_slots SET size = $2, root = $3, frontier = $4 WHERE slot = $1",
        *(slot, to, tree.root, frontier),
    )


async def rewrite(dsns: Dsns, *, index: int, slot: int = 0) -> None:
    """Put another entry in a place, with a root that fits: a hand in the tables."""
    leaves = await leaves_of(dsns, slot)
    leaves[index] = leaves[index].replace(b'"time":"2', b'"time":"3')
    hashes = [leaf_hash(leaf) for leaf in leaves]
    root = RightEdge().extend(hashes).root
    await as_superuser(
        dsns,
        "UPDATE log_entries SET leaf = $1, leaf_hash = $2 WHERE slot = $3 AND index = $4",
        *(leaves[index], hashes[index], slot, index),
    )
    await as_superuser(dsns, "UPDATE log_slots SET root = $1 WHERE slot = $2", root, slot)
