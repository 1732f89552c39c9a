"""A log that signed two trees: an alarm at once, and one entry with both notes (PROTOCOL §5)."""

from typing import Final

from gateway import metrics
from gateway.clock import Clock
from gateway.errors import SekishoError
from gateway.flows.record import RecordWriter
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded, SearchColumns
from gateway.logs import get_logger
from gateway.records.witness import parse_origin
from gateway.storage.database import Database
from gateway.storage.forks import Fork, ForkRecorded, add_fork, unrecorded_forks

KIND: Final = "fork-found"
SOURCE: Final = "forks"
BATCH: Final = 64

log = get_logger()


class Forks:
    """The forks that this organisation has found; without a `writer` they are kept, no more."""

    def __init__(self, database: Database, clock: Clock, writer: RecordWriter | None) -> None:
        self._database = database
        self._clock = clock
        self._writer = writer

    async def found(self, fork: Fork) -> None:
        """Keep a fork, and raise the alarm if it is a new one; its entry follows."""
        async with self._database.read() as connection:
            is_new = await add_fork(connection, fork, at=self._clock.now())
        if not is_new:
            return
        name = parse_origin(fork.origin)
        metrics.FORKS_FOUND.inc()
        log.error("fork_found", peer=name.organisation, slot=name.slot, size=fork.size)
        try:
            await self.record()
        except SekishoError as error:
            log.warning("fork_not_recorded_yet", problem=error.problem)

    async def record(self) -> None:
        """Record every fork that has no entry yet; one that another worker recorded has one."""
        if self._writer is None:
            return
        async with self._database.read() as connection:
            forks = await unrecorded_forks(connection, BATCH)
        if not forks:
            return
        for outcome in await self._writer.append([_draft(fork) for fork in forks], source=SOURCE):
            if not isinstance(outcome, Recorded | EffectRefusedError):
                raise outcome


def _draft(fork: Fork) -> Draft:
    return Draft(
        kind=KIND,
        members={},
        private={
            "origin": fork.origin,
            "held_note": fork.held_note,
            "other_note": fork.other_note,
        },
        search=SearchColumns(outcome=KIND, counterparty=parse_origin(fork.origin).organisation),
        effects=(ForkRecorded(origin=fork.origin, size=fork.size, root=fork.root),),
    )
