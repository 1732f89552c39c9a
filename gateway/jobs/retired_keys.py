"""Private halves that were replaced are destroyed on time (PROTOCOL §1, sealing)."""

import asyncio
from datetime import timedelta
from typing import Final

from certs.retired_keys import (
    KEPT_MIN,
    SEALING,
    SEALING_KEPT_MAX,
    RetiredKey,
    destroy,
    finish,
    retired_keys,
)
from gateway import metrics
from gateway.flows.context import Context
from gateway.logs import get_logger
from gateway.storage import inquiries

INTERVAL_S: Final = 3600.0
REQUEST_LIFE_MAX: Final = timedelta(days=30)

log = get_logger()


class RetiredKeysJob:
    """Destroys what is due, for all workers; each forgets what it held in memory."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def turn(self) -> None:
        """Destroy every retired key that nobody needs, and finish what a break left."""
        trust = self._context.trust
        listed = trust.directory.organisation(trust.organisation).key_sets
        await asyncio.to_thread(finish, trust.keys.directory)
        for key in retired_keys(trust.keys, listed):
            if await self._is_due(key):
                await self._destroy(key)
        trust.read_keys_again()

    async def _is_due(self, key: RetiredKey) -> bool:
        age = self._context.clock.now() - key.retired_at
        if age < KEPT_MIN:
            return False
        return key.what != SEALING or age >= SEALING_KEPT_MAX or not await self._is_named(key)

    async def _is_named(self, key: RetiredKey) -> bool:
        """Tell whether an answer may still come sealed to this key."""
        async with self._context.database.read() as connection:
            return await inquiries.has_unexpired(
                connection,
                accepted_before=key.retired_at + KEPT_MIN,
                now=self._context.clock.now(),
                life=REQUEST_LIFE_MAX,
            )

    async def _destroy(self, key: RetiredKey) -> None:
        try:
            await asyncio.to_thread(destroy, key)
        except FileNotFoundError:
            return  # a worker beside this one was first
        metrics.KEYS_DESTROYED.labels(what=key.what).inc()
        log.info("key_destroyed", what=key.what, key_id=key.name[:16])
