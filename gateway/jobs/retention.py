"""The one job that ends what is past its term; one worker of an instance at a time.

Terms come round each at its own pace, batch by batch; one that fails keeps no other back, and is
told to operators by the moment it was last seen to.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.errors import SekishoError
from gateway.jobs.ended_keys import EndedKeys
from gateway.jobs.term import Ender, Term
from gateway.jobs.terms import TERMS, terms_of
from gateway.jobs.terms_records import STORAGE_KEYS
from gateway.storage import days, retention
from gateway.storage.database import Connection, Database
from gateway.storage.retention import Due, Run

log = structlog.get_logger()

INTERVAL_S: Final = 15.0
BATCH: Final = 1000
BATCHES_MAX: Final = 100
"""A term with more rows than this goes on the next time it comes round."""

OF_CORE: Final = "core-"

End = Callable[[], Awaitable[object]]
Dues = Callable[[], Awaitable[list[Due]]]
_NONE: Final[Mapping[str, Dues]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """How one term stands: what is due now, when the oldest row is, when it was last seen to."""

    term: Term
    rows_due: int
    next_due: datetime | None
    done_at: datetime | None
    problem: str | None


class RetentionJob:
    """Ends every kind of data of one role; `ends` says how, for terms with a rule of their own.

    `dues` counts what is due of those that are no rows.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ends: Mapping[str, End],
        dues: Mapping[str, Dues] = _NONE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ends = dict(ends)
        self._dues = dict(dues)
        self._terms = list(terms_of(frozenset(ends)))

    async def turn(self) -> None:
        """See to every term whose time has come round, unless another worker does."""
        await self.run(every=False)
        await self._tell()

    async def run(self, *, every: bool = True) -> list[str] | None:
        """See to all terms now, or to those that have come round; returns them.

        None: another worker is at it.
        """
        async with self._database.read() as connection, retention.leased(connection) as is_ours:
            if not is_ours:
                return None
            runs = await retention.runs(connection)
            seen_to = [term for term in self._terms if every or _has_come_round(term, runs)]
            for term in seen_to:
                await retention.begun(connection, term.name)
                problem = await self._see_to(term)
                await retention.ended(connection, term.name, problem)
            return [term.name for term in seen_to]

    async def plan(self) -> list[Planned]:
        """Return how every term of this role stands; counts and instants, nothing personal."""
        now = self._clock.now()
        counted = {name: await dues() for name, dues in self._dues.items()}
        async with self._database.read() as connection:
            runs = await retention.runs(connection)
            return [
                _planned(
                    term,
                    counted.get(term.name) or await _due(connection, term, now),
                    runs.get(term.name),
                )
                for term in self._terms
            ]

    async def _see_to(self, term: Term) -> str | None:
        """End what is due of one term; returns the problem, if there was one."""
        try:
            if term.ender is Ender.JOB:
                await self._drop(term)
            await self._ends[term.name]()
        except SekishoError as error:
            log.warning("term_not_ended", what=term.name, problem=error.problem)
            return error.problem
        except Exception:
            # The next term is somebody else's data, and due all the same.
            log.exception("term_not_ended", what=term.name, problem=SekishoError.problem)
            return SekishoError.problem
        return None

    async def _drop(self, term: Term) -> None:
        before = self._clock.now() - term.after
        for rows in term.rows:
            for _ in range(BATCHES_MAX):
                async with self._database.read() as connection:
                    dropped = await retention.drop(connection, rows, before=before, limit=BATCH)
                if dropped < BATCH:
                    break

    async def _tell(self) -> None:
        async with self._database.read() as connection:
            runs = await retention.runs(connection)
        for term in self._terms:
            run = runs.get(term.name)
            done_at = run.done_at.timestamp() if run and run.done_at else 0.0
            metrics.RETENTION_DONE.labels(what=term.name).set(done_at)


def drop_days(database: Database, keys: EndedKeys, tables: Sequence[str]) -> End:
    """Return what makes the days to come of these tables and drops those past their term.

    With a day goes its key, if it had one: first the day, then the key.
    """

    async def end() -> None:
        for table in tables:
            async with database.read() as connection:
                for partition in await days.turn(connection, table):
                    log.info("day_dropped", partition=partition)
            await keys.end_days(table)

    return end


async def nothing() -> None:
    """End nothing more than the rows."""


def plain_ends(database: Database, keys: EndedKeys, *, of_core: bool) -> dict[str, End]:
    """Return what ends the terms of a role that need no flow: rows, days, and keys."""
    found: dict[str, End] = {STORAGE_KEYS: keys.end_periods}
    for term in TERMS:
        if term.name.startswith(OF_CORE) != of_core:
            continue
        if term.ender is Ender.DAYS:
            found[term.name] = drop_days(database, keys, term.days)
        elif term.ender is Ender.JOB:
            found[term.name] = nothing
    return found


async def _due(connection: Connection, term: Term, now: datetime) -> list[Due]:
    before = now - term.after
    return [
        *[await retention.due(connection, rows, before=before) for rows in term.rows],
        *[await retention.days_due(connection, table) for table in term.days],
    ]


def _planned(term: Term, due: Sequence[Due], run: Run | None) -> Planned:
    # Days are not rows: when the next one goes is the schema's to say.
    oldest = min((one.oldest for one in due if one.oldest and not term.days), default=None)
    return Planned(
        term=term,
        rows_due=sum(one.rows for one in due),
        next_due=None if oldest is None else oldest + term.after,
        done_at=run.done_at if run else None,
        problem=run.problem if run else None,
    )


def _has_come_round(term: Term, runs: Mapping[str, Run]) -> bool:
    run = runs.get(term.name)
    return run is None or timedelta(seconds=run.age_s) >= term.every
