"""Directory versions and allow lists the core has published, all of them kept."""

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreDirectoryPublished(Effect):
    """A version is public exactly when its `directory-changed` entry is recorded.

    `directory` and `allow_list` are the hashes that `store_document` gave.
    """

    KIND: ClassVar[str] = "core_directory"

    version: int
    directory: bytes
    allow_list: bytes
    entry_id: str

    @property
    def key(self) -> str:
        """Return the version."""
        return str(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published version with its allow list, as signed."""

    version: int
    directory: bytes = field(repr=False)
    allow_list: bytes = field(repr=False)


_STORE: Final[LiteralString] = """
    INSERT INTO core_documents (hash, type, document) VALUES ($1, $2, $3)
    ON CONFLICT (hash) DO NOTHING
"""


async def store_document(connection: Connection, *, type_: str, document: bytes) -> bytes:
    """Keep a signed document and return its hash; nothing is published by that."""
    digest = hashlib.sha256(document).digest()
    await connection.execute(_STORE, digest, type_, document)
    return digest


_VERSION: Final[LiteralString] = "SELECT coalesce(max(version), 0) FROM core_directories"


async def published_version(connection: Connection) -> int:
    """Return the highest version that was published, 0 if none was."""
    return int(await connection.fetchval(_VERSION))


_LATEST: Final[LiteralString] = """
    SELECT d.version, s.document AS directory, a.document AS allow_list
      FROM core_directories AS d
      JOIN core_documents AS s ON s.hash = d.directory
      JOIN core_documents AS a ON a.hash = d.allow_list
     ORDER BY d.version DESC
     LIMIT 1
"""


async def latest(connection: Connection) -> Published | None:
    """Return the highest published version, if there is one."""
    row = await connection.fetchrow(_LATEST)
    if row is None:
        return None
    return Published(
        version=row["version"], directory=row["directory"], allow_list=row["allow_list"]
    )


_PRESENT: Final[LiteralString] = """
    SELECT (SELECT version FROM gate) AS gate,
           coalesce((SELECT max(version) FROM core_directories), 0) AS published
"""


async def gate_and_published(connection: Connection) -> tuple[int, int]:
    """Return the gate's version and the highest published version, of one instant."""
    row = await connection.fetchrow(_PRESENT)
    assert row is not None  # a SELECT without FROM always has one row
    return row["gate"], row["published"]
