"""The stand-in for the resident network: whose resident-record code belongs to which number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, LiteralString

from gateway.storage.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One person: My Number as a keyed one-way function, resident-record code in a box."""

    number: bytes = field(repr=False)
    key_year: int
    code_box: bytes = field(repr=False)


_FIND: Final[LiteralString] = """
    SELECT number, key_year, code_box FROM resident_people WHERE number = ANY ($1::bytea[])
"""


async def find(connection: Connection, numbers: Sequence[bytes]) -> dict[bytes, Resident]:
    """Return the people of these numbers."""
    rows = await connection.fetch(_FIND, list(numbers))
    return {
        row["number"]: Resident(
            number=row["number"], key_year=row["key_year"], code_box=row["code_box"]
        )
        for row in rows
    }


_STORE: Final[LiteralString] = """
    INSERT INTO resident_people (number, key_year, code_box)
    SELECT number, key_year, code_box
      FROM unnest($1::bytea[], $2::integer[], $3::bytea[]) AS r (number, key_year, code_box)
    ON CONFLICT (number) DO UPDATE
       SET key_year = excluded.key_year, code_box = excluded.code_box
"""


async def store(connection: Connection, residents: Sequence[Resident]) -> None:
    """Keep these people; a number that is known gets the code it has now."""
    await connection.execute(
        _STORE,
        [resident.number for resident in residents],
        [resident.key_year for resident in residents],
        [resident.code_box for resident in residents],
    )
