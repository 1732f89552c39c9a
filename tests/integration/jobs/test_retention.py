"""One job for every term: in one worker at a time, each term by itself, at its own pace."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.keystore import KeyStore, MasterKey
from gateway.clock import SystemClock
from gateway.errors import UnavailableError
from gateway.flows.vault import Vault
from gateway.jobs.ended_keys import EndedKeys
from gateway.jobs.retention import End, RetentionJob, plain_ends
from gateway.storage import retention
from gateway.storage.database import Database

KEYS = "idempotency-keys"
TOKENS = "client-tokens"


@pytest.fixture
def ended(database: Database, tmp_path: Path) -> EndedKeys:
    store = KeyStore.create(
        tmp_path / "keys", MasterKey.generate(), network="demo", organisation="nagaoka"
    )
    return EndedKeys(database, Vault(store), SystemClock())


def job_of(database: Database, ended: EndedKeys, **ends: End) -> RetentionJob:
    plain = plain_ends(database, ended, of_core=False)
    return RetentionJob(database, SystemClock(), plain | ends)


async def keep_keys(database: Database, *ages_s: int) -> None:
    """Keep a key for each age: so many seconds past its term."""
    now = datetime.now(UTC)
    async with database.read() as connection:
        await connection.executemany(
            "INSERT INTO idempotency_keys VALUES ('c', $1, $2, 'i', $3)",
            [(str(age), bytes(32), now - timedelta(seconds=age)) for age in ages_s],
        )


async def keys(database: Database) -> set[str]:
    async with database.read() as connection:
        rows = await connection.fetch("SELECT idempotency_key FROM idempotency_keys")
    return {row["idempotency_key"] for row in rows}


async def test_what_is_past_its_term_ends_and_the_rest_stays(
    database: Database, ended: EndedKeys
) -> None:
    await keep_keys(database, 60, -60)
    job = job_of(database, ended)

    before = {planned.term.name: planned for planned in await job.plan()}
    await job.run()
    after = {planned.term.name: planned for planned in await job.plan()}

    assert await keys(database) == {"-60"}
    assert (before[KEYS].rows_due, before[KEYS].done_at) == (1, None)
    assert (after[KEYS].rows_due, after[KEYS].problem) == (0, None)
    assert after[KEYS].done_at is not None
    next_due = after[KEYS].next_due
    assert next_due is not None
    assert next_due > datetime.now(UTC)


async def test_many_rows_end_batch_by_batch(
    database: Database, ended: EndedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.jobs.retention.BATCH", 2)
    await keep_keys(database, 1, 2, 3, 4, 5)

    await job_of(database, ended).run()

    assert await keys(database) == set()


async def test_a_term_that_fails_is_told_and_keeps_no_other_back(
    database: Database, ended: EndedKeys
) -> None:
    async def fail() -> None:
        raise UnavailableError("notices: not now")

    await keep_keys(database, 60)
    job = job_of(database, ended, notices=fail)

    await job.run()

    plan = {planned.term.name: planned for planned in await job.plan()}
    assert (plan["notices"].problem, plan["notices"].done_at) == ("unavailable", None)
    assert await keys(database) == set()


async def test_each_term_comes_round_at_its_own_pace(database: Database, ended: EndedKeys) -> None:
    job = job_of(database, ended)
    await job.run()
    async with database.read() as connection:
        await connection.execute("UPDATE retention_runs SET begun_at = now() - interval '2 min'")

    again = await job.run(every=False)

    assert again is not None
    assert KEYS in again
    assert TOKENS not in again


async def test_of_two_workers_one_ends_terms(database: Database, ended: EndedKeys) -> None:
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        has_begun.set()
        await may_end.wait()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        first = group.create_task(job_of(database, ended, notices=wait).run())
        await has_begun.wait()
        second = await job_of(database, ended).run()
        may_end.set()

    assert second is None
    assert first.result()
    async with database.read() as connection, retention.leased(connection) as is_free:
        assert is_free


async def test_every_term_of_both_roles_is_planned_and_seen_to(
    database: Database, ended: EndedKeys
) -> None:
    for of_core in (False, True):
        job = RetentionJob(database, SystemClock(), plain_ends(database, ended, of_core=of_core))

        names = await job.run()
        plan = await job.plan()

        assert names == [one.term.name for one in plan]
        assert {one.problem for one in plan} == {None}
