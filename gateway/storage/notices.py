"""Notices of the core that a permit was granted and the permit has not come yet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, LiteralString

from gateway.storage.database import Connection
from gateway.storage.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """One notice; what is personal lies in its box."""

    permit_id: str
    inquirer: str
    token_expires: datetime
    request_expires: datetime
    requested_at: datetime
    key_year: int
    notice_box: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeNotified(Effect):
    """The permit was not presented in its time: the record says that we were notified."""

    KIND: ClassVar[str] = "notice_notified"

    permit_id: str

    @property
    def key(self) -> str:
        """Return the permit's id."""
        return self.permit_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeLapsed(Effect):
    """The request expired without being presented (命令85 41③)."""

    KIND: ClassVar[str] = "notice_lapsed"

    permit_id: str

    @property
    def key(self) -> str:
        """Return the permit's id."""
        return self.permit_id


_KEEP: Final[LiteralString] = """
    INSERT INTO notices (permit_id, inquirer, token_expires, request_expires, requested_at,
                         key_year, notice_box)
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[],
                         $5::timestamptz[], $6::integer[], $7::bytea[])
    ON CONFLICT (permit_id) DO NOTHING
"""


async def keep(connection: Connection, rows: Sequence[NoticeRow]) -> None:
    """Keep notices of permits that have not come; the same one may come twice."""
    await connection.execute(
        _KEEP,
        [row.permit_id for row in rows],
        [row.inquirer for row in rows],
        [row.token_expires for row in rows],
        [row.request_expires for row in rows],
        [row.requested_at for row in rows],
        [row.key_year for row in rows],
        [row.notice_box for row in rows],
    )


# Permit and notice may come at the same moment, and the notice be kept after the answer.
_DROP_MET: Final[LiteralString] = """
    DELETE FROM notices AS n USING answers AS a
     WHERE n.token_expires <= $1 AND a.permit_id = n.permit_id
       AND a.day = (n.request_expires AT TIME ZONE 'Asia/Tokyo')::date
"""


async def drop_met(connection: Connection, *, expired_before: datetime) -> None:
    """Forget notices whose permit was presented all the same."""
    await connection.execute(_DROP_MET, expired_before)


_UNMET: Final[LiteralString] = """
    SELECT permit_id, inquirer, token_expires, request_expires, requested_at, key_year, notice_box
      FROM notices WHERE state = 'told' AND token_expires <= $1 AND set_aside_at IS NULL
     ORDER BY token_expires LIMIT $2
"""


async def unmet(connection: Connection, *, expired_before: datetime, limit: int) -> list[NoticeRow]:
    """Return notices whose permit did not come while its token lived."""
    return [_row(row) for row in await connection.fetch(_UNMET, expired_before, limit)]


_EXPIRED: Final[LiteralString] = """
    SELECT permit_id, inquirer, token_expires, request_expires, requested_at, key_year, notice_box
      FROM notices WHERE state = 'notified' AND request_expires <= $1 AND set_aside_at IS NULL
     ORDER BY request_expires LIMIT $2
"""


async def expired(connection: Connection, *, now: datetime, limit: int) -> list[NoticeRow]:
    """Return notices whose request has expired."""
    return [_row(row) for row in await connection.fetch(_EXPIRED, now, limit)]


_SET_ASIDE: Final[LiteralString] = """
    UPDATE notices SET set_aside_at = now()
     WHERE permit_id = ANY ($1::text[]) AND set_aside_at IS NULL
    RETURNING permit_id
"""


async def set_aside(connection: Connection, permit_ids: Sequence[str]) -> list[str]:
    """Keep notices out of the way until an operator has looked; returns which were not before."""
    rows = await connection.fetch(_SET_ASIDE, list(permit_ids))
    return [row["permit_id"] for row in rows]


def _row(row: Any) -> NoticeRow:  # noqa: ANN401 - a driver's record, read by column name
    return NoticeRow(
        permit_id=row["permit_id"],
        inquirer=row["inquirer"],
        token_expires=row["token_expires"],
        request_expires=row["request_expires"],
        requested_at=row["requested_at"],
        key_year=row["key_year"],
        notice_box=row["notice_box"],
    )
