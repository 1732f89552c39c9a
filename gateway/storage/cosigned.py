"""What our witnesses have cosigned: how far by each, every cosignature, and whose turn it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, LiteralString

from gateway.storage.database import Connection, Record, fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """How far one witness has cosigned one slot."""

    size: int = 0
    at: datetime | None = None
    """When it signed last, by its own clock; none before the first time."""
    conflict_size: int | None = None
    """The size of the other tree that it holds, if it holds one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """One line of one witness; `signature` is its time and signature as the line has them."""

    slot: int
    witness: str
    size: int
    at: datetime
    key_id: bytes
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedSlot:
    """A slot of ours that can still grow, and how far each witness has cosigned it."""

    slot: int
    size: int
    witnesses: Mapping[str, Cosigned]


_LEASE: Final[LiteralString] = """
    UPDATE cosign_lease SET holder = $1, lapses_at = now() + make_interval(secs => $2)
     WHERE holder = $1 OR lapses_at < now()
    RETURNING true
"""
_GIVE_BACK: Final[LiteralString] = """
    UPDATE cosign_lease SET lapses_at = '-infinity' WHERE holder = $1
"""


async def take_lease(connection: Connection, holder: str, seconds: float) -> bool:
    """Take or prolong the turn at asking witnesses; tells whether it is ours.

    By the database's clock alone. `holder` is 32 hex digits, another for each worker.
    """
    return await connection.fetchval(_LEASE, holder, seconds) is not None


async def give_lease_back(connection: Connection, holder: str) -> None:
    """Let another worker have its turn at once."""
    await connection.execute(_GIVE_BACK, holder)


_SLOTS: Final[LiteralString] = """
    SELECT s.slot, s.size, c.witness, c.size AS cosigned, c.cosigned_at, c.conflict_size
      FROM log_slots AS s
      LEFT JOIN cosigned AS c ON c.slot = s.slot AND c.witness = ANY ($1::text[])
     WHERE NOT s.is_frozen
     ORDER BY s.slot
"""


async def read_witnessed_slots(
    connection: Connection, witnesses: Sequence[str]
) -> list[WitnessedSlot]:
    """Return every slot that is not frozen, with how far each of these witnesses is."""
    sizes: dict[int, int] = {}
    found: dict[int, dict[str, Cosigned]] = {}
    for row in await fetch(connection, _SLOTS, witnesses):
        sizes[row["slot"]] = row["size"]
        by_witness = found.setdefault(row["slot"], {name: Cosigned() for name in witnesses})
        if row["witness"] is not None:
            by_witness[row["witness"]] = Cosigned(
                size=row["cosigned"], at=row["cosigned_at"], conflict_size=row["conflict_size"]
            )
    return [
        WitnessedSlot(slot=slot, size=size, witnesses=found[slot]) for slot, size in sizes.items()
    ]


_TIMES: Final[LiteralString] = """
    SELECT e.slot, e.index, e.time
      FROM unnest($1::smallint[], $2::bigint[]) AS w (slot, index)
      JOIN log_entries AS e USING (slot, index)
"""


async def entry_times(
    connection: Connection, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], datetime]:
    """Return when the entries at these (slot, index) were recorded; erased ones are left out."""
    rows = await fetch(
        connection, _TIMES, [slot for slot, _ in places], [index for _, index in places]
    )
    return {(row["slot"], row["index"]): row["time"] for row in rows}


_KEEP: Final[LiteralString] = """
    INSERT INTO cosignatures (slot, witness, cosigned_at, size, key_id, signature)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING
"""
_SET: Final[LiteralString] = """
    INSERT INTO cosigned (slot, witness, size, cosigned_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (slot, witness) DO UPDATE
       SET size = excluded.size, cosigned_at = excluded.cosigned_at, conflict_size = NULL
     WHERE cosigned.size <= excluded.size
"""


async def keep_cosignature(connection: Connection, line: Cosignature) -> None:
    """Store a cosignature that was verified; run in a transaction."""
    await connection.execute(
        _KEEP, line.slot, line.witness, line.at, line.size, line.key_id, line.signature
    )
    await connection.execute(_SET, line.slot, line.witness, line.size, line.at)


_CONFLICT: Final[LiteralString] = """
    INSERT INTO cosigned (slot, witness, conflict_size) VALUES ($1, $2, $3)
    ON CONFLICT (slot, witness) DO UPDATE SET conflict_size = excluded.conflict_size
"""


async def keep_conflict(connection: Connection, slot: int, witness: str, size: int) -> None:
    """Remember that a witness holds another tree of a slot, until it cosigns ours."""
    await connection.execute(_CONFLICT, slot, witness, size)


_NEWEST: Final[LiteralString] = """
    SELECT n.slot, n.witness, n.size, n.cosigned_at, n.key_id, n.signature
      FROM unnest($2::text[]) AS w (witness)
      JOIN LATERAL (
           SELECT * FROM cosignatures AS c
            WHERE c.slot = $1 AND c.witness = w.witness
            ORDER BY c.cosigned_at DESC, c.size DESC
            LIMIT 1) AS n ON true
"""


async def newest_cosignatures(
    connection: Connection, slot: int, witnesses: Sequence[str]
) -> list[Cosignature]:
    """Return the lines of the largest tree that any of these witnesses cosigned, one of each."""
    lines = [_cosignature(row) for row in await fetch(connection, _NEWEST, slot, witnesses)]
    largest = max((line.size for line in lines), default=0)
    return [line for line in lines if line.size == largest]


