"""Directory versions and allow lists the core has published, all of them kept."""

from dataclasses import dataclass, field
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreDirectoryPublished(Effect):
    """A version is public exactly when its `directory-changed` entry is recorded."""

    KIND: ClassVar[str] = "core_directory"

    version: int
    digest: str
    allow_list: str
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
    INSERT INTO core_documents (digest, type, document) VALUES ($1, $2, $3)
    ON CONFLICT (digest) DO NOTHING
"""


async def store_document(
    connection: Connection, *, digest: str, type_: str, document: bytes
) -> None:
    """Keep a signed document; nothing is published by that."""
    await connection.execute(_STORE, digest, type_, document)


_VERSION: Final[LiteralString] = "SELECT coalesce(max(version), 0) FROM core_directories"


async def published_version(connection: Connection) -> int:
    """Return the highest version that was published, 0 if none was."""
    return int(await connection.fetchval(_VERSION))


_LATEST: Final[LiteralString] = """
    SELECT d.version, s.document AS directory, a.document AS allow_list
      FROM core_directories AS d
      JOIN core_documents AS s ON s.digest = d.digest
      JOIN core_documents AS a ON a.digest = d.allow_list
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
