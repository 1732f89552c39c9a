"""How a batch of entries gets into the record log: the writer's side of SQL (PROTOCOL §5).

The caller owns connection and transaction. Failures come back typed by what they prove: a
refusal or a data error proves that nothing was committed, everything else proves nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

import asyncpg

from gateway.errors import SekishoError
from gateway.records.tiles import Tile
from gateway.storage.database import WriterConnection

_EFFECT_REFUSED: Final = "SK001"
_SLOT_MOVED: Final = "SK002"
_NOT_REPLICATED: Final = "SK003"
_AGAIN: Final = frozenset({"40001", "40P01"})
_DATA_CLASSES: Final = frozenset({"22", "23", "P0"})
STALE: Final = "stale"
_EFFECT: Final = "effect:"


class EffectsRefusedError(SekishoError):
    """An effect was refused or a decision is stale; nothing was committed."""


class SlotMovedError(SekishoError):
    """The slot is not where this writer left it; nothing was committed."""


class NotReplicatedError(SekishoError):
    """Commits were promised to wait for a standby and no longer do; nothing was committed."""


class BatchDataError(SekishoError):
    """The database does not take the data; nothing was committed."""


class BatchAgainError(SekishoError):
    """Deadlock or serialisation failure; nothing was committed."""


class UnknownCommitError(SekishoError):
    """Whether anything was committed is not known."""

    problem = "unknown-result"


class EntryRow(NamedTuple):
    """One entry as stored, in the order of the SQL functions' arrays."""

    entry_id: str
    kind: str
    leaf: bytes
    leaf_hash: bytes
    private: bytes
    outcome: str | None
    counterparty: str | None
    procedure: str | None
    information: str | None
    permit_id: str | None
    subject: bytes | None
    staff: bytes | None
    system: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a batch depends on: gate versions and changes by entry, effects as one JSON array."""

    gate_versions: Sequence[int | None]
    changes: Sequence[bool]
    effects: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRows:
    """The rows of a batch, as if every effect were accepted."""

    slot: int
    epoch: int
    old_size: int
    size: int
    root: bytes
    frontier: bytes
    signed_size: int
    signed_root: bytes
    seal: bytes
    time: datetime
    month: int
    is_new_month: bool
    entries: Sequence[EntryRow] = field(repr=False)
    tiles: Mapping[tuple[int, int], Tile] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """An entry of a batch that must be left out; `effect` is None for a stale decision."""

    entry: int
    effect: str | None
    is_dirty: bool


@contextmanager
def known_failures() -> Iterator[None]:
    """Turn what the driver raises into what it proves.

    Raises:
        EffectsRefusedError, SlotMovedError, NotReplicatedError, BatchDataError,
        BatchAgainError: nothing was committed.
        UnknownCommitError: everything else, a lost connection above all.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        raise _typed(error.sqlstate or "") from error
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise UnknownCommitError(type(error).__name__) from error


def _typed(sqlstate: str) -> SekishoError:
    # The message of a server error can hold a value; the state cannot.
    if sqlstate == _EFFECT_REFUSED:
        return EffectsRefusedError(sqlstate)
    if sqlstate == _SLOT_MOVED:
        return SlotMovedError(sqlstate)
    if sqlstate == _NOT_REPLICATED:
        return NotReplicatedError(sqlstate)
    if sqlstate in _AGAIN:
        return BatchAgainError(sqlstate)
    if sqlstate[:2] in _DATA_CLASSES:
        return BatchDataError(sqlstate)
    return UnknownCommitError(f"SQLSTATE {sqlstate}")


_BATCH: Final[LiteralString] = """
    SELECT record_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                        $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30,
                        $31, $32)
"""


async def commit_batch(
    connection: WriterConnection, conditions: Conditions, batch: BatchRows
) -> None:
    """Commit a small batch in one call, or raise as `known_failures` does."""
    with known_failures():
        await connection.fetchval(
            _BATCH,
            conditions.gate_versions,
            conditions.changes,
            conditions.effects,
            *_slot_arguments(batch),
            *_entry_arguments(batch.entries),
            *_tile_arguments(batch.tiles),
        )


