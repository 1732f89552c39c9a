"""The outbox's job: whatever is due is told, in company, until its destination has it."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from gateway import metrics
from gateway.errors import SekishoError
from gateway.flows.outbox import RowVerdict, verdict_of
from gateway.outbound.errors import MessageRefusedError
from gateway.storage import outbox
from gateway.storage.database import Database
from gateway.storage.outbox import OutboxRow, Waiting
from gateway.wire.fields import ITEMS_MAX

log = structlog.get_logger()

INTERVAL_S: Final = 0.5
REFUSED: Final = "item-refused"
"""The problem kept with a row that its destination would not take in a message it took."""
_REFUSALS: Final = (REFUSED, MessageRefusedError.problem)

Send = Callable[[str, Sequence[OutboxRow]], Awaitable[Sequence[RowVerdict]]]


class OutboxJob:
    """Claims rows of every kind it can send, and forgets them when they are taken.

    One message of a kind is under way to each destination: one that is slow or down holds up
    nobody else.
    """

    def __init__(self, database: Database, senders: Mapping[str, Send]) -> None:
        self._database = database
        self._senders = dict(senders)
        self._wake = asyncio.Event()
        self._under_way: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Go on until cancelled; what is under way then is taken up when its lease ends."""
        try:
            while True:
                self._wake.clear()
                try:
                    for kind in self._senders:
                        await self.turn(kind)
                except SekishoError as error:
                    log.warning("outbox_turn_failed", problem=error.problem)
                except Exception:
                    log.exception("outbox_turn_failed", problem="internal-error")
                await self._rest()
        finally:
            for task in self._under_way.values():
                task.cancel()

    async def turn(self, kind: str) -> None:
        """Start to send what is due of one kind, but to nobody who is being sent to."""
        busy = [destination for of, destination in self._under_way if of == kind]
        async with self._database.read() as connection:
            rows = await outbox.claim(connection, kind, limit=ITEMS_MAX, but_to=busy)
        may_be_more = len(rows) == ITEMS_MAX
        by_destination: dict[str, list[OutboxRow]] = defaultdict(list)
        for row in rows:
            by_destination[row.destination].append(row)
        for destination, due in by_destination.items():
            task = asyncio.get_running_loop().create_task(self._send(kind, destination, due))
            self._under_way[kind, destination] = task
            task.add_done_callback(
                partial(self._done, (kind, destination), may_be_more=may_be_more)
            )

    async def settle(self) -> None:
        """Return when nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    def _done(self, way: tuple[str, str], task: asyncio.Task[None], *, may_be_more: bool) -> None:
        del self._under_way[way]
        # Nobody waits for these rows: what is less than a full message waits for company.
        if may_be_more:
            self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("outbox_row_not_settled", kind=way[0], peer=way[1], exc_info=error)

    async def _send(self, kind: str, destination: str, rows: Sequence[OutboxRow]) -> None:
        """Tell what is due; whoever was refused alone before travels alone from then on."""
        company = [row for row in rows if row.last_problem != MessageRefusedError.problem]
        if company:
            await self._send_together(kind, destination, company)
        for row in rows:
            if row.last_problem == MessageRefusedError.problem:
                await self._send_together(kind, destination, [row])

    async def _send_together(self, kind: str, destination: str, rows: Sequence[OutboxRow]) -> None:
        with structlog.contextvars.bound_contextvars(kind=kind, peer=destination):
            problem, verdicts = await self._told(kind, destination, rows)
        if verdicts is None:
            # Refused as a whole, and nothing was done: one by one, so that one bad row keeps
            # no other back (PROTOCOL §3).
            for row in rows:
                await self._send_together(kind, destination, [row])
            return
        ended = _those(rows, verdicts, {RowVerdict.DONE, RowVerdict.DEAD})
        again = _those(rows, verdicts, {RowVerdict.RETRY})
        dead = verdicts.count(RowVerdict.DEAD)
        if dead:
            metrics.OUTBOX_DROPPED.labels(kind=kind, reason="refused").inc(dead)
            log.error("outbox_rows_refused", kind=kind, peer=destination, count=dead)
        async with self._database.read() as connection:
            if ended:
                await outbox.done(connection, ended)
            if again:
                await outbox.retry(connection, again, problem)

    async def _told(
        self, kind: str, destination: str, rows: Sequence[OutboxRow]
    ) -> tuple[str, list[RowVerdict] | None]:
        """Return the problem and a verdict for each row; none if several were refused as one."""
        try:
            return REFUSED, list(await self._senders[kind](destination, rows))
        except MessageRefusedError as refused:
            return refused.problem, [verdict_of(refused)] if len(rows) == 1 else None
        except SekishoError as error:
            return error.problem, [verdict_of(error)] * len(rows)
        except Exception:
            log.exception("outbox_send_failed", kind=kind, peer=destination)
            return SekishoError.problem, [RowVerdict.RETRY] * len(rows)

    async def sweep(self) -> None:
        """Give up what nobody took in its time, with an alarm, and count what waits."""
        async with self._database.read() as connection:
            lapsed = await outbox.drop_lapsed(connection)
            waiting = await outbox.waiting(connection, refusals=_REFUSALS)
        for kind in set(lapsed):
            metrics.OUTBOX_DROPPED.labels(kind=kind, reason="lapsed").inc(lapsed.count(kind))
            log.error("outbox_rows_lapsed", kind=kind, count=lapsed.count(kind))
        for kind in self._senders:
            found = waiting.get(kind, Waiting())
            metrics.OUTBOX_WAITING.labels(kind=kind).set(found.rows)
            metrics.OUTBOX_REFUSED.labels(kind=kind).set(found.refused)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(INTERVAL_S):
                await self._wake.wait()
        except TimeoutError:
            return


def _those(
    rows: Sequence[OutboxRow], verdicts: Sequence[RowVerdict], wanted: Collection[RowVerdict]
) -> list[str]:
    return [row.outbox_id for row, verdict in zip(rows, verdicts, strict=True) if verdict in wanted]
