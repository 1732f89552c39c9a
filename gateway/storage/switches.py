"""Stop switches of this organisation: each binds every later commit."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, LiteralString

from codes.canonical import instant
from gateway.storage.database import Connection
from gateway.storage.effects import Effect
from policies.measures import StopSwitch


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSet(Effect):
    """The switch stops exactly from its entry on; it changes the gate."""

    KIND: ClassVar[str] = "switch_set"
    ORDER: ClassVar[int] = 5

    switch_id: str
    by: str
    value: str
    reason: str
    maker: str = field(repr=False)
    until: datetime | None = None

    @property
    def key(self) -> str:
        """Return the switch's id."""
        return self.switch_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchLifted(Effect):
    """The switch no longer stops; it changes the gate."""

    KIND: ClassVar[str] = "switch_lifted"
    ORDER: ClassVar[int] = 5

    switch_id: str
    lifted_by: str = field(repr=False)

    @property
    def key(self) -> str:
        """Return the switch's id."""
        return self.switch_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRow:
    """One switch with who threw it, for people to look at."""

    switch_id: str
    by: str
    value: str
    reason: str
    maker: str = field(repr=False)
    set_at: datetime
    until: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None = field(repr=False)


_ACTIVE: Final[LiteralString] = """
    SELECT switch_id, by, value, reason, maker, set_at, until, lifted_at, lifted_by
      FROM stop_switches
     WHERE lifted_at IS NULL AND (until IS NULL OR until > now())
     ORDER BY set_at, switch_id
"""


async def active(connection: Connection) -> list[StopSwitch]:
    """Return the switches that stop exchanges now, as policies read them."""
    return as_policies(await standing(connection))


def as_policies(rows: Iterable[SwitchRow]) -> list[StopSwitch]:
    """Return switches as policies read them, with their ends."""
    return [
        StopSwitch(
            id=row.switch_id,
            by=row.by,  # type: ignore[arg-type]  # the table's CHECK names the same words
            value=row.value,
            reason=row.reason,
            until=instant(row.until) if row.until is not None else "",
        )
        for row in rows
    ]


_STOOD: Final[LiteralString] = """
    SELECT switch_id, by, value, reason, maker, set_at, until, lifted_at, lifted_by
      FROM stop_switches
     WHERE set_at < $2 AND (lifted_at IS NULL OR lifted_at > $1) AND (until IS NULL OR until > $1)
     ORDER BY set_at, switch_id
"""


async def stood(connection: Connection, since: datetime, until: datetime) -> list[SwitchRow]:
    """Return the switches that stopped exchanges at any moment of a period."""
    return [_row(row) for row in await connection.fetch(_STOOD, since, until)]


async def standing(connection: Connection) -> list[SwitchRow]:
    """Return the switches that stop exchanges now, for people."""
    return [_row(row) for row in await connection.fetch(_ACTIVE)]


_PAGE: Final[LiteralString] = """
    SELECT switch_id, by, value, reason, maker, set_at, until, lifted_at, lifted_by
      FROM stop_switches
     WHERE ($1::timestamptz IS NULL OR (set_at, switch_id) < ($1, $2))
     ORDER BY set_at DESC, switch_id DESC
     LIMIT $3
"""


async def page(
    connection: Connection, *, before: tuple[datetime, str] | None, limit: int
) -> list[SwitchRow]:
    """Return switches, lifted ones too, newest first."""
    at, switch_id = before if before is not None else (None, None)
    return [_row(row) for row in await connection.fetch(_PAGE, at, switch_id, limit)]


_IS_THERE: Final[LiteralString] = "SELECT true FROM stop_switches WHERE switch_id = $1"


async def is_there(connection: Connection, switch_id: str) -> bool:
    """Tell whether there is a switch of that id, lifted or not."""
    return bool(await connection.fetchval(_IS_THERE, switch_id))


def _row(row: Any) -> SwitchRow:  # noqa: ANN401 - a driver's record, read by column name
    return SwitchRow(
        switch_id=row["switch_id"],
        by=row["by"],
        value=row["value"],
        reason=row["reason"],
        maker=row["maker"],
        set_at=row["set_at"],
        until=row["until"],
        lifted_at=row["lifted_at"],
        lifted_by=row["lifted_by"],
    )