# What is wanted around a period: the last before it, the last of each stretch in it, and the
# first after it that holds all of it; where all before the range is erased, also the first that
# held that. A note bears one line of a witness, so each row is numbered
# among those of its witness and size.
_AROUND: Final[LiteralString] = """
    WITH chosen AS (
        (SELECT DISTINCT ON (witness) * FROM cosignatures
          WHERE slot = $1 AND witness = ANY ($2::text[]) AND cosigned_at < $3
          ORDER BY witness, cosigned_at DESC)
        UNION
        (SELECT DISTINCT ON (witness, date_bin(make_interval(secs => $6), cosigned_at, $3)) *
           FROM cosignatures
          WHERE slot = $1 AND witness = ANY ($2::text[])
            AND cosigned_at >= $3 AND cosigned_at < $4
          ORDER BY witness, date_bin(make_interval(secs => $6), cosigned_at, $3),
                   cosigned_at DESC)
        UNION
        (SELECT DISTINCT ON (witness) * FROM cosignatures
          WHERE slot = $1 AND witness = ANY ($2::text[]) AND cosigned_at >= $4 AND size >= $5
            AND size <= $7
          ORDER BY witness, cosigned_at)
        UNION
        (SELECT DISTINCT ON (witness) * FROM cosignatures
          WHERE slot = $1 AND witness = ANY ($2::text[]) AND $8 > 0 AND size >= $8
            AND size <= $7
          ORDER BY witness, cosigned_at)
    )
    SELECT slot, witness, size, cosigned_at, key_id, signature
      FROM chosen
     WHERE size BETWEEN $8 AND $7
     ORDER BY size, cosigned_at, witness
"""
_STRETCHES: Final[LiteralString] = """
    SELECT count(DISTINCT (witness, date_bin(make_interval(secs => $5), cosigned_at, $3)))
      FROM cosignatures
     WHERE slot = $1 AND witness = ANY ($2::text[]) AND cosigned_at >= $3 AND cosigned_at < $4
"""
STRETCH_S: Final = 60.0


async def cosignatures_around(
    connection: Connection,
    slot: int,
    witnesses: Sequence[str],
    *,
    begins: datetime,
    ends: datetime,
    covered: int,
    size: int,
    minimum: int = 0,
    lines_max: int,
) -> list[Cosignature]:
    """Return the cosignatures that bound what was recorded in a period, by size and time.

    The last before it, the last of every minute in it, the first after it whose tree holds
    `covered` entries, each by each witness. Where that would be more than `lines_max` of the
    period itself, the minutes are taken together, by two, four and so on. None is of a tree
    larger than `size`, nor of one smaller than `minimum`: of that much of the slot everything is
    erased, so that such a root is proved by nothing. The first that held that much is among them.
    """
    seconds = STRETCH_S
    while lines_max < await connection.fetchval(_STRETCHES, slot, witnesses, begins, ends, seconds):
        seconds *= 2
    around = (begins, ends, covered, seconds, size, minimum)
    rows = await fetch(connection, _AROUND, slot, witnesses, *around)
    return [_cosignature(row) for row in rows]


_COSIGNERS: Final[LiteralString] = """
    SELECT witness FROM cosigned WHERE slot = $1 ORDER BY witness
"""
_SIZES: Final[LiteralString] = (
    "SELECT DISTINCT size FROM cosignatures WHERE slot = $1 ORDER BY size"
)
_AT: Final[LiteralString] = """
    SELECT slot, witness, size, cosigned_at, key_id, signature
      FROM cosignatures WHERE slot = $1 AND size = $2
"""
_FIRST: Final[LiteralString] = """
    SELECT DISTINCT ON (witness) slot, witness, size, cosigned_at, key_id, signature
      FROM cosignatures
     WHERE slot = $1 AND witness = ANY ($2::text[]) AND size BETWEEN $3 AND $4
     ORDER BY witness, cosigned_at
"""


async def cosigners(connection: Connection, slot: int) -> list[str]:
    """Return all who ever were a witness of a slot, those whom the directory named then."""
    return [row["witness"] for row in await connection.fetch(_COSIGNERS, slot)]


async def cosigned_sizes(connection: Connection, slot: int) -> list[int]:
    """Return every size at which a slot was cosigned, the smallest first."""
    return [row["size"] for row in await connection.fetch(_SIZES, slot)]


async def cosignatures_at(connection: Connection, slot: int, size: int) -> list[Cosignature]:
    """Return all cosignatures of a slot's tree of this size."""
    return [_cosignature(row) for row in await fetch(connection, _AT, slot, size)]


async def first_cosignatures(
    connection: Connection, slot: int, witnesses: Sequence[str], *, least: int, most: int
) -> list[Cosignature]:
    """Return the first line of each witness under a tree of a size between these two."""
    rows = await fetch(connection, _FIRST, slot, witnesses, least, most)
    return [_cosignature(row) for row in rows]


_THIN: Final[LiteralString] = """
    DELETE FROM cosignatures AS c
     WHERE c.cosigned_at < $1 AND c.cosigned_at >= $2
       AND EXISTS (
           SELECT FROM cosignatures AS later
            WHERE later.slot = c.slot AND later.witness = c.witness
              AND later.cosigned_at > c.cosigned_at
              AND later.cosigned_at < date_trunc('minute', c.cosigned_at) + interval '1 minute')
"""


async def thin_cosignatures(connection: Connection, *, since: datetime, until: datetime) -> int:
    """Leave the last cosignature of each slot, witness and minute; return how many went."""
    status: str = await connection.execute(_THIN, until, since)
    return int(status.rpartition(" ")[2])


def _cosignature(row: Record) -> Cosignature:
    return Cosignature(
        slot=row["slot"],
        witness=row["witness"],
        size=row["size"],
        at=row["cosigned_at"],
        key_id=row["key_id"],
        signature=row["signature"],
    )
