"""Whose code is whose: unified number ⇔ network code, both of them closed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect

TABLE: Final = "network_codes"
NUMBER: Final = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLinked(Effect):
    """A person has a network code here exactly when the entry says so."""

    KIND: ClassVar[str] = "code_linked"

    subject: bytes = field(repr=False)
    number_box: bytes = field(repr=False)
    code: bytes = field(repr=False)
    key_year: int

    @property
    def key(self) -> str:
        """Return the person's keyed hash."""
        return self.subject.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRow:
    """One person with a code; the number is still in its box."""

    subject: bytes = field(repr=False)
    number_box: bytes = field(repr=False)
    key_year: int


_CODES_OF: Final[LiteralString] = """
    SELECT subject, code FROM network_codes
     WHERE subject = ANY ($1::bytea[]) AND state = 'linked'
"""


async def codes_of(connection: Connection, subjects: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the stored codes of people who have one in use."""
    rows = await connection.fetch(_CODES_OF, list(subjects))
    return {row["subject"]: row["code"] for row in rows}


_KNOWN_CODE: Final[LiteralString] = """
    SELECT code FROM network_codes WHERE subject = $1
"""


async def known_code(connection: Connection, subject: bytes) -> bytes | None:
    """Return a person's stored code, also one that nobody may use just now."""
    found: bytes | None = await connection.fetchval(_KNOWN_CODE, subject)
    return found


_SUBJECTS_OF: Final[LiteralString] = """
    SELECT subject, code, number_box, key_year FROM network_codes
     WHERE code = ANY ($1::bytea[]) AND state = 'linked'
"""


async def subjects_of(connection: Connection, codes: Sequence[bytes]) -> dict[bytes, SubjectRow]:
    """Return the people behind stored codes that are in use."""
    rows = await connection.fetch(_SUBJECTS_OF, list(codes))
    return {
        row["code"]: SubjectRow(
            subject=row["subject"], number_box=row["number_box"], key_year=row["key_year"]
        )
        for row in rows
    }


_STATES_OF: Final[LiteralString] = """
    SELECT subject, state FROM network_codes WHERE subject = ANY ($1::bytea[])
"""


async def states_of(connection: Connection, subjects: Sequence[bytes]) -> dict[bytes, str]:
    """Return how the codes of these people stand: `linked` or `suspended`."""
    rows = await connection.fetch(_STATES_OF, list(subjects))
    return {row["subject"]: row["state"] for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMoved(Effect):
    """A person's code may be used no longer, or again; it changes the gate."""

    KIND: ClassVar[str] = "code_moved"
    ORDER: ClassVar[int] = 5

    subject: bytes = field(repr=False)
    from_state: str
    state: str

    @property
    def key(self) -> str:
        """Return the person's keyed hash."""
        return self.subject.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeHandedOver(Effect):
    """A person's code is known under another unified number; it changes the gate."""

    KIND: ClassVar[str] = "code_handed_over"
    ORDER: ClassVar[int] = 5

    subject: bytes = field(repr=False)
    to_subject: bytes = field(repr=False)
    number_box: bytes = field(repr=False)
    key_year: int

    @property
    def key(self) -> str:
        """Return the keyed hash of the number that loses the code."""
        return self.subject.hex()
