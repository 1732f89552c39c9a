"""A slot whose rows do not lead to its root is seen when a worker starts, whoever takes which."""

import pytest
from structlog.testing import capture_logs

from gateway import metrics
from gateway.flows.record_check import look_at_slots
from tests.conftest import Dsns
from tests.integration.hand_in_tables import as_superuser
from tests.integration.record_log import RecordLog, a_draft


async def test_slots_that_are_whole_raise_no_alarm(record_log: RecordLog) -> None:
    async with record_log.writer() as writer:
        await writer.append([a_draft() for _ in range(300)], source="a")

        assert await look_at_slots(record_log.database) == []
    assert metrics.RECORD_SLOTS_BROKEN._value.get() == 0


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM log_entries WHERE slot = 1",
        "UPDATE log_entries SET leaf_hash = sha256('x') WHERE slot = 1",
        "UPDATE log_slots SET root = sha256('x') WHERE slot = 1",
    ],
    ids=["gone", "changed", "another root"],
)
async def test_a_damaged_slot_raises_the_alarm_though_nobody_takes_it(
    record_log: RecordLog, dsns: Dsns, damage: str
) -> None:
    await as_superuser(dsns, damage)

    with capture_logs() as lines:
        async with record_log.writer() as writer:
            broken = await look_at_slots(record_log.database)
            taken = writer.slot

    assert (taken, broken) == (0, [1])
    assert [line["slot"] for line in lines if line["event"] == "slot_not_whole"] == [1]
    assert metrics.RECORD_SLOTS_BROKEN._value.get() == 1


async def test_what_is_frozen_already_raises_no_second_alarm(
    record_log: RecordLog, dsns: Dsns
) -> None:
    await as_superuser(dsns, "UPDATE log_slots SET root = sha256('x') WHERE slot = 0")
    async with record_log.writer() as writer:
        assert writer.slot == 1

    assert await look_at_slots(record_log.database) == []
