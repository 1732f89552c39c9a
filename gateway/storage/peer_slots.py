"""Peers' slots as we know them: the largest checkpoint received of each, and when it was proved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, LiteralString

from gateway.storage.database import Connection, fetch
from gateway.storage.effects import encode_effects
from gateway.storage.records import PeerCheckpointKept


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSlot:
    """The largest checkpoint that we received of one stream of a peer."""

    origin: str
    size: int
    root: bytes
    note: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerProof:
    """Since when a peer's stream is known, or was last proved to be one tree."""

    origin: str
    since: datetime


# As the effect of an entry does it, for notes that came with statements but made no entry.
_KEEP: Final[LiteralString] = """
    SELECT count(*) FROM effect_peer_checkpoint($1::jsonb)
"""
_KNOWN: Final[LiteralString] = """
    SELECT s.origin, s.size, p.next_at IS NULL OR p.next_at <= $2 AS is_due
      FROM peer_slots AS s LEFT JOIN peer_proofs AS p USING (origin)
     WHERE s.origin = ANY ($1::text[])
"""


async def keep_largest(
    connection: Connection, seen: Mapping[str, PeerCheckpointKept], *, now: datetime
) -> None:
    """Store of these checkpoints, by origin, what is larger than what is stored.

    A stream that is known gets its larger one when its proof is due, so that one note a day is
    stored and not each.
    """
    known = {row["origin"]: row for row in await fetch(connection, _KNOWN, list(seen), now)}
    kept = [
        one
        for origin, one in seen.items()
        if origin not in known or (known[origin]["is_due"] and known[origin]["size"] < one.size)
    ]
    rows = b",".join(effect.row for effect in encode_effects(kept))
    if rows:
        await connection.execute(_KEEP, f"[{rows.decode()}]")


_MEET: Final[LiteralString] = """
    INSERT INTO peer_proofs (origin, since, next_at)
    SELECT s.origin, $1, $1 FROM peer_slots AS s
     WHERE NOT EXISTS (SELECT FROM peer_proofs AS p WHERE p.origin = s.origin)
    ON CONFLICT DO NOTHING
"""
_CLAIM: Final[LiteralString] = """
    WITH due AS (
        UPDATE peer_proofs SET next_at = $2
         WHERE origin IN (
               SELECT origin FROM peer_proofs WHERE next_at <= $1
                ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
        RETURNING origin
    )
    SELECT s.origin, s.size, c.root, c.note
      FROM due JOIN peer_slots AS s USING (origin) JOIN peer_checkpoints AS c ON c.hash = s.hash
     ORDER BY s.origin
"""


async def claim_peer_slots(
    connection: Connection, *, now: datetime, again_at: datetime, limit: int
) -> list[PeerSlot]:
    """Return peers' slots whose proof is due; nobody else is given them before `again_at`."""
    await connection.execute(_MEET, now)
    rows = await fetch(connection, _CLAIM, now, again_at, limit)
    return [PeerSlot(**dict(row)) for row in rows]


_PROVED: Final[LiteralString] = """
    UPDATE peer_proofs SET proved_at = $2, next_at = $3 WHERE origin = $1
"""


async def keep_proved(
    connection: Connection, origin: str, *, now: datetime, again_at: datetime
) -> None:
    """Remember that a peer's slot was proved to be one tree."""
    await connection.execute(_PROVED, origin, now, again_at)


_PROOFS: Final[LiteralString] = """
    SELECT origin, coalesce(proved_at, since) AS since FROM peer_proofs
"""


async def read_proofs(connection: Connection) -> list[PeerProof]:
    """Return for every peer's slot since when it waits for its next proof."""
    return [PeerProof(**dict(row)) for row in await fetch(connection, _PROOFS)]
