"""What decisions rest on: which allow list, bodies and release rules came into use when."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import ClassVar, Final, Literal, LiteralString, TypeAlias

from codes.canonical import instant
from gateway.storage.database import Connection, fetch
from gateway.storage.effects import Effect

DocumentKind: TypeAlias = Literal["allow-list", "bodies", "rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What came into use together; every digest is a hex SHA-256."""

    number: int
    """Counted from 1, without gaps."""
    entry_id: str
    since: datetime
    directory_version: int
    directory: str
    allow_list_version: int
    allow_list: str
    """As the directory names it; `allow_list_document` is of the bytes kept, signatures too."""
    law_version: str
    allow_list_document: str
    bodies: str
    rules_version: str
    rules: str

    def to_json(self) -> dict[str, object]:
        """Return what the entry says of it."""
        return {**asdict(self), "since": instant(self.since)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisInUse(Effect):
    """It is in use from its entry on; refused unless it has the next number (0017)."""

    KIND: ClassVar[str] = "basis_in_use"

    basis: Basis

    @property
    def key(self) -> str:
        """Return the number."""
        return str(self.basis.number)

    def to_json(self) -> object:
        """Return the row."""
        return self.basis.to_json()


_STORE: Final[LiteralString] = """
    INSERT INTO basis_documents (digest, kind, document)
    VALUES (encode(sha256($2), 'hex'), $1, $2)
    ON CONFLICT (digest) DO NOTHING
"""


async def store_document(connection: Connection, kind: DocumentKind, document: bytes) -> None:
    """Keep a document under its digest; nothing is in use by that."""
    await connection.execute(_STORE, kind, document)


_EVERY: Final[LiteralString] = """
    SELECT number, entry_id, since, directory_version, directory, allow_list_version, allow_list,
           law_version, allow_list_document, bodies, rules_version, rules
      FROM decision_basis
     ORDER BY directory_version, number
"""


async def every(connection: Connection) -> list[Basis]:
    """Return all that were ever in use, in the order of the directory that brought them.

    One that was recorded late, because another worker was a version ahead, stands where it belongs.
    """
    return [Basis(**dict(row)) for row in await fetch(connection, _EVERY)]


_DOCUMENT: Final[LiteralString] = "SELECT document FROM basis_documents WHERE digest = $1"


async def document_of(connection: Connection, digest: str) -> bytes | None:
    """Return the document that is kept under a digest, whatever it holds by now."""
    document: bytes | None = await connection.fetchval(_DOCUMENT, digest)
    return document
