"""What was acknowledged binds: no statement is committed on a version the gate has left."""

import asyncio

import asyncpg

from gateway.flows.record import EffectRefusedError, Recorded, StaleDecisionError
from gateway.storage.database import Database
from gateway.storage.gate import change_gate, read_gate_version
from tests.conftest import Dsns
from tests.integration.record_log import Mark, RecordLog, Veto, a_draft, recorded, somebody_waits


async def _version(database: Database) -> int:
    async with database.read() as connection:
        return await read_gate_version(connection)


async def test_a_decision_on_the_current_version_is_recorded(record_log: RecordLog) -> None:
    version = await _version(record_log.database)

    async with record_log.writer() as writer:
        (outcome,) = await writer.append([a_draft(gate_version=version)], source="a")

    assert isinstance(outcome, Recorded)


async def test_a_decision_on_an_older_version_is_stale_and_takes_nobody_with_it(
    record_log: RecordLog,
) -> None:
    version = await _version(record_log.database)

    async with record_log.writer() as writer:
        await writer.append([a_draft(changes_gate=True)], source="staff")
        newer = await _version(record_log.database)
        outcomes = await writer.append(
            [
                a_draft(Mark(mark="stale"), gate_version=version),
                a_draft(Mark(mark="fresh"), gate_version=newer),
                a_draft(),
            ],
            source="a",
        )

    assert [type(outcome) for outcome in outcomes] == [StaleDecisionError, Recorded, Recorded]
    async with record_log.database.read() as connection:
        assert [row["key"] for row in await connection.fetch("SELECT key FROM marks")] == ["fresh"]


async def test_a_change_makes_older_decisions_of_its_own_batch_stale(
    record_log: RecordLog,
) -> None:
    version = await _version(record_log.database)

    async with record_log.writer() as writer:
        outcomes = await writer.append(
            [a_draft(gate_version=version), a_draft(Mark(mark="flag"), changes_gate=True)],
            source="a",
        )

    assert [type(outcome) for outcome in outcomes] == [StaleDecisionError, Recorded]
    assert await _version(record_log.database) > version


async def test_a_database_that_went_back_gives_no_version_to_something_else(
    record_log: RecordLog, dsns: Dsns
) -> None:
    before = await _version(record_log.database)
    async with record_log.writer() as writer:
        await writer.append([a_draft(changes_gate=True)], source="staff")
        decided_on = await _version(record_log.database)
        restored = await asyncpg.connect(dsns.superuser)
        await restored.execute("UPDATE gate SET version = $1", before)
        await restored.close()
        await writer.append([a_draft(changes_gate=True)], source="staff")
        (outcome,) = await writer.append([a_draft(gate_version=decided_on)], source="a")

    assert isinstance(outcome, StaleDecisionError)


async def test_a_refused_change_moves_nothing(record_log: RecordLog) -> None:
    version = await _version(record_log.database)

    async with record_log.writer() as writer:
        outcomes = await writer.append(
            [
                a_draft(gate_version=version),
                a_draft(Mark(mark="m"), Veto(mark="v"), changes_gate=True),
            ],
            source="a",
        )

    assert [type(outcome) for outcome in outcomes] == [Recorded, EffectRefusedError]
    assert await _version(record_log.database) == version


async def test_a_commit_waits_for_a_change_under_way_and_is_then_stale(
    record_log: RecordLog,
) -> None:
    version = await _version(record_log.database)
    async with record_log.writer() as writer:
        async with record_log.database.transaction() as changing:
            await change_gate(changing)
            append = asyncio.create_task(writer.append([a_draft(gate_version=version)], source="a"))
            await somebody_waits(record_log.database)
            assert not append.done()
        (outcome,) = await append

    assert isinstance(outcome, StaleDecisionError)


async def test_a_change_waits_for_a_commit_under_way(record_log: RecordLog) -> None:
    version = await _version(record_log.database)
    async with record_log.writer() as writer:
        async with record_log.database.transaction() as committing:
            await committing.execute("SELECT gate_take_shared()")
            append = asyncio.create_task(writer.append([a_draft(changes_gate=True)], source="a"))
            await somebody_waits(record_log.database)
            assert await _version(record_log.database) == version
            assert not append.done()
        recorded((await append)[0])

    assert await _version(record_log.database) > version
