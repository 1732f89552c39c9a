"""The core's secret table, who holds codes for whom, and acquisitions under way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection, Record
from gateway.storage.effects import Effect

ACQUIRED: Final = "acquired"
ALREADY_ACQUIRED: Final = "already-acquired"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreCodeRequested(Effect):
    """The request has its acquisition number exactly when the request is recorded."""

    KIND: ClassVar[str] = "core_code_request"
    ORDER: ClassVar[int] = 40

    organisation: str
    request_id: str
    number: bytes = field(repr=False)
    expires_at: datetime

    @property
    def key(self) -> str:
        """Return organisation and request."""
        return f"{self.organisation} {self.request_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePersonMet(Effect):
    """Whoever is met under this look-up is this person from now on."""

    KIND: ClassVar[str] = "core_person"
    ORDER: ClassVar[int] = 41
    IS_UNIQUE: ClassVar[bool] = False

    lookup: bytes = field(repr=False)
    person: bytes = field(repr=False)

    @property
    def key(self) -> str:
        """Return the look-up."""
        return self.lookup.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreCodeIssued(Effect):
    """The organisation holds a code for the person, newly or already (命令85 44②)."""

    KIND: ClassVar[str] = "core_code_issued"
    ORDER: ClassVar[int] = 42

    organisation: str
    request_id: str
    person: bytes = field(repr=False)
    state: str

    @property
    def key(self) -> str:
        """Return organisation and person: two requests for one person never meet in a batch."""
        return f"{self.organisation} {self.person.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreCodeDropped(Effect):
    """The gateway will never link the code: the request is over, and nobody holds the code."""

    KIND: ClassVar[str] = "core_code_dropped"
    ORDER: ClassVar[int] = 43

    organisation: str
    request_id: str

    @property
    def key(self) -> str:
        """Return organisation and request."""
        return f"{self.organisation} {self.request_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRequest:
    """One acquisition under way; the number prints masked."""

    organisation: str
    request_id: str
    number: bytes = field(repr=False)
    expires_at: datetime
    person: bytes | None = field(repr=False)
    state: str | None


_OF_IDS: Final[LiteralString] = """
    SELECT organisation, request_id, number, expires_at, person, state
      FROM core_code_requests
     WHERE organisation = $1 AND request_id = ANY ($2::uuid[])
       AND (expires_at > $3 OR person IS NOT NULL)
"""


async def requests_of(
    connection: Connection, organisation: str, request_ids: Sequence[str], *, now: datetime
) -> dict[str, CodeRequest]:
    """Return an organisation's live requests of these ids."""
    rows = await connection.fetch(_OF_IDS, organisation, list(request_ids), now)
    return {row["request_id"].hex: _request(row) for row in rows}


_OF_NUMBERS: Final[LiteralString] = """
    SELECT organisation, request_id, number, expires_at, person, state
      FROM core_code_requests
     WHERE number = ANY ($1::bytea[]) AND (expires_at > $2 OR person IS NOT NULL)
"""


async def requests_by_number(
    connection: Connection, numbers: Sequence[bytes], *, now: datetime
) -> dict[bytes, CodeRequest]:
    """Return the live requests that these acquisition numbers stand for."""
    rows = await connection.fetch(_OF_NUMBERS, list(numbers), now)
    return {row["number"]: _request(row) for row in rows}


_PEOPLE: Final[LiteralString] = """
    SELECT lookup, person FROM core_people WHERE lookup = ANY ($1::bytea[])
"""


async def people(connection: Connection, lookups: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return who is known under these look-ups."""
    return {row["lookup"]: row["person"] for row in await connection.fetch(_PEOPLE, list(lookups))}


_HOLDERS: Final[LiteralString] = """
    SELECT h.person, h.organisation
      FROM core_holders AS h
      JOIN unnest($1::bytea[], $2::text[]) AS w (person, organisation)
        ON w.person = h.person AND w.organisation = h.organisation
"""


async def holders(
    connection: Connection, wanted: Sequence[tuple[bytes, str]]
) -> set[tuple[bytes, str]]:
    """Return which of these pairs of person and organisation hold a code (令26⑥)."""
    rows = await connection.fetch(
        _HOLDERS, [person for person, _ in wanted], [organisation for _, organisation in wanted]
    )
    return {(row["person"], row["organisation"]) for row in rows}


_HOLDING: Final[LiteralString] = """
    SELECT organisation FROM core_holders WHERE person = $1 ORDER BY organisation
"""


async def holding(connection: Connection, person: bytes) -> list[str]:
    """Return which organisations hold a code for the person (令26⑥)."""
    return [row["organisation"] for row in await connection.fetch(_HOLDING, person)]


_END: Final[LiteralString] = """
    DELETE FROM core_code_requests
     WHERE organisation = $1 AND request_id = ANY ($2::uuid[]) AND person IS NOT NULL
"""


async def end_requests(
    connection: Connection, organisation: str, request_ids: Sequence[str]
) -> None:
    """Forget linked requests, and their acquisition numbers with them (法21の2③)."""
    await connection.execute(_END, organisation, list(request_ids))


def _request(row: Record) -> CodeRequest:
    return CodeRequest(
        organisation=row["organisation"],
        request_id=row["request_id"].hex,
        number=row["number"],
        expires_at=row["expires_at"],
        person=row["person"],
        state=row["state"],
    )
