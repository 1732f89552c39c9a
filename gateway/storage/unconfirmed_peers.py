"""Peers whose chain of key sets broke, and who took their new keys for theirs when."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAccepted(Effect):
    """The claim counts exactly from the entry that says so; refused if it did before."""

    KIND: ClassVar[str] = "peer_accepted"

    organisation: str
    claimed: str
    accepted_at: datetime
    accepted_by: str

    @property
    def key(self) -> str:
        """Return the organisation."""
        return self.organisation


@dataclass(frozen=True, slots=True, kw_only=True)
class UnconfirmedPeer:
    """One claim: the digest (hex) of a key set that continues nothing, and what became of it."""

    organisation: str
    claimed: str
    first_seen: datetime
    accepted_at: datetime | None = None


_NOTE: Final[LiteralString] = """
    INSERT INTO peers_unconfirmed AS p (organisation, claimed, first_seen)
    SELECT organisation, claimed, $3
      FROM unnest($1::text[], $2::text[]) AS w (organisation, claimed)
    ON CONFLICT (organisation) DO UPDATE
       SET claimed = EXCLUDED.claimed, first_seen = EXCLUDED.first_seen,
           accepted_at = NULL, accepted_by = NULL
     WHERE p.claimed <> EXCLUDED.claimed
"""


async def note(connection: Connection, claims: Mapping[str, str], *, now: datetime) -> None:
    """Remember claims by organisation; one that is known keeps the moment it was first seen."""
    await connection.execute(_NOTE, list(claims), list(claims.values()), now)


# A claim that was taken back and comes again is a new one.
_FORGET: Final[LiteralString] = """
    DELETE FROM peers_unconfirmed WHERE accepted_at IS NULL AND organisation <> ALL ($1::text[])
"""


async def forget_others(connection: Connection, organisations: Collection[str]) -> None:
    """Forget what waits for somebody, except of these organisations."""
    await connection.execute(_FORGET, list(organisations))


_ALL: Final[LiteralString] = """
    SELECT organisation, claimed, first_seen, accepted_at
      FROM peers_unconfirmed
     ORDER BY organisation
"""


async def every(connection: Connection) -> list[UnconfirmedPeer]:
    """Return all claims that are remembered."""
    return [UnconfirmedPeer(**dict(row)) for row in await connection.fetch(_ALL)]


_SWEEP: Final[LiteralString] = "DELETE FROM peers_unconfirmed WHERE accepted_at < $1"


async def sweep(connection: Connection, *, before: datetime) -> None:
    """Forget claims that were accepted before a moment: every worker follows them by then."""
    await connection.execute(_SWEEP, before)
