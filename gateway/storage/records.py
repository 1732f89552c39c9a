"""Entries as stored: found by id, searched by their columns, exported slot by slot."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, LiteralString

from codes.canonical import tokyo_month
from gateway.storage.database import Connection, Record, fetch
from gateway.storage.effects import Effect

PAGE_ENTRIES_MAX: Final = 500
EXPORT_CHUNK: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """One row of the log; the private part still sealed under its month's key."""

    entry_id: str
    slot: int
    index: int
    month: int
    time: datetime
    kind: str
    leaf: bytes = field(repr=False)
    leaf_hash: bytes
    private: bytes = field(repr=False)

    @property
    def month_text(self) -> str:
        """The month as the key store names it, `2026-07`."""
        return f"{self.month // 100:04d}-{self.month % 100:02d}"

    @property
    def position(self) -> "Position":
        """Where a page that ends with this entry ends."""
        return Position(time=self.time, slot=self.slot, index=self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in the order of a search: newest first."""

    time: datetime
    slot: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a search asks for; everything given must match.

    `subjects`, `staff` and `systems` are blind indexes, one for each month searched.
    """

    since: datetime | None = None
    until: datetime | None = None
    months: Sequence[int] | None = None
    kinds: Sequence[str] | None = None
    is_of_no_exchange: bool = False
    outcome: str | None = None
    counterparty: str | None = None
    procedure: str | None = None
    information: str | None = None
    permit_id: str | None = None
    subjects: Sequence[bytes] | None = field(default=None, repr=False)
    staff: Sequence[bytes] | None = field(default=None, repr=False)
    systems: Sequence[bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCheckpointKept(Effect):
    """A peer's note is stored under its SHA-256, once; many receipts may rest on the same one."""

    KIND: ClassVar[str] = "peer_checkpoint"
    ORDER: ClassVar[int] = 10
    IS_UNIQUE: ClassVar[bool] = False

    hash: bytes
    origin: str
    size: int
    root: bytes
    note: str = field(repr=False)

    @property
    def key(self) -> str:
        """The hash by which receipts name the note."""
        return self.hash.hex()


_BY_ID: Final[LiteralString] = """
    SELECT entry_id, slot, index, month, time, kind, leaf, leaf_hash, private
      FROM log_entries
     WHERE entry_id = ANY ($1::uuid[])
     ORDER BY slot, index
"""


async def find_entries(connection: Connection, entry_ids: Sequence[str]) -> list[StoredEntry]:
    """Return the entries with these ids, by slot and index; unknown ids are left out."""
    return [stored_entry(row) for row in await fetch(connection, _BY_ID, entry_ids)]


_BY_PERMIT: Final[LiteralString] = """
    SELECT entry_id, slot, index, month, time, kind, leaf, leaf_hash, private
      FROM log_entries
     WHERE permit_id = ANY ($1::uuid[])
     ORDER BY time, slot, index
     LIMIT $2
"""


async def find_by_permit(connection: Connection, permit_ids: Sequence[str]) -> list[StoredEntry]:
    """Return the entries about these permits, oldest first."""
    rows = await fetch(connection, _BY_PERMIT, permit_ids, PAGE_ENTRIES_MAX)
    return [stored_entry(row) for row in rows]


# By the time, because leaf hashes have no index: what is looked for so is seldom, and its days few.
_BY_LEAF: Final[LiteralString] = """
    SELECT entry_id, slot, index, month, time, kind, leaf, leaf_hash, private
      FROM log_entries
     WHERE kind = $1 AND leaf_hash = ANY ($2::bytea[]) AND time >= $3 AND time < $4
       AND month = ANY ($5::integer[])
"""


async def find_by_leaf(
    connection: Connection,
    kind: str,
    leaves: Sequence[bytes],
    *,
    since: datetime,
    until: datetime,
) -> dict[bytes, StoredEntry]:
    """Return the entries of one kind with these leaf hashes that were made in a period."""
    rows = await fetch(
        connection, _BY_LEAF, kind, list(leaves), since, until, months_between(since, until)
    )
    return {row["leaf_hash"]: stored_entry(row) for row in rows}


def months_between(since: datetime, until: datetime) -> list[int]:
    """Return the months (202607) of Tokyo that a period touches, as the log's partitions are."""
    first, last = (int(tokyo_month(moment).replace("-", "")) for moment in (since, until))
    years = range(first // 100, last // 100 + 1)
    months = (year * 100 + month for year in years for month in range(1, 13))
    return [month for month in months if first <= month <= last]


# As the index log_entries_operations has it, word for word: else it is not used.
OF_NO_EXCHANGE: Final[LiteralString] = """
       AND kind NOT IN ('inquiry', 'permit', 'refusal', 'provision', 'delivery', 'receipt',
                        'outcome', 'notified', 'lapsed', 'delivery-stopped', 'correction',
                        'directory-changed', 'opened', 'inquiry-withdrawn', 'inquiry-lapsed',
                        'result-acknowledged', 'result-lapsed')
"""
_SEARCH: Final[LiteralString] = """
    SELECT entry_id, slot, index, month, time, kind, leaf, leaf_hash, private
      FROM log_entries
     WHERE true
"""
_CLAUSES: Final[dict[str, LiteralString]] = {
    "months": " AND month = ANY (${}::integer[])",
    "since": " AND time >= ${}",
    "until": " AND time < ${}",
    "kinds": " AND kind = ANY (${}::text[])",
    "outcome": " AND outcome = ${}",
    "counterparty": " AND counterparty = ${}",
    "procedure": " AND procedure = ${}",
    "information": " AND information = ${}",
    "permit_id": " AND permit_id = ${}",
    "subjects": " AND subject = ANY (${}::bytea[])",
    "staff": " AND staff = ANY (${}::bytea[])",
    "systems": " AND system = ANY (${}::bytea[])",
}
_NUMBERS: Final[tuple[LiteralString, ...]] = (
    *("1", "2", "3", "4", "5", "6", "7", "8", "9"),
    *("10", "11", "12", "13", "14", "15", "16"),
)


async def search_entries(
    connection: Connection, wanted: Wanted, *, after: Position | None = None, limit: int = 100
) -> list[StoredEntry]:
    """Return a page of entries, newest first, from behind `after` on; it never counts."""
    query = _SEARCH + OF_NO_EXCHANGE if wanted.is_of_no_exchange else _SEARCH
    arguments: list[object] = []
    for name, clause in _CLAUSES.items():
        value = getattr(wanted, name)
        if value is not None:
            query += clause.replace("{}", _NUMBERS[len(arguments)])
            arguments.append(value)
    if after is not None:
        first, second, third = _NUMBERS[len(arguments) : len(arguments) + 3]
        query += f" AND (time, slot, index) < (${first}, ${second}, ${third})"
        arguments += [after.time, after.slot, after.index]
    query += " ORDER BY time DESC, slot DESC, index DESC LIMIT $" + _NUMBERS[len(arguments)]
    arguments.append(min(limit, PAGE_ENTRIES_MAX))
    return [stored_entry(row) for row in await fetch(connection, query, *arguments)]


_CHUNK: Final[LiteralString] = """
    SELECT entry_id, slot, index, month, time, kind, leaf, leaf_hash, private
      FROM log_entries
     WHERE slot = $1 AND index >= $2 AND index < $3
     ORDER BY index
"""


async def export_slot(
    connection: Connection, slot: int, size: int, *, first: int = 0
) -> AsyncIterator[StoredEntry]:
    """Yield the entries of a slot from `first` up to a size, in order, in constant memory."""
    for start in range(first, size, EXPORT_CHUNK):
        until = min(start + EXPORT_CHUNK, size)
        for row in await fetch(connection, _CHUNK, slot, start, until):
            yield stored_entry(row)


_MONTHS: Final[LiteralString] = """
    SELECT slot, month, first_index FROM log_months ORDER BY slot, month
"""


async def read_months(connection: Connection) -> dict[int, dict[int, int]]:
    """Return, by slot and month (202607), the index at which the month begins."""
    months: dict[int, dict[int, int]] = {}
    for row in await fetch(connection, _MONTHS):
        months.setdefault(row["slot"], {})[row["month"]] = row["first_index"]
    return months


_PEER_NOTES: Final[LiteralString] = """
    SELECT hash, note FROM peer_checkpoints WHERE hash = ANY ($1::bytea[])
"""


async def read_peer_checkpoints(
    connection: Connection, hashes: Sequence[bytes]
) -> dict[bytes, str]:
    """Return the notes of peers stored under these hashes."""
    rows = await fetch(connection, _PEER_NOTES, hashes)
    return {row["hash"]: row["note"] for row in rows}


def stored_entry(row: Record) -> StoredEntry:
    """Return the entry of a row that has its nine columns."""
    return StoredEntry(
        entry_id=row["entry_id"].hex,
        slot=row["slot"],
        index=row["index"],
        month=row["month"],
        time=row["time"],
        kind=row["kind"],
        leaf=row["leaf"],
        leaf_hash=row["leaf_hash"],
        private=row["private"],
    )
