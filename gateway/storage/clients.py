"""Clients of the back-office listener as the operator registered them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, LiteralString

from gateway.domain.client import Registration
from gateway.storage.database import Connection
from gateway.storage.effects import Effect

TABLE: Final = "clients"
SECRET: Final = "secret"  # noqa: S105  # the name of a column
ENABLED: Final = "enabled"
DISABLED: Final = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAdded(Effect):
    """The client is registered exactly when the entry says so."""

    KIND: ClassVar[str] = "client_added"

    client_id: str
    state: str
    system: str
    scopes: tuple[str, ...]
    procedures: tuple[str, ...]
    information: tuple[str, ...]
    departments: tuple[str, ...]
    may_ask: bool
    may_supply: bool
    certificate_uri: str
    algorithm: str
    public_key: str | None
    secret_box: bytes | None = field(repr=False)
    key_year: int

    @property
    def key(self) -> str:
        """Return the client's id."""
        return self.client_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChanged(Effect):
    """State and key of a client of this version change; tokens it holds end."""

    KIND: ClassVar[str] = "client_changed"

    client_id: str
    version: int
    state: str
    algorithm: str
    public_key: str | None
    secret_box: bytes | None = field(repr=False)
    key_year: int

    @property
    def key(self) -> str:
        """Return the client's id."""
        return self.client_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRow:
    """One client; its secret, if it has one, is still in its box."""

    client_id: str
    version: int
    state: str
    system: str
    scopes: frozenset[str]
    procedures: frozenset[str]
    information: frozenset[str]
    departments: frozenset[str]
    may_ask: bool
    may_supply: bool
    certificate_uri: str
    algorithm: str
    public_key: str | None
    secret_box: bytes | None = field(repr=False)
    key_year: int
    added_at: datetime
    changed_at: datetime

    @property
    def is_enabled(self) -> bool:
        """Whether the client may come in at all."""
        return self.state == ENABLED

    @property
    def registration(self) -> Registration:
        """Return what the client is registered for."""
        return Registration(
            client_id=self.client_id,
            system=self.system,
            procedures=self.procedures,
            information=self.information,
            departments=self.departments,
            may_ask=self.may_ask,
            may_supply=self.may_supply,
        )


_FIND: Final[LiteralString] = """
    SELECT client_id, version, state, system, scopes, procedures, information, departments,
           may_ask, may_supply, certificate_uri, algorithm, public_key, secret_box, key_year,
           added_at, changed_at
      FROM clients
     WHERE client_id = ANY ($1::text[])
"""


async def find(connection: Connection, client_ids: Sequence[str]) -> dict[str, ClientRow]:
    """Return the clients of these ids, disabled ones too."""
    return {
        row["client_id"]: client_of(row) for row in await connection.fetch(_FIND, list(client_ids))
    }


_ALL: Final[LiteralString] = """
    SELECT client_id, version, state, system, scopes, procedures, information, departments,
           may_ask, may_supply, certificate_uri, algorithm, public_key, secret_box, key_year,
           added_at, changed_at
      FROM clients
     ORDER BY client_id
     LIMIT $1
"""


async def list_all(connection: Connection, *, limit: int) -> list[ClientRow]:
    """Return the clients by their ids."""
    return [client_of(row) for row in await connection.fetch(_ALL, limit)]


def client_of(row: Any) -> ClientRow:  # noqa: ANN401 - a driver's record, read by column name
    """Return a client from a row that has all its columns."""
    return ClientRow(
        client_id=row["client_id"],
        version=row["version"],
        state=row["state"],
        system=row["system"],
        scopes=frozenset(row["scopes"]),
        procedures=frozenset(row["procedures"]),
        information=frozenset(row["information"]),
        departments=frozenset(row["departments"]),
        may_ask=row["may_ask"],
        may_supply=row["may_supply"],
        certificate_uri=row["certificate_uri"],
        algorithm=row["algorithm"],
        public_key=row["public_key"],
        secret_box=row["secret_box"],
        key_year=row["key_year"],
        added_at=row["added_at"],
        changed_at=row["changed_at"],
    )
