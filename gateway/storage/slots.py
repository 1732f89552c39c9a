"""Writer slots: taken by one, moved by compare-and-set, frozen for good when something was lost.

The caller owns the connection. Failures come back typed by what they prove, as in `append`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, LiteralString

import asyncpg
import msgspec

from gateway.records.tree import EMPTY_ROOT
from gateway.storage.append import SlotMovedError, UnknownCommitError, known_failures
from gateway.storage.database import Connection, WriterConnection, has_standby
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """A slot's row: what is committed there."""

    slot: int
    origin: str
    epoch: int
    size: int
    root: bytes
    frontier: bytes = field(repr=False)
    last_time: datetime | None
    signed_size: int
    """How far the slot had been signed when its writer wrote this row."""
    signed_root: bytes = field(repr=False)
    seal: bytes = field(repr=False)
    """What makes the row its writer's: nothing is signed on the word of a row without it."""
    is_frozen: bool
    is_prefix: bool
    """False for one that was frozen because something else was signed under its origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A slot whose database is behind what was released from it, or says something else.

    `copies` are the indexes that other organisations were given, as far as this process knows.
    """

    slot: int
    size: int
    """What the database holds."""
    root: bytes = field(repr=False)
    known_size: int
    known_root: bytes = field(repr=False)
    known_from: str
    """`released` (this machine's own mark), `seal`, `tiles`, `restore`, or a witness's name."""
    is_prefix: bool
    """Whether what the database holds is the beginning of what was released."""
    copies: Mapping[str, Sequence[int]] = field(default_factory=dict, repr=False)


# In slot order, and only those that nobody holds: a worker takes the first it gets.
_TRY_LOCK: Final[LiteralString] = """
    SELECT pg_try_advisory_lock(2, $1)
"""
_UNLOCK: Final[LiteralString] = """
    SELECT pg_advisory_unlock(2, $1)
"""
_CANDIDATES: Final[LiteralString] = """
    SELECT slot FROM log_slots WHERE NOT is_frozen ORDER BY slot
"""
# Raising the epoch is a commit of its own, the barrier: once it is acknowledged, no commit of an
# earlier holder can still come, and everything read after it is as durable as it is.
_TAKE: Final[LiteralString] = """
    UPDATE log_slots SET epoch = epoch + 1
     WHERE slot = $1 AND NOT is_frozen
    RETURNING slot, origin, epoch, size, root, frontier, last_time, signed_size, signed_root, seal,
              is_frozen, true AS is_prefix
"""


async def take_slot(
    connection: WriterConnection,
    warnings: Sequence[str],
    *,
    wanted: Sequence[int] | None = None,
    unwanted: Collection[int] = (),
) -> SlotState | None:
    """Hold the first free slot for as long as the connection lives; `None` if there is none.

    Only one that is `wanted`, where that is said, and none that is `unwanted`.
    `warnings` grows with every WARNING on the connection: a barrier that came with one is none.
    """
    with known_failures():
        for row in await connection.fetch(_CANDIDATES):
            slot: int = row["slot"]
            if slot in unwanted or (wanted is not None and slot not in wanted):
                continue
            if await connection.fetchval(_TRY_LOCK, slot):
                taken = await connection.fetchrow(_TAKE, slot)
                if warnings:
                    raise UnknownCommitError(f"WARNING {warnings[0]} at the barrier")
                if taken is not None:
                    return slot_state(taken)
                await connection.fetchval(_UNLOCK, slot)
    return None


async def let_go(connection: WriterConnection, slot: int) -> None:
    """Hold a slot no longer, but keep the connection."""
    with known_failures():
        await connection.fetchval(_UNLOCK, slot)


_ADD_SLOT: Final[LiteralString] = """
    INSERT INTO log_slots (slot, origin, root, signed_size, signed_root, seal)
    VALUES ($1, $2, $3, 0, $3, $4) ON CONFLICT DO NOTHING
"""


async def add_slot(connection: WriterConnection, slot: int, origin: str, seal: bytes) -> None:
    """Make the row of an empty slot, unless it is there."""
    with known_failures():
        await connection.execute(_ADD_SLOT, slot, origin, EMPTY_ROOT, seal)


_SEAL_SIGNED: Final[LiteralString] = """
    UPDATE log_slots SET signed_size = $4, signed_root = $5, seal = $6
     WHERE slot = $1 AND epoch = $2 AND size = $3 AND NOT is_frozen
"""


