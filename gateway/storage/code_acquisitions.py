"""Codes being acquired: whose, how far, and until then the acquisition number in its box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect

TABLE: Final = "code_acquisitions"
NUMBER: Final = "number"
ACQUISITION: Final = "acquisition"
REQUESTED: Final = "requested"
LINKED: Final = "linked"
ALREADY_ACQUIRED: Final = "already-acquired"
LAPSED: Final = "lapsed"
STATES: Final = frozenset({REQUESTED, LINKED, ALREADY_ACQUIRED, LAPSED})
PAGE_ROWS_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionBegun(Effect):
    """The acquisition is under way exactly when its entry says so; one a person at a time."""

    KIND: ClassVar[str] = "acquisition_begun"

    request_id: str
    client_id: str
    subject: bytes = field(repr=False)
    number_box: bytes = field(repr=False)
    key_year: int
    requested_at: datetime

    @property
    def key(self) -> str:
        """Return the person's keyed hash: two acquisitions of one person never meet."""
        return self.subject.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionEnded(Effect):
    """The acquisition is over, and its number erased (法21の2③)."""

    KIND: ClassVar[str] = "acquisition_ended"

    request_id: str
    state: str

    @property
    def key(self) -> str:
        """Return the request's id."""
        return self.request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionRow:
    """One acquisition; boxes are still closed."""

    request_id: str
    client_id: str
    subject: bytes = field(repr=False)
    number_box: bytes = field(repr=False)
    acquisition_box: bytes | None = field(repr=False)
    key_year: int
    state: str
    requested_at: datetime
    finished_at: datetime | None


_FIND: Final[LiteralString] = """
    SELECT request_id, client_id, subject, number_box, acquisition_box, key_year, state,
           requested_at, finished_at
      FROM code_acquisitions
     WHERE request_id = ANY ($1::text[])
"""


async def find(connection: Connection, request_ids: Sequence[str]) -> dict[str, AcquisitionRow]:
    """Return the acquisitions of these ids."""
    rows = await connection.fetch(_FIND, list(request_ids))
    return {row["request_id"]: _row(row) for row in rows}


_LATEST: Final[LiteralString] = """
    SELECT DISTINCT ON (subject)
           request_id, client_id, subject, number_box, acquisition_box, key_year, state,
           requested_at, finished_at
      FROM code_acquisitions
     WHERE subject = ANY ($1::bytea[])
     ORDER BY subject, requested_at DESC, request_id DESC
"""


async def latest_of(
    connection: Connection, subjects: Sequence[bytes]
) -> dict[bytes, AcquisitionRow]:
    """Return each person's latest acquisition: the open one, if there is one."""
    return {row["subject"]: _row(row) for row in await connection.fetch(_LATEST, list(subjects))}


_PAGE: Final[LiteralString] = """
    SELECT request_id, client_id, subject, number_box, NULL::bytea AS acquisition_box, key_year,
           state, requested_at, finished_at
      FROM code_acquisitions
     WHERE client_id = $1
       AND ($2::timestamptz IS NULL OR (requested_at, request_id) < ($2, $3))
       AND ($4::text IS NULL OR state = $4)
     ORDER BY requested_at DESC, request_id DESC
     LIMIT $5
"""


async def page(
    connection: Connection,
    client_id: str,
    *,
    before: tuple[datetime, str] | None,
    state: str | None,
    limit: int,
) -> list[AcquisitionRow]:
    """Return a client's acquisitions, newest first, at most 200 at a time."""
    at, request_id = before if before is not None else (None, None)
    rows = await connection.fetch(
        _PAGE, client_id, at, request_id, state, min(limit, PAGE_ROWS_MAX)
    )
    return [_row(row) for row in rows]


# Whoever brings the number a second time brings the same one: the core keeps it to the request.
_KEEP: Final[LiteralString] = """
    UPDATE code_acquisitions AS a SET acquisition_box = w.box
      FROM unnest($1::text[], $2::bytea[]) AS w (request_id, box)
     WHERE a.request_id = w.request_id AND a.state = 'requested' AND a.acquisition_box IS NULL
"""


async def keep_numbers(connection: Connection, boxes: Mapping[str, bytes]) -> None:
    """Keep acquisition numbers, in their boxes, while their acquisitions are open."""
    await connection.execute(_KEEP, list(boxes), list(boxes.values()))


_STALE: Final[LiteralString] = """
    SELECT request_id, client_id, subject, number_box, acquisition_box, key_year, state,
           requested_at, finished_at
      FROM code_acquisitions
     WHERE state = 'requested' AND requested_at <= $1
     ORDER BY requested_at
     LIMIT $2
"""


async def stale(connection: Connection, *, before: datetime, limit: int) -> list[AcquisitionRow]:
    """Return open acquisitions whose number is past its time."""
    return [_row(row) for row in await connection.fetch(_STALE, before, limit)]


def _row(row: Any) -> AcquisitionRow:  # noqa: ANN401 - a driver's record, read by column name
    return AcquisitionRow(
        request_id=row["request_id"],
        client_id=row["client_id"],
        subject=row["subject"],
        number_box=row["number_box"],
        acquisition_box=row["acquisition_box"],
        key_year=row["key_year"],
        state=row["state"],
        requested_at=row["requested_at"],
        finished_at=row["finished_at"],
    )
