"""What was cosigned last moves from where it was, for good, or not at all."""

from datetime import UTC, datetime

import asyncpg
import pytest

from gateway.errors import UnknownResultError
from gateway.storage.database import Database
from gateway.storage.witnessed import Witnessed, advance, find_witnessed
from tests.conftest import Dsns

ORIGIN = "testnet/nagaoka/log/0"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
# As the server warns when the wait for the standby is cancelled: the commit stands all the same.
WARNING = """
    CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE WARNING 'canceling wait for synchronous replication'; RETURN NULL; END $$;
    CREATE TRIGGER warn AFTER INSERT OR UPDATE ON witnessed FOR EACH ROW EXECUTE FUNCTION warn();
"""


def at(size: int, root: int = 0) -> Witnessed:
    return Witnessed(origin=ORIGIN, size=size, root=bytes([root]) * 32, note=f"note {size}")


async def held(database: Database) -> Witnessed | None:
    async with database.read() as connection:
        return await find_witnessed(connection, ORIGIN)


@pytest.mark.parametrize(
    ("before", "is_set"), [(at(5), True), (at(4), False), (at(5, root=1), False), (None, False)]
)
async def test_it_moves_only_from_where_it_was_seen(
    database: Database,
    before: Witnessed | None,
    is_set: bool,  # noqa: FBT001
) -> None:
    assert await advance(database, at(5), before=None, at=NOW)

    assert await advance(database, at(9), before=before, at=NOW) is is_set
    assert await held(database) == (at(9) if is_set else at(5))


@pytest.mark.parametrize("before", [None, at(5)])
async def test_a_warning_leaves_it_uncertain(
    database: Database, dsns: Dsns, before: Witnessed | None
) -> None:
    if before is not None:
        await advance(database, before, before=None, at=NOW)
    owner = await asyncpg.connect(dsns.superuser)
    await owner.execute(WARNING)
    await owner.close()

    with pytest.raises(UnknownResultError, match="WARNING 01000"):
        await advance(database, at(9), before=before, at=NOW)

    assert await held(database) == at(9)
