"""Sessions of staff, and attempts to begin one: both seen alike by every worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final, LiteralString

from gateway.domain.staff import Role
from gateway.storage.database import Connection
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBegun(Effect):
    """The session lives from its entry on."""

    KIND: ClassVar[str] = "staff_session"
    ORDER: ClassVar[int] = 30

    token_digest: bytes = field(repr=False)
    staff_id: str
    credential_id: str
    begun_at: datetime
    expires_at: datetime

    @property
    def key(self) -> str:
        """Return the token's digest as hex."""
        return self.token_digest.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Effect):
    """The session is gone."""

    KIND: ClassVar[str] = "staff_session_ended"
    ORDER: ClassVar[int] = 30

    token_digest: bytes = field(repr=False)

    @property
    def key(self) -> str:
        """Return the token's digest as hex."""
        return self.token_digest.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session that lives, with whose it is and what they are here for."""

    staff_id: str
    credential_id: str
    name: str = field(repr=False)
    roles: tuple[Role, ...]
    used_at: datetime
    expires_at: datetime


_FIND: Final[LiteralString] = """
    SELECT n.staff_id, n.credential_id, s.name, s.roles, n.used_at, n.expires_at
      FROM staff_sessions AS n
      JOIN staff AS s ON s.staff_id = n.staff_id AND NOT s.is_disabled
      JOIN staff_credentials AS c
        ON c.credential_id = n.credential_id AND c.retired_at IS NULL
     WHERE n.token_digest = $1 AND n.expires_at > $2 AND n.used_at > $3
"""


async def find(
    connection: Connection, token_digest: bytes, *, now: datetime, idle: timedelta
) -> SessionRow | None:
    """Return a session that is neither past its end nor left idle."""
    row = await connection.fetchrow(_FIND, token_digest, now, now - idle)
    if row is None:
        return None
    return SessionRow(
        staff_id=row["staff_id"],
        credential_id=row["credential_id"],
        name=row["name"],
        roles=tuple(Role(role) for role in row["roles"]),
        used_at=row["used_at"],
        expires_at=row["expires_at"],
    )


_USED: Final[LiteralString] = """
    UPDATE staff_sessions SET used_at = $2 WHERE token_digest = $1 AND used_at < $2
"""


async def used(connection: Connection, token_digest: bytes, now: datetime) -> None:
    """Put the session's idle time back to nothing."""
    await connection.execute(_USED, token_digest, now)


# An attempt counts as failed until it has succeeded: attempts that come at once are all counted.
# The wait doubles from `first_s` on, after `free` attempts; while it lasts nothing counts.
_ATTEMPT: Final[LiteralString] = """
    INSERT INTO staff_attempts AS a (key, failures, blocked_until, last_at)
    SELECT w.key, 1, '-infinity', $3::timestamptz
      FROM unnest($1::bytea[], $2::integer[]) AS w (key, free)
     ORDER BY w.key
    ON CONFLICT (key) DO UPDATE SET
        was_blocked = a.blocked_until > $3,
        failures = CASE WHEN a.blocked_until > $3 THEN a.failures
                        WHEN a.last_at <= $4 THEN 1
                        ELSE a.failures + 1 END,
        blocked_until = CASE
            WHEN a.blocked_until > $3 THEN a.blocked_until
            WHEN a.last_at <= $4 THEN '-infinity'
            ELSE attempt_blocked_until(
                a.failures + 1, (SELECT w.free FROM unnest($1::bytea[], $2::integer[])
                                  AS w (key, free) WHERE w.key = a.key), $5, $6, $3) END,
        last_at = CASE WHEN a.blocked_until > $3 THEN a.last_at ELSE $3 END
    RETURNING key, was_blocked, blocked_until
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """How long to wait after failures: nothing for `free` ones by key, then doubling."""

    first_s: float
    longest_s: float
    forget: timedelta


async def attempt(
    connection: Connection, keys: Mapping[bytes, int], back_off: BackOff, *, now: datetime
) -> datetime | None:
    """Count an attempt under each key (with its free attempts); returns until when none is taken.

    None: the attempt may be made.
    """
    rows = await connection.fetch(
        _ATTEMPT,
        list(keys),
        list(keys.values()),
        now,
        now - back_off.forget,
        back_off.first_s,
        back_off.longest_s,
    )
    blocked = [row["blocked_until"] for row in rows if row["was_blocked"]]
    return max(blocked, default=None)


_SUCCEEDED: Final[LiteralString] = """
    UPDATE staff_attempts
       SET failures = CASE WHEN key = $1 THEN 0 ELSE greatest(0, failures - 1) END,
           blocked_until = '-infinity', was_blocked = false
     WHERE key = ANY ($2::bytea[])
"""


async def succeeded(connection: Connection, account: bytes, keys: Sequence[bytes]) -> None:
    """Take an attempt back that succeeded: the account's failures are forgotten with it."""
    await connection.execute(_SUCCEEDED, account, list(keys))
