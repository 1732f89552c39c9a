"""What the parties of a permit told the core of it: each word taken once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect

PROVISION: Final = "provision"
DELIVERY: Final = "delivery"
RECEIPT: Final = "receipt"
WITHHELD: Final = "withheld"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreOutcomeTaken(Effect):
    """The party's statement counts exactly when the core's `outcome` entry is recorded."""

    KIND: ClassVar[str] = "core_outcome"

    inquiry_day: date
    permit_id: str
    leaf: bytes
    party: str
    kind: str
    outcome: str
    of: bytes | None
    entry_id: str

    @property
    def key(self) -> str:
        """Return permit and leaf."""
        return f"{self.permit_id} {self.leaf.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One party's word for a permit; `of` is what a receipt answers or a delivery follows."""

    party: str
    kind: str
    outcome: str
    leaf: bytes = field(repr=False)
    of: bytes | None = field(repr=False)
    entry_id: str


_TOLD: Final[LiteralString] = """
    SELECT permit_id, party, kind, outcome, leaf, of, entry_id
      FROM core_outcomes
     WHERE permit_id = ANY ($1::uuid[]) AND inquiry_day = ANY ($2::date[])
     ORDER BY permit_id, taken_at, leaf
"""


async def told(
    connection: Connection, permits: Sequence[tuple[date, str]]
) -> dict[str, list[Told]]:
    """Return what was told of these permits (by inquiry day and id), the oldest first."""
    found: dict[str, list[Told]] = {permit_id: [] for _, permit_id in permits}
    rows = await connection.fetch(
        _TOLD, list(found), list({inquiry_day for inquiry_day, _ in permits})
    )
    for row in rows:
        found[row["permit_id"].hex].append(
            Told(
                party=row["party"],
                kind=row["kind"],
                outcome=row["outcome"],
                leaf=row["leaf"],
                of=row["of"],
                entry_id=row["entry_id"].hex,
            )
        )
    return found
