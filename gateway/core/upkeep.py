"""What the core does by the clock: day partitions ahead, terms that end, numbers that lapse."""

from datetime import timedelta
from typing import Final

import structlog

from gateway.flows.context import Context
from gateway.storage import core_codes, days

log = structlog.get_logger()

INTERVAL_S: Final = 3600.0
LINKED_KEPT: Final = timedelta(days=30)
"""How long after its number lapsed a made code still waits for its gateway."""


class Upkeep:
    """Ends every kind of the core's transient data; doing it twice does nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def prepare(self) -> None:
        """Make the partitions without which nothing can be answered."""
        async with self._context.database.read() as connection:
            for table in days.CORE:
                await days.make(connection, table)

    async def turn(self) -> None:
        """Do once what is due."""
        now = self._context.clock.now()
        async with self._context.database.read() as connection:
            await core_codes.sweep_requests(connection, now=now, linked_before=now - LINKED_KEPT)
            for table in days.CORE:
                for partition in await days.turn(connection, table):
                    log.info("core_day_dropped", partition=partition)
