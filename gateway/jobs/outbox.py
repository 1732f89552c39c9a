"""The outbox's job: whatever is due is told, in company, until its destination has it."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from gateway import metrics
from gateway.errors import SekishoError
from gateway.flows.outbox import RowVerdict, verdict_of
from gateway.storage import outbox
from gateway.storage.database import Database
from gateway.storage.outbox import OutboxRow
from gateway.wire.fields import ITEMS_MAX

log = structlog.get_logger()

INTERVAL_S: Final = 0.5
SWEEP_S: Final = 60.0

Send = Callable[[str, Sequence[OutboxRow]], Awaitable[Sequence[RowVerdict]]]


class OutboxJob:
    """Claims rows of every kind it can send, and forgets them when they are taken."""

    def __init__(self, database: Database, senders: Mapping[str, Send]) -> None:
        self._database = database
        self._senders = dict(senders)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now: something was just put in."""
        self._wake.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        next_sweep = 0.0
        while True:
            busy = False
            try:
                for kind in self._senders:
                    busy |= await self.turn(kind)
                now = asyncio.get_running_loop().time()
                if now >= next_sweep:
                    next_sweep = now + SWEEP_S
                    await self._sweep()
            except SekishoError as error:
                log.warning("outbox_turn_failed", problem=error.problem)
            except Exception:
                log.exception("outbox_turn_failed", problem="internal-error")
            if not busy:
                await self._rest()

    async def turn(self, kind: str) -> bool:
        """Send what is due of one kind; tells whether a whole message was."""
        async with self._database.read() as connection:
            rows = await outbox.claim(connection, kind, limit=ITEMS_MAX)
        by_destination: dict[str, list[OutboxRow]] = defaultdict(list)
        for row in rows:
            by_destination[row.destination].append(row)
        async with asyncio.TaskGroup() as group:
            for destination, due in by_destination.items():
                group.create_task(self._send(kind, destination, due))
        return len(rows) == ITEMS_MAX

    async def _send(self, kind: str, destination: str, rows: Sequence[OutboxRow]) -> None:
        problem = "internal-error"
        try:
            verdicts = await self._senders[kind](destination, rows)
        except SekishoError as error:
            problem = error.problem
            verdicts = [verdict_of(error)] * len(rows)
        except Exception:
            log.exception("outbox_send_failed", kind=kind, peer=destination)
            verdicts = [RowVerdict.RETRY] * len(rows)
        ended = [
            row.outbox_id
            for row, verdict in zip(rows, verdicts, strict=True)
            if verdict is not RowVerdict.RETRY
        ]
        again = [
            row.outbox_id
            for row, verdict in zip(rows, verdicts, strict=True)
            if verdict is RowVerdict.RETRY
        ]
        dead = sum(verdict is RowVerdict.DEAD for verdict in verdicts)
        if dead:
            log.error("outbox_rows_refused", kind=kind, peer=destination, count=dead)
        async with self._database.read() as connection:
            if ended:
                await outbox.done(connection, ended)
            if again:
                await outbox.retry(connection, again, problem)

    async def _sweep(self) -> None:
        async with self._database.read() as connection:
            lapsed = await outbox.drop_lapsed(connection)
            waiting = await outbox.waiting(connection)
        for kind in set(lapsed):
            log.error("outbox_rows_lapsed", kind=kind, count=lapsed.count(kind))
        for kind in self._senders:
            metrics.OUTBOX_WAITING.labels(kind=kind).set(waiting.get(kind, (0, 0.0))[0])

    async def _rest(self) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(INTERVAL_S):
                await self._wake.wait()
        except TimeoutError:
            return
