"""Corrections: which entry of ours corrects which, and those that others told us of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection, fetch
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionMade(Effect):
    """The entry is the `number`th correction of another, exactly when it is recorded.

    Refused where that one was made by somebody else meanwhile.
    """

    KIND: ClassVar[str] = "correction_made"

    corrected_id: str
    number: int
    entry_id: str
    permit_id: str | None

    @property
    def key(self) -> str:
        """Return the corrected entry and which of its corrections this is."""
        return f"{self.corrected_id} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionReceived(Effect):
    """The correction was taken exactly when the entry says so."""

    KIND: ClassVar[str] = "correction_received"

    leaf: bytes
    party: str
    permit_id: str
    entry_id: str

    @property
    def key(self) -> str:
        """Return the leaf hash of the correction's own entry."""
        return self.leaf.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRow:
    """One correction of ours: the entry that says it, the entry it is of."""

    corrected_id: str
    number: int
    entry_id: str
    permit_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRow:
    """One correction that another party told us of: our entry that says so."""

    entry_id: str
    party: str
    permit_id: str


_MADE: Final[LiteralString] = """
    SELECT corrected_id, number, entry_id, permit_id
      FROM corrections
     WHERE corrected_id = ANY ($1::text[]) OR permit_id = ANY ($2::text[])
     ORDER BY made_at, corrected_id, number
"""


async def made(
    connection: Connection, entry_ids: Sequence[str], permit_ids: Sequence[str] = ()
) -> list[CorrectionRow]:
    """Return our corrections of these entries, and of any about these permits, oldest first."""
    rows = await fetch(connection, _MADE, list(entry_ids), list(permit_ids))
    return [CorrectionRow(**dict(row)) for row in rows]


_CORRECTED: Final[LiteralString] = """
    SELECT corrected_id FROM corrections WHERE entry_id = $1
"""


async def corrected_by(connection: Connection, entry_id: str) -> str | None:
    """Return which entry this correction of ours is of; None if it is no correction."""
    found: str | None = await connection.fetchval(_CORRECTED, entry_id)
    return found


_RECEIVED: Final[LiteralString] = """
    SELECT entry_id, party, permit_id
      FROM corrections_received
     WHERE permit_id = ANY ($1::text[])
     ORDER BY received_at, leaf
"""


async def received(connection: Connection, permit_ids: Sequence[str]) -> list[ReceivedRow]:
    """Return what others told us of having corrected about these permits, oldest first."""
    rows = await fetch(connection, _RECEIVED, list(permit_ids))
    return [ReceivedRow(**dict(row)) for row in rows]
