"""Flags of people: three different things, each with reason, maker and end (LAW *Flags*)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect
from policies.release import Flag as FlagKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSet(Effect):
    """The flag stands exactly when the entry says so; it changes the gate."""

    KIND: ClassVar[str] = "flag_set"
    ORDER: ClassVar[int] = 5

    flag_id: str
    subject: bytes = field(repr=False)
    kind: str
    term: str | None = None
    item: str | None = None
    reason: str = field(repr=False)
    maker: str = field(repr=False)
    maker_kind: str
    until: datetime | None = None

    @property
    def key(self) -> str:
        """Return the flag's id."""
        return self.flag_id


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagLifted(Effect):
    """The flag no longer stands; it changes the gate."""

    KIND: ClassVar[str] = "flag_lifted"
    ORDER: ClassVar[int] = 5

    flag_id: str
    lifted_by: str = field(repr=False)

    @property
    def key(self) -> str:
        """Return the flag's id."""
        return self.flag_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One flag: of a person as a whole, of a term, or of one item."""

    flag_id: str
    kind: str
    term: str | None
    item: str | None
    reason: str = field(repr=False)
    maker: str = field(repr=False)
    maker_kind: str
    set_at: datetime
    until: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None = field(repr=False)

    def is_about(self, *, term: str, items: Collection[str]) -> bool:
        """Tell whether the flag speaks of this information."""
        if self.term is not None and self.term != term:
            return False
        return self.item is None or self.item in items


def kinds_of(flags: Iterable[Flag], *, term: str, items: Collection[str]) -> frozenset[FlagKind]:
    """Return the kinds of the flags that speak of this information."""
    return frozenset(FlagKind(flag.kind) for flag in flags if flag.is_about(term=term, items=items))


_SELECT: Final[LiteralString] = """
    SELECT subject, flag_id, kind, term, item, reason, maker, maker_kind, set_at, until,
           lifted_at, lifted_by
      FROM subject_flags
"""
_FLAGS_FOR: Final[LiteralString] = f"""
    {_SELECT}
     WHERE subject = ANY ($1::bytea[]) AND lifted_at IS NULL
       AND (until IS NULL OR until > now())
     ORDER BY set_at, flag_id
"""


async def flags_for(connection: Connection, subjects: Sequence[bytes]) -> dict[bytes, list[Flag]]:
    """Return the flags that stand now, by person."""
    found: dict[bytes, list[Flag]] = defaultdict(list)
    for row in await connection.fetch(_FLAGS_FOR, list(subjects)):
        found[row["subject"]].append(_flag(row))
    return dict(found)


_HISTORY: Final[LiteralString] = f"""
    {_SELECT}
     WHERE subject = $1
     ORDER BY set_at, flag_id
"""


async def history(connection: Connection, subject: bytes) -> list[Flag]:
    """Return every flag a person has or had: who set or lifted one does not approve about it."""
    return [_flag(row) for row in await connection.fetch(_HISTORY, subject)]


_FIND: Final[LiteralString] = f"""
    {_SELECT}
     WHERE flag_id = $1
"""


async def find(connection: Connection, flag_id: str) -> tuple[bytes, Flag] | None:
    """Return a flag and whose it is."""
    row = await connection.fetchrow(_FIND, flag_id)
    return (row["subject"], _flag(row)) if row is not None else None


def _flag(row: Any) -> Flag:  # noqa: ANN401 - a driver's record, read by column name
    return Flag(
        flag_id=row["flag_id"],
        kind=row["kind"],
        term=row["term"],
        item=row["item"],
        reason=row["reason"],
        maker=row["maker"],
        maker_kind=row["maker_kind"],
        set_at=row["set_at"],
        until=row["until"],
        lifted_at=row["lifted_at"],
        lifted_by=row["lifted_by"],
    )