_EFFECTS: Final[LiteralString] = """
    SELECT entry, reason, is_dirty FROM record_effects($1, $2, $3)
"""


async def run_effects(connection: WriterConnection, conditions: Conditions) -> list[Dropped]:
    """Run the effects of a batch in the caller's transaction; return what must drop out."""
    rows = await connection.fetch(
        _EFFECTS, conditions.gate_versions, conditions.changes, conditions.effects
    )
    return [
        Dropped(
            entry=row["entry"],
            effect=None if row["reason"] == STALE else row["reason"].removeprefix(_EFFECT),
            is_dirty=row["is_dirty"],
        )
        for row in rows
    ]


_ENTRIES: Final[LiteralString] = """
    SELECT record_entries($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                          $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)
"""


async def write_entries(connection: WriterConnection, batch: BatchRows) -> None:
    """Write entries, tiles and the slot's row in the caller's transaction, from arrays."""
    await connection.fetchval(
        _ENTRIES,
        *_slot_arguments(batch),
        *_entry_arguments(batch.entries),
        *_tile_arguments(batch.tiles),
    )


_COPIED: Final = ("slot", "index", "month", "time", *EntryRow._fields)


async def copy_entries(connection: WriterConnection, batch: BatchRows) -> None:
    """The same by COPY, which is cheaper for many entries."""
    numbered = enumerate(batch.entries, start=batch.old_size)
    await connection.copy_records_to_table(
        "log_entries",
        columns=_COPIED,
        records=[(batch.slot, index, batch.month, batch.time, *entry) for index, entry in numbered],
    )
    await connection.fetchval(
        _ENTRIES,
        *_slot_arguments(batch),
        *_entry_arguments(()),
        *_tile_arguments(batch.tiles),
    )


_MAKE_MONTHS: Final[LiteralString] = "SELECT log_make_months()"


async def make_months(connection: WriterConnection) -> frozenset[int]:
    """Make the partitions of this month and the next two; return the months there are."""
    with known_failures():
        months: list[int] = await connection.fetchval(_MAKE_MONTHS)
    return frozenset(months)


_EFFECT_KINDS: Final[LiteralString] = """
    SELECT substr(proname, 8) AS kind
      FROM pg_proc
     WHERE proname LIKE 'effect\\_%' AND pronamespace = 'public'::regnamespace
"""


async def effect_kinds(connection: WriterConnection) -> frozenset[str]:
    """Return the kinds of effects that the schema has functions for."""
    with known_failures():
        return frozenset(row["kind"] for row in await connection.fetch(_EFFECT_KINDS))


def _slot_arguments(batch: BatchRows) -> tuple[object, ...]:
    return (
        batch.slot,
        batch.epoch,
        batch.old_size,
        batch.size,
        batch.root,
        batch.frontier,
        batch.signed_size,
        batch.signed_root,
        batch.seal,
        batch.time,
        batch.month,
        batch.is_new_month,
    )


def _entry_arguments(entries: Sequence[EntryRow]) -> list[tuple[object, ...] | None]:
    """Return the arrays of the SQL functions, one a column; NULL where nobody has a value.

    The driver looks at every element of an array; it need not look at those.
    """
    if not entries:
        return [None] * len(EntryRow._fields)
    count = len(entries)
    return [
        None if column.count(None) == count else column for column in zip(*entries, strict=True)
    ]


def _tile_arguments(
    tiles: Mapping[tuple[int, int], Tile],
) -> tuple[list[int], list[int], list[bytes], list[bytes]] | tuple[None, None, None, None]:
    if not tiles:
        return None, None, None, None
    return (
        [level for level, _ in tiles],
        [number for _, number in tiles],
        [tile.root for tile in tiles.values()],
        [tile.hashes for tile in tiles.values()],
    )
