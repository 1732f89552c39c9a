"""Answers a provider keeps: a permit used, and the very bytes a retry gets again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar, Final, LiteralString

import msgspec

from gateway.storage.database import Connection
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitUsed(Effect):
    """The permit is used, and its answer kept, exactly when the provision is recorded.

    `day` is the day (Tokyo) on which the request expires, as the signed permit says;
    `inquiry_day` that of the inquiry's own entry. Refused if the permit was used, or its inquiry
    answered under another one.
    """

    KIND: ClassVar[str] = "permit_used"
    ORDER: ClassVar[int] = 10

    day: date
    permit_id: str
    inquirer: str
    inquiry_day: date
    inquiry_leaf: bytes
    outcome: str
    entry_id: str
    message_key: Mapping[str, str] | None = field(default=None, repr=False)
    number: int | None = None
    sealed: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """Return the permit's id."""
        return self.permit_id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """An answer as it was first sent."""

    permit_id: str
    inquirer: str
    inquiry_leaf: bytes
    outcome: str
    entry_id: str
    message_key: dict[str, str] | None = field(repr=False)
    number: int | None
    sealed: bytes | None = field(repr=False)


_FIND: Final[LiteralString] = """
    SELECT a.permit_id, a.inquirer, a.inquiry_leaf, a.outcome, a.entry_id, a.message_key,
           a.number, a.sealed
      FROM unnest($1::date[], $2::text[]) AS w(day, permit_id)
      JOIN answers AS a ON a.day = w.day AND a.permit_id = w.permit_id
"""


async def find(
    connection: Connection, permits: Sequence[tuple[date, str]]
) -> dict[str, KeptAnswer]:
    """Return the answers to the permits that were used, by permit id."""
    days = [day for day, _ in permits]
    permit_ids = [permit_id for _, permit_id in permits]
    rows = await connection.fetch(_FIND, days, permit_ids)
    return {
        row["permit_id"]: KeptAnswer(
            permit_id=row["permit_id"],
            inquirer=row["inquirer"],
            inquiry_leaf=row["inquiry_leaf"],
            outcome=row["outcome"],
            entry_id=row["entry_id"],
            message_key=(
                msgspec.json.decode(row["message_key"], type=dict[str, str])
                if row["message_key"] is not None
                else None
            ),
            number=row["number"],
            sealed=row["sealed"],
        )
        for row in rows
    }


_FORGOTTEN: Final[LiteralString] = """
    SELECT greatest((SELECT max(restored_at) FROM restores WHERE NOT is_whole),
                    (SELECT max(found_at) FROM log_losses))
"""


async def forgotten_until(connection: Connection) -> datetime | None:
    """Return when this database was last found, or made, to lack what had been done; None if never.

    A permit that was used before it may look unused.
    """
    moment: datetime | None = await connection.fetchval(_FORGOTTEN)
    return moment


# The use of the permit stays: what goes is what a retry would have got again.
_RECEIVED: Final[LiteralString] = """
    UPDATE answers SET message_key = NULL, number = NULL, sealed = NULL
     WHERE permit_id = ANY ($1::text[]) AND sealed IS NOT NULL AND day >= $2
"""


async def forget_sealed(connection: Connection, permit_ids: Sequence[str], today: date) -> None:
    """Forget the sealed answers that their inquirers have receipts for (PROTOCOL §3 *Once*)."""
    await connection.execute(_RECEIVED, list(permit_ids), today)