async def seal_signed(
    connection: WriterConnection, at: SlotState, *, size: int, root: bytes, seal: bytes
) -> None:
    """Say in a slot's row that all of it is signed; `at` is the slot as it was taken.

    Raises:
        SlotMovedError: it is not where this writer left it.
    """
    with known_failures():
        tag = await connection.execute(_SEAL_SIGNED, at.slot, at.epoch, size, size, root, seal)
    if tag != "UPDATE 1":
        raise SlotMovedError("SK002")


_LAST_MONTH: Final[LiteralString] = "SELECT max(month) FROM log_months WHERE slot = $1"


async def last_month(connection: WriterConnection, slot: int) -> int | None:
    """Return the month of the slot's last entry."""
    with known_failures():
        month: int | None = await connection.fetchval(_LAST_MONTH, slot)
    return month


_PROMISE: Final[LiteralString] = "SELECT set_config('sekisho.durability', 'replicated', false)"


async def promise_replication(connection: WriterConnection) -> bool:
    """Let this connection commit entries only while commits wait for a standby.

    Tells whether there is one now that they wait for.
    """
    with known_failures():
        await connection.fetchval(_PROMISE)
        return await has_standby(connection)


_IS_WHERE_RESTORED: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM log_restored WHERE slot = $1 AND size = $2 AND size > 1)
"""


async def is_where_restored(connection: Connection, state: SlotState) -> bool:
    """Tell whether a slot stands where a backup left it that more may have followed.

    One that holds nothing but its `opened` entry is not meant: nobody was given more of it.
    """
    with known_failures():
        found = await connection.fetchval(_IS_WHERE_RESTORED, state.slot, state.size)
    return bool(found)


_FREEZE: Final[LiteralString] = """
    WITH frozen AS (
        UPDATE log_slots SET is_frozen = true WHERE slot = $1 AND NOT is_frozen
        RETURNING slot, size, root
    )
    INSERT INTO log_losses (slot, size, root, known_size, known_root, known_from, is_prefix,
                            copies)
    SELECT slot, size, root, $2, $3, $4, $5, $6::text::jsonb FROM frozen
    -- Somebody set it free by hand: what was told of it stands.
    ON CONFLICT (slot) DO UPDATE SET is_prefix = log_losses.is_prefix AND excluded.is_prefix
"""


async def freeze_slot(connection: Connection, loss: Loss) -> None:
    """Let nothing be written into a slot ever again; doing it twice does nothing."""
    with known_failures():
        await connection.execute(
            _FREEZE,
            loss.slot,
            loss.known_size,
            loss.known_root,
            loss.known_from,
            loss.is_prefix,
            msgspec.json.encode(loss.copies).decode(),
        )


_LOSSES: Final[LiteralString] = """
    SELECT slot, size, root, known_size, known_root, known_from, is_prefix, copies::text AS copies
      FROM log_losses
     WHERE entry_id IS NULL
     ORDER BY slot
"""


async def unrecorded_losses(connection: Connection) -> list[Loss]:
    """Return the losses that no entry tells of yet."""
    with known_failures():
        rows = await connection.fetch(_LOSSES)
    return [
        Loss(
            slot=row["slot"],
            size=row["size"],
            root=row["root"],
            known_size=row["known_size"],
            known_root=row["known_root"],
            known_from=row["known_from"],
            is_prefix=row["is_prefix"],
            copies=msgspec.json.decode(row["copies"], type=dict[str, list[int]]),
        )
        for row in rows
    ]


_FROZEN: Final[LiteralString] = "SELECT count(*) FROM log_slots WHERE is_frozen"


async def count_frozen(connection: Connection) -> int:
    """Return how many slots nothing is written into any more."""
    with known_failures():
        count: int = await connection.fetchval(_FROZEN)
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRecorded(Effect):
    """A loss is told of by one entry; refused if another entry was first."""

    KIND: ClassVar[str] = "log_loss"

    slot: int
    entry_id: str

    @property
    def key(self) -> str:
        """Return the slot."""
        return str(self.slot)


def slot_state(row: asyncpg.Record) -> SlotState:
    """Return a slot's row as a value."""
    return SlotState(
        slot=row["slot"],
        origin=row["origin"],
        epoch=row["epoch"],
        size=row["size"],
        root=row["root"],
        frontier=row["frontier"],
        last_time=row["last_time"] if row["size"] else None,
        signed_size=row["signed_size"],
        signed_root=row["signed_root"],
        seal=row["seal"],
        is_frozen=row["is_frozen"],
        is_prefix=row["is_prefix"],
    )
