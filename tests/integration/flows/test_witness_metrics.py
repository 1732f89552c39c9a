"""What Prometheus is told about our witnesses, to the second."""

from datetime import datetime, timedelta

import pytest
from prometheus_client import Gauge

from gateway import metrics
from gateway.flows.context import Context
from gateway.storage.cosigned import entry_times
from tests.integration.flows.old_logs import ENDED, cosigned
from tests.integration.record_log import SetClock
from tests.unit.certs import networks

SEEN, SIZE = 301, 311
"""How many entries the core signed when May was over, and how many came until now."""


def value(gauge: Gauge) -> float:
    (metric,) = gauge.collect()
    return metric.samples[0].value


async def look(context: Context, at: datetime) -> tuple[float, float]:
    """Return the lag and how long no slot was signed, as they are shown at a moment."""
    assert isinstance(context.clock, SetClock)
    context.clock.moment = at
    await context.witnesses.look()
    return value(metrics.WITNESS_LAG_SECONDS), value(metrics.WITNESS_IDLE_SECONDS)


async def test_the_lag_is_the_age_of_the_oldest_entry_that_waits(
    old_log: Context, aged: networks.Network
) -> None:
    async with old_log.database.read() as connection:
        times = await entry_times(connection, [(0, SEEN), (0, SIZE - 1)])
    waiting = times[0, SEEN]

    lag, _ = await look(old_log, waiting + timedelta(seconds=45))
    later, _ = await look(old_log, waiting + timedelta(seconds=75))
    await cosigned(old_log, aged, waiting + timedelta(seconds=75))
    none, _ = await look(old_log, waiting + timedelta(seconds=80))

    assert lag == pytest.approx(45, abs=0.1)
    assert later == pytest.approx(75, abs=0.1)
    assert none == 0


async def test_a_slot_that_nobody_signs_any_more_shows_though_nothing_waits(
    old_log: Context, aged: networks.Network
) -> None:
    signed = ENDED + timedelta(hours=3)
    await cosigned(old_log, aged, signed)
    _, fresh = await look(old_log, signed + timedelta(seconds=30))

    # Every slot but one is signed again a day later.
    again = signed + timedelta(hours=20)
    await cosigned(old_log, aged, again, but=(5,))
    lag, idle = await look(old_log, signed + timedelta(hours=25, minutes=1))

    assert fresh == pytest.approx(30, abs=0.1)
    assert lag == 0
    assert idle == pytest.approx(25 * 3600 + 60, abs=0.1)
    assert old_log.witnesses.obstacles(old_log.clock.now()) == ()
