"""Keys whose time is over are destroyed: of days that were dropped, of periods nothing lies under.

The data goes first and its key after it; whoever was killed in between leaves a key that the next
turn finds, because it begins with the keys that are there. Never the other way round.
"""

import asyncio
from datetime import UTC, date, timedelta
from typing import Final

from certs.keystore import DAY, STORAGE
from gateway import metrics
from gateway.clock import Clock
from gateway.flows.vault import Vault
from gateway.logs import get_logger
from gateway.storage import days, key_periods
from gateway.storage.database import Database

GRACE: Final = timedelta(days=7)
"""So long after its year or month a key stays whatever there is: a batch may be loaded across the
end, and clocks may differ."""
FORGET_S: Final = 60.0

log = get_logger()


class EndedKeys:
    """Destroys keys for all workers; each forgets what it held in memory (`Vault`)."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def end_days(self, table: str) -> None:
        """Destroy the keys of a table's days that are past their term and not there any more."""
        ids = await self._ids(f"{DAY}/{table}/")
        if not ids:
            return
        async with self._database.read() as connection:
            kept = await days.kept(connection, table)
        for key_id in ids:
            day = date.fromisoformat(key_id.rpartition("/")[2])
            if day < kept.first and day not in kept.standing:
                await self._destroy(DAY, key_id)

    async def end_periods(self) -> None:
        """Destroy the storage keys of years and months that are over and that no row needs."""
        for key_id in await self._ids(f"{STORAGE}/"):
            _, table, period = key_id.split("/")
            if table not in key_periods.TABLES:
                # A table that this release does not know may have rows all the same.
                log.warning("key_of_no_table", key_id=key_id)
            elif not await self._is_needed(table, int(period)):
                await self._destroy(STORAGE, key_id)

    async def _is_needed(self, table: str, period: int) -> bool:
        async with self._database.read() as connection:
            # The earlier of two clocks: one that runs ahead ends no key that is in use.
            now = min(self._clock.now(), await key_periods.now(connection))
            if now.astimezone(UTC).date() < end_of(period) + GRACE:
                return True
            return await key_periods.is_needed(connection, table, period)

    async def _ids(self, prefix: str) -> list[str]:
        ids = await asyncio.to_thread(self._vault.keys.key_ids)
        return [key_id for key_id in ids if key_id.startswith(prefix)]

    async def _destroy(self, what: str, key_id: str) -> None:
        await asyncio.to_thread(self._vault.destroy, key_id)
        metrics.KEYS_DESTROYED.labels(what=what).inc()
        log.info("key_destroyed", what=what, key_id=key_id)


def end_of(period: int) -> date:
    """Return the first day after a year (2026) or a month (202607)."""
    year, month = divmod(period, 100) if period > date.max.year else (period, 12)
    return date(year + month // 12, month % 12 + 1, 1)
