"""Jobs of the night: one worker of the instance does each, once a night, from where it stopped."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, LiteralString

from gateway.storage.database import Connection

LEASE_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NightTurn:
    """A turn that is this worker's; `done_until` is how far the job had come, if it ever ran."""

    job: str
    done_until: datetime | None


# Whoever inserts or updates the row has the turn; everybody else gets no row back.
_CLAIM: Final[LiteralString] = """
    INSERT INTO nightly_jobs AS n (job, lease_until)
    VALUES ($1, now() + make_interval(secs => $3))
    ON CONFLICT (job) DO UPDATE SET lease_until = excluded.lease_until
     WHERE n.lease_until <= now() AND (n.night IS NULL OR n.night < $2)
    RETURNING n.done_until
"""


async def claim(connection: Connection, job: str, *, night: date) -> NightTurn | None:
    """Take the turn of a night, or return None: it is done, or somebody is at it."""
    row = await connection.fetchrow(_CLAIM, job, night, LEASE_S)
    return None if row is None else NightTurn(job=job, done_until=row["done_until"])


_ADVANCE: Final[LiteralString] = """
    UPDATE nightly_jobs
       SET done_until = $2, lease_until = now() + make_interval(secs => $3)
     WHERE job = $1
"""


async def advance(connection: Connection, job: str, *, done_until: datetime) -> None:
    """Keep how far the turn has come, and the lease for as long again."""
    await connection.execute(_ADVANCE, job, done_until, LEASE_S)


_FINISH: Final[LiteralString] = """
    UPDATE nightly_jobs SET night = $2, lease_until = now() WHERE job = $1
"""


async def finish(connection: Connection, job: str, *, night: date) -> None:
    """Say that the night's turn came to its end."""
    await connection.execute(_FINISH, job, night)
