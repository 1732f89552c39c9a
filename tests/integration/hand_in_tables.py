"""What an administrator of the database can do to the log with every right there is."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

import asyncpg

from gateway.flows.slot_seals import LogKeys, SlotSeals
from gateway.records.note import Checkpoint, log_origin
from gateway.records.tiles import RightEdge
from gateway.records.tree import leaf_hash, range_nodes
from tests.conftest import Dsns
from tests.integration.record_log import NETWORK, ORGANISATION, RecordLog

Row: TypeAlias = dict[str, Any]

END_WRITERS: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'sekisho-writer' AND datname = current_database()"
)


class Keyed(Protocol):
    """A log as far as its keys go."""

    @property
    def keys(self) -> LogKeys:
        """Return the key store that its slots are sealed by."""
        ...


_ROW = "SELECT * FROM log_slots WHERE slot = $1"
_PUT = """
    UPDATE log_slots SET (epoch, size, root, frontier, last_time, signed_size, signed_root, seal,
                          is_frozen)
                       = (epoch, $2, $3, $4, $5, $6, $7, $8, $9)
     WHERE slot = $1
"""
_PUT_COLUMNS = ("slot", "size", "root", "frontier", "last_time", "signed_size", "signed_root")
_FORGE = """
    INSERT INTO log_entries (month, slot, index, time, entry_id, kind, leaf, leaf_hash, private)
    SELECT month, slot, $2, time, gen_random_uuid(), kind, $3, $4, private
      FROM log_entries WHERE slot = $1 AND index = 0
    ON CONFLICT (slot, index, month) DO UPDATE
       SET leaf = excluded.leaf, leaf_hash = excluded.leaf_hash
"""


async def as_superuser(dsns: Dsns, sql: str, *arguments: object) -> None:
    """Run one statement past every right and constraint of the running role."""
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


async def row_of(dsns: Dsns, slot: int = 0) -> Row:
    """Return a slot's row as it is."""
    connection = await asyncpg.connect(dsns.superuser)
    try:
        found = await connection.fetchrow(_ROW, slot)
    finally:
        await connection.close()
    assert found is not None
    return dict(found)


async def put_row(dsns: Dsns, row: Row, slot: int = 0) -> None:
    """Put a row back as it was at another time, or of another slot."""
    values = [row[name] for name in _PUT_COLUMNS[1:]]
    await as_superuser(dsns, _PUT, slot, *values, row["seal"], row["is_frozen"])


async def go_back(dsns: Dsns, row: Row) -> None:
    """Leave the database as it was when a slot's row was this one."""
    await as_superuser(
        dsns, "DELETE FROM log_entries WHERE slot = $1 AND index >= $2", row["slot"], row["size"]
    )
    await put_row(dsns, row)


async def rewrite(
    dsns: Dsns, *, leaves: Sequence[bytes], slot: int = 0, first: int = 0
) -> Checkpoint:
    """Let a slot hold these entries and everything in its row fit them, but for the seal."""
    origin = (await row_of(dsns, slot))["origin"]
    await as_superuser(
        dsns, "DELETE FROM log_entries WHERE slot = $1 AND index >= $2", slot, len(leaves)
    )
    for index in range(first, len(leaves)):
        await as_superuser(dsns, _FORGE, slot, index, leaves[index], leaf_hash(leaves[index]))
    tree = RightEdge().extend([leaf_hash(leaf) for leaf in leaves])
    frontier = b"".join(tree.node(*node) for node in range_nodes(0, len(leaves)))
    await as_superuser(
        dsns,
        "UPDATE log_slots SET size = $2, root = $3, frontier = $4,"
        " signed_size = least(signed_size, $2) WHERE slot = $1",
        *(slot, len(leaves), tree.root, frontier),
    )
    return Checkpoint(origin, len(leaves), tree.root)


async def set_back(log: Keyed, dsns: Dsns, *, to: int, slot: int = 0) -> None:
    """Leave the database as it was when all of `to` entries was signed: an older backup's state."""
    leaves = await leaves_of(dsns, slot)
    tree = await rewrite(dsns, leaves=leaves[:to], slot=slot, first=to)
    row = await row_of(dsns, slot)
    seal = SlotSeals.open(log.keys).seal(tree, row["last_time"], tree)
    await as_superuser(
        dsns,
        "UPDATE log_slots SET signed_size = size, signed_root = root, seal = $2 WHERE slot = $1",
        *(slot, seal),
    )


async def put_other(dsns: Dsns, *, index: int, slot: int = 0) -> None:
    """Put another entry in a place, with a root that fits: the rows agree with each other."""
    leaves = await leaves_of(dsns, slot)
    leaves[index] = leaves[index].replace(b'"time":"2', b'"time":"3')
    await as_superuser(
        dsns,
        "UPDATE log_entries SET leaf = $1, leaf_hash = $2 WHERE slot = $3 AND index = $4",
        *(leaves[index], leaf_hash(leaves[index]), slot, index),
    )
    await as_superuser(dsns, "UPDATE log_slots SET root = $1 WHERE slot = $2", root(leaves), slot)


async def forged(log: RecordLog, slot: int = 0) -> bytes:
    """Return an entry that nobody recorded."""
    leaves = await log.leaves(slot)
    return leaves[-1].replace(b'"time":"2', b'"time":"3')


async def tried(
    record_log: RecordLog, dsns: Dsns, *, entries: int, slot: int = 0
) -> Callable[[], Awaitable[None]]:
    """Return what puts into a slot what its writer would send now, and leaves nothing else."""
    leaves, row = await record_log.leaves(slot), await row_of(dsns, slot)
    now = [*leaves, *[await forged(record_log, slot)] * entries]
    base = Checkpoint(log_origin(NETWORK, ORGANISATION, slot), len(leaves), root(leaves))
    tree = Checkpoint(base.origin, len(now), root(now))
    seal = SlotSeals.open(record_log.keys).seal(tree, row["last_time"], base)

    async def put() -> None:
        await rewrite(dsns, leaves=now, slot=slot, first=len(leaves))
        sealed = {"signed_size": base.size, "signed_root": base.root, "seal": seal}
        time = {"last_time": row["last_time"]}
        await put_row(dsns, await row_of(dsns, slot) | time | sealed, slot)

    return put


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree of these entries."""
    return RightEdge().extend([leaf_hash(leaf) for leaf in leaves]).root
