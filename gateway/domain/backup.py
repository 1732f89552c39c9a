"""What a backup says that it holds: the manifest's content, no I/O.

Names, counts and digests only: nothing in it is about a person, and anybody may read it.
"""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec

KEY_STORE_KEPT: Final = timedelta(days=35)
"""How long a copy of the key store may live (PROTOCOL §5, Erasure)."""

Kind = Literal["database", "key-store"]
DATABASE: Final[Kind] = "database"
KEY_STORE: Final[Kind] = "key-store"

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
SqlName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Hex16 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Month = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Instant = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class _Part(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What is absent is left out: canonical JSON knows no null."""


class BackupFile(_Part, frozen=True, kw_only=True):
    """One sealed file: its name in the backup's folder, bytes on disk, and their SHA-256."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}\.sealed$")]
    size: Count
    sha256: Hex32


class BackupTable(_Part, frozen=True, kw_only=True):
    """One table, or one partition `of` a table, as COPY in PostgreSQL's binary format gave it.

    Without a `file` it had no row.
    """

    name: SqlName
    of: SqlName | None = None
    columns: list[SqlName]
    rows: Count
    file: BackupFile | None = None


class BackupArchive(_Part, frozen=True, kw_only=True):
    """The archive of a month's operation records, as its entry recorded it (digest).

    Without a `file` it was not there, or not what was recorded, when the backup was made.
    """

    month: Month
    digest: Hex32
    file: BackupFile | None = None


class BackupSequence(_Part, frozen=True, kw_only=True):
    """A sequence: the value it gave last, if it ever gave one."""

    name: SqlName
    last_value: Count | None = None


class BackupMigration(_Part, frozen=True, kw_only=True):
    """One step of the schema that the database had."""

    number: Count
    sha256: Hex32


class BackupSlot(_Part, frozen=True, kw_only=True):
    """How far a slot of the record log had come: its committed size and root."""

    slot: Count
    origin: str
    size: Count
    root: Hex32


class DatabaseContent(_Part, frozen=True, kw_only=True):
    """The database of one instant."""

    migrations: list[BackupMigration]
    tables: list[BackupTable]
    sequences: list[BackupSequence]
    slots: list[BackupSlot]
    archives: list[BackupArchive] = msgspec.field(default_factory=list)
    gate: Count
    """The gate's version: from it on numbers are given that nobody has seen."""


class KeyStoreContent(_Part, frozen=True, kw_only=True):
    """The key store of one instant, its keys wrapped by the master key as they are on disk."""

    file: BackupFile
    keys: Count
    destroyed: Count
    master: str
    """Id of the master key that wraps them."""


class Manifest(_Part, frozen=True, kw_only=True):
    """What one backup is: whose, of when, for which backup key, and every file of it."""

    type: Literal["backup"]
    version: Literal[1]
    kind: Kind
    id: Hex16
    network: Name
    organisation: Name
    program: str
    taken_at: Instant
    key_id: Hex32
    database: DatabaseContent | None = None
    key_store: KeyStoreContent | None = None

    @property
    def files(self) -> list[BackupFile]:
        """Return every sealed file that belongs to the backup."""
        tables = self.database.tables if self.database is not None else []
        archives = self.database.archives if self.database is not None else []
        parts: list[BackupTable | BackupArchive] = [*tables, *archives]
        found = [part.file for part in parts if part.file is not None]
        return [*found, *([self.key_store.file] if self.key_store is not None else [])]


def backup_name(kind: Kind, owner: str, taken_at: datetime, backup_id: str) -> str:
    """Return the name of a backup's folder: what, whose, when (UTC), and the begin of its id."""
    return f"sekisho-{kind}-{owner}-{taken_at:%Y%m%dT%H%M%SZ}-{backup_id[:8]}"


def owner_name(network: str, organisation: str) -> str:
    """Return whose a backup is, as its name says: two networks may have namesakes."""
    return f"{network}.{organisation}"


def is_too_old(kind: Kind, taken_at: datetime, now: datetime) -> bool:
    """Tell whether a backup may no longer be there: a copy of the key store after 35 days."""
    return kind == KEY_STORE and now >= taken_at + KEY_STORE_KEPT
