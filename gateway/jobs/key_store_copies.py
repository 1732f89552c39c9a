"""Copies of the key store end after 35 days, wherever they were made (PROTOCOL §5, Erasure)."""

import asyncio
from pathlib import Path
from typing import Final

from gateway import metrics
from gateway.clock import Clock
from gateway.domain.key_store_copies import Swept
from gateway.errors import ConflictError, UnavailableError
from gateway.flows.backup_lock import alone
from gateway.flows.context import Context
from gateway.flows.key_store_copies import CopiesUnknownError, KeyStoreCopies
from gateway.logs import get_logger
from gateway.storage.retention import Due

TERM: Final = "key-store-copies"
PLACES_S: Final = 60.0
"""A disk that is away may answer nothing at all; the other terms do not wait for it."""

log = get_logger()


def copies_of(context: Context, data_dir: Path) -> KeyStoreCopies:
    """Return the register of the instance's copies, as a worker reaches it."""
    trust = context.trust
    return KeyStoreCopies(
        data_dir=data_dir,
        network=trust.network,
        organisation=trust.organisation,
        key_sets=lambda: trust.keys.key_sets,
        signer_at=trust.log_signer_at,
    )


class KeyStoreCopiesJob:
    """Removes what is overdue, and tells what it cannot reach."""

    def __init__(self, clock: Clock, copies: KeyStoreCopies) -> None:
        self._clock = clock
        self._copies = copies

    async def turn(self) -> None:
        """End every copy whose time is over.

        Raises:
            UnavailableError: some are overdue and cannot be reached, or nobody knows which there
                are.
        """
        try:
            async with asyncio.timeout(PLACES_S):
                swept = await asyncio.to_thread(self._sweep)
        except TimeoutError:
            raise UnavailableError("a place of key-store copies does not answer") from None
        metrics.KEY_STORE_COPIES_OVERDUE.set(swept.left)
        if swept.left:
            log.warning("key_store_copies_overdue", count=swept.left)
            raise UnavailableError(f"{swept.left} copies of the key store are overdue")

    async def due(self) -> list[Due]:
        """Return how many are overdue, and when the oldest that lives was taken."""
        now = self._clock.now()
        try:
            register = await asyncio.to_thread(self._copies.known)
        except CopiesUnknownError:
            return [Due(rows=0, oldest=None)]  # the term's own turn tells of it
        oldest = min((copy.until for copy in register.living), default=None)
        return [Due(rows=len(register.overdue(now)), oldest=oldest)]

    def _sweep(self) -> Swept:
        now = self._clock.now()
        try:
            with alone(self._copies.data_dir):
                return self._copies.sweep(now=now)
        except ConflictError:
            # A backup is being made: it sweeps itself, and the next turn comes.
            return Swept(removed=[], left=len(self._copies.known().overdue(now)))
