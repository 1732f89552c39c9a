"""What callers repeat to find what they began; nothing personal stands here."""

from collections.abc import Sequence
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
    SELECT k.client_id, k.idempotency_key, k.digest, k.inquiry_id
      FROM unnest($1::text[], $2::text[]) AS w (client_id, idempotency_key)
      JOIN idempotency_keys AS k USING (client_id, idempotency_key)
     WHERE k.expires_at > now()
"""


async def find(
    connection: Connection, wanted: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Kept]:
    """Return what clients' keys stand for, by client and key; keys nobody used are left out."""
    clients, keys = [client for client, _ in wanted], [key for _, key in wanted]
    return {
        (row["client_id"], row["idempotency_key"]): Kept(
            digest=row["digest"], inquiry_id=row["inquiry_id"]
        )
        for row in await connection.fetch(_FIND, clients, keys)
    }
