"""Assertions that were shown, and the tokens given for them; both end by themselves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final, LiteralString

from gateway.storage.clients import ClientRow, client_of
from gateway.storage.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAssertion:
    """An assertion by what makes it unique: the day of its own end, its client and its id."""

    client_id: str
    jti: str
    expires_at: datetime

    @property
    def day(self) -> date:
        """Return the day (UTC) that the assertion's `exp` falls on."""
        return self.expires_at.astimezone(UTC).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token that was given: whose, for what, with which certificate, until when."""

    digest: bytes = field(repr=False)
    client_id: str
    scopes: frozenset[str]
    certificate: bytes
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldToken:
    """A token with its client as that is registered now."""

    token: TokenRow
    client: ClientRow


# One statement: of two who show one assertion at once, one gets a token and one gets nothing.
_ISSUE: Final[LiteralString] = """
    WITH shown AS (
        INSERT INTO client_assertions (day, client_id, jti) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING
        RETURNING client_id
    )
    INSERT INTO access_tokens (digest, client_id, scopes, certificate, issued_at, expires_at)
    SELECT $4, client_id, $5::text[], $6, $7, $8 FROM shown
    RETURNING true
"""


async def issue(connection: Connection, assertion: ShownAssertion, token: TokenRow) -> bool:
    """Keep a token for an assertion never shown before; tells whether it was such a one."""
    issued = await connection.fetchval(
        _ISSUE,
        assertion.day,
        assertion.client_id,
        assertion.jti,
        token.digest,
        sorted(token.scopes),
        token.certificate,
        token.issued_at,
        token.expires_at,
    )
    return bool(issued)


_FIND: Final[LiteralString] = """
    SELECT t.digest, t.scopes AS token_scopes, t.certificate, t.issued_at, t.expires_at,
           c.client_id, c.version, c.state, c.system, c.scopes, c.procedures, c.information,
           c.departments, c.may_ask, c.may_supply, c.certificate_uri, c.algorithm, c.public_key,
           c.secret_box, c.key_year, c.added_at, c.changed_at
      FROM access_tokens AS t JOIN clients AS c USING (client_id)
     WHERE t.digest = ANY ($1::bytea[])
"""


async def find(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, HeldToken]:
    """Return the tokens of these digests that were given, with their clients."""
    rows = await connection.fetch(_FIND, list(digests))
    return {
        row["digest"]: HeldToken(
            token=TokenRow(
                digest=row["digest"],
                client_id=row["client_id"],
                scopes=frozenset(row["token_scopes"]),
                certificate=row["certificate"],
                issued_at=row["issued_at"],
                expires_at=row["expires_at"],
            ),
            client=client_of(row),
        )
        for row in rows
    }
