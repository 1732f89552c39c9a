"""What callers repeat to find what they began; nothing personal stands here."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKept(Effect):
    """The key stands for this inquiry exactly when the inquiry is recorded."""

    KIND: ClassVar[str] = "idempotency_kept"

    client_id: str
    idempotency_key: str
    digest: bytes = field(repr=False)
    inquiry_id: str
    expires_at: datetime

    @property
    def key(self) -> str:
        """Return client and key together."""
        return f"{self.client_id}\n{self.idempotency_key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The request a key stands for and what it began."""

    digest: bytes
    inquiry_id: str


_FIND: Final[LiteralString] = """
    SELECT digest, inquiry_id FROM idempotency_keys
     WHERE client_id = $1 AND idempotency_key = $2 AND expires_at > now()
"""


async def find(connection: Connection, client_id: str, idempotency_key: str) -> Kept | None:
    """Return what a client's key stands for, if it was used."""
    row = await connection.fetchrow(_FIND, client_id, idempotency_key)
    return Kept(digest=row["digest"], inquiry_id=row["inquiry_id"]) if row is not None else None


_SWEEP: Final[LiteralString] = "DELETE FROM idempotency_keys WHERE expires_at <= now()"


async def sweep(connection: Connection) -> None:
    """End keys whose term is over."""
    await connection.execute(_SWEEP)
