"""Jobs of the night: one worker of the instance does each, once a night, from where it stopped."""

from datetime import date, datetime
from typing import Final, LiteralString

from gateway.storage.database import Connection

LEASE_S: Final = 3600.0

_KNOW: Final[LiteralString] = """
    INSERT INTO nightly_jobs (job, night, done_until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
# Whoever updates the row has the turn; everybody else gets no row back.
_CLAIM: Final[LiteralString] = """
    UPDATE nightly_jobs SET lease_until = now() + make_interval(secs => $3)
     WHERE job = $1 AND night < $2 AND lease_until <= now()
    RETURNING done_until
"""


async def claim(
    connection: Connection, job: str, *, night: date, begins: datetime
) -> datetime | None:
    """Take the turn of a night and return up to when the job was done; None if it is not ours.

    The first night is the one after the job was first seen; it goes from `begins` on.
    """
    await connection.execute(_KNOW, job, night, begins)
    done_until: datetime | None = await connection.fetchval(_CLAIM, job, night, LEASE_S)
    return done_until


_ADVANCE: Final[LiteralString] = """
    UPDATE nightly_jobs
       SET done_until = $2, lease_until = now() + make_interval(secs => $3)
     WHERE job = $1
"""


async def advance(connection: Connection, job: str, *, done_until: datetime) -> None:
    """Keep how far the turn has come, and the lease for as long again."""
    await connection.execute(_ADVANCE, job, done_until, LEASE_S)


_FINISH: Final[LiteralString] = """
    UPDATE nightly_jobs SET night = $2, finished_at = now(), lease_until = now() WHERE job = $1
"""


async def finish(connection: Connection, job: str, *, night: date) -> None:
    """Say that the night's turn came to its end."""
    await connection.execute(_FINISH, job, night)


_FINISHED: Final[LiteralString] = "SELECT finished_at FROM nightly_jobs WHERE job = $1"


async def finished_at(connection: Connection, job: str) -> datetime | None:
    """Return when the job last came to its end, or was first seen; None before that."""
    moment: datetime | None = await connection.fetchval(_FINISHED, job)
    return moment
