"""People whom an inquirer asked us to acquire a code for (令26③), each in a box."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect

TABLE: Final = "code_wanted"
PERSON: Final = "person"
PAGE_ROWS_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeWanted(Effect):
    """The request is kept exactly when its entry says so."""

    KIND: ClassVar[str] = "code_wanted"

    request_id: str
    inquirer: str
    key_year: int
    person_box: bytes = field(repr=False)
    received_at: datetime

    @property
    def key(self) -> str:
        """Return inquirer and request together."""
        return f"{self.inquirer}\n{self.request_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRow:
    """One request; the person is still in its box."""

    request_id: str
    inquirer: str
    key_year: int
    person_box: bytes = field(repr=False)
    received_at: datetime


_PAGE: Final[LiteralString] = """
    SELECT request_id, inquirer, key_year, person_box, received_at
      FROM code_wanted
     WHERE ($1::timestamptz IS NULL OR (received_at, request_id) < ($1, $2))
     ORDER BY received_at DESC, request_id DESC
     LIMIT $3
"""


async def page(
    connection: Connection, *, before: tuple[datetime, str] | None, limit: int
) -> list[WantedRow]:
    """Return requests, newest first, at most 200 at a time."""
    at, request_id = before if before is not None else (None, None)
    return [
        WantedRow(
            request_id=row["request_id"],
            inquirer=row["inquirer"],
            key_year=row["key_year"],
            person_box=row["person_box"],
            received_at=row["received_at"],
        )
        for row in await connection.fetch(_PAGE, at, request_id, min(limit, PAGE_ROWS_MAX))
    ]


def place(inquirer: str, request_id: str) -> str:
    """Return the row id that a person's box is bound to."""
    return f"{inquirer}/{request_id}"
