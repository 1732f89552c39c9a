"""Records are written only over a session that is the writer's own, on a server that keeps them."""

from dataclasses import replace

import pytest

from gateway.errors import ConfigurationError
from gateway.storage.database import STRICT, Database, Demands
from tests.conftest import FORGETFUL, Dsns
from tests.integration.record_log import RecordLog
from tests.integration.storage.pooler import pooled


async def refusal(log: RecordLog, dsn: str, demands: Demands) -> str:
    """Return why no slot is taken there."""
    database = await Database.open(dsn, connections_max=1, demands=demands)
    try:
        with pytest.raises(ConfigurationError) as caught:
            async with replace(log, database=database).writer():
                pytest.fail("a slot was taken")
    finally:
        await database.close()
    return str(caught.value)


@pytest.mark.parametrize(
    "kind", [{"own_keys": True}, {"servers": 2}], ids=["keys of its own", "another session"]
)
async def test_a_slot_is_not_taken_through_a_pooler(
    record_log: RecordLog, dsns: Dsns, kind: dict[str, int]
) -> None:
    async with pooled(dsns.app, **kind) as dsn:  # type: ignore[arg-type]  # named above
        assert "leads to a pooler" in await refusal(record_log, dsn, FORGETFUL)


async def test_a_slot_is_not_taken_on_a_server_that_forgets(
    record_log: RecordLog, dsns: Dsns
) -> None:
    assert "fsync is off" in await refusal(record_log, dsns.app, STRICT)
