"""What runs out is told in time by everybody who has keys."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from certs.expiry import expiries
from gateway.demo import cast
from gateway.metrics import KEY_EXPIRES
from tests.e2e.parties import Network
from tests.e2e.resilience.scene import until

NAME = "sekisho_key_expires_timestamp_seconds"


@pytest.mark.parametrize("name", [cast.CORE, *cast.GATEWAYS])
async def test_everybody_tells_when_the_first_of_each_kind_runs_out(
    network: Network, name: str
) -> None:
    party = network.parties[name]
    (task,) = [one for one in party.role.tasks if one.name == "expiry"]
    table = expiries(party.settings.network.keys_dir)
    first = {
        what: min(one.not_after for one in table if one.what == what).timestamp()
        for what in {one.what for one in table}
    }

    async def is_told() -> bool:
        return first == {what: REGISTRY.get_sample_value(NAME, {"what": what}) for what in first}

    KEY_EXPIRES.clear()
    running = asyncio.ensure_future(task.run())
    try:
        await until(is_told, seconds=20)
    finally:
        running.cancel()
    assert first.keys() >= {"key-set", "root", "sealing-key", "tls-network"}
