"""What of ours runs out when, told to Prometheus: nothing should expire by surprise."""

import asyncio
from pathlib import Path
from typing import Final

from certs.expiry import expiries
from gateway import metrics
from gateway.flows.trust import Trust

INTERVAL_S: Final = 600.0


class ExpiryJob:
    """Reads the key directory again, so that what was renewed shows at once."""

    def __init__(self, keys_dir: Path, trust: Trust) -> None:
        self._keys_dir = keys_dir
        self._trust = trust

    async def turn(self) -> None:
        """Set the gauge of each kind to the moment the first of its kind runs out."""
        table = await asyncio.to_thread(expiries, self._keys_dir, self._trust.directory)
        for what in {expiry.what for expiry in table}:
            first = min(expiry.not_after for expiry in table if expiry.what == what)
            metrics.KEY_EXPIRES.labels(what=what).set(first.timestamp())
