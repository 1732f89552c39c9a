"""PostgreSQL dies under load: what was acknowledged is there, what was signed was committed."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from certs.keystore import KeyStore
from certs.log_keys import LogSigner
from gateway.errors import UnavailableError
from gateway.flows.record import Recorded, RecordWriter, SlotStoppedError
from gateway.flows.record_marks import ReleasedMarks
from gateway.records.tiles import RightEdge
from gateway.records.tree import leaf_hash
from gateway.storage.database import Database
from gateway.storage.embedded import DATABASE, OWNER_ROLE, SUPERUSER, EmbeddedPostgres
from gateway.storage.migrate import migrate
from tests.conftest import FORGETFUL, memory_folder
from tests.integration.record_log import Mark, RecordLog, SetClock, a_draft, add_effects, recorded

_LOADERS = 24
_BEFORE_THE_KILL = 150


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    with (
        tempfile.TemporaryDirectory(dir=memory_folder()) as folder,
        EmbeddedPostgres(Path(folder) / "postgres", is_durable=False) as server,
    ):
        yield server


@pytest.fixture
async def own_log(
    own_postgres: EmbeddedPostgres, log_signer: LogSigner, key_store: KeyStore, tmp_path: Path
) -> AsyncIterator[RecordLog]:
    await migrate(own_postgres.dsn(OWNER_ROLE))
    await add_effects(own_postgres.dsn(OWNER_ROLE))
    database = await Database.open(own_postgres.dsn(), demands=FORGETFUL)
    log = RecordLog(
        database=database,
        signer=log_signer,
        keys=key_store,
        clock=SetClock(),
        marks=ReleasedMarks(tmp_path / "released"),
    )
    await log.open()
    yield log
    database.pool.terminate()


async def _load(writer: RecordWriter, acknowledged: list[Recorded], name: str) -> None:
    try:
        while True:
            drafts = [a_draft(Mark(mark=os.urandom(8).hex())) for _ in range(3)]
            outcomes = await writer.append(drafts, source=name)
            acknowledged += [recorded(outcome) for outcome in outcomes]
    except SlotStoppedError:
        return


async def test_a_killed_database_loses_nothing_that_was_acknowledged(
    own_log: RecordLog, own_postgres: EmbeddedPostgres
) -> None:
    acknowledged: list[Recorded] = []
    async with own_log.writer() as writer, asyncio.TaskGroup() as group:
        for number in range(_LOADERS):
            group.create_task(_load(writer, acknowledged, str(number)))
        while len(acknowledged) < _BEFORE_THE_KILL:
            await asyncio.sleep(0.001)
        os.kill(own_postgres.pid, signal.SIGKILL)
    await asyncio.to_thread(own_postgres.start)
    own_log.database.pool.terminate()
    database = await Database.open(own_postgres.dsn(), demands=FORGETFUL)
    log = replace(own_log, database=database)

    leaves = await log.leaves(0)
    assert all(leaves[entry.index] == entry.entry for entry in acknowledged)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    for note in {entry.under.checkpoint: entry for entry in acknowledged if entry.under}.values():
        signed = log.verify_note(note).checkpoint
        assert signed.size <= len(leaves)
        assert RightEdge().extend(hashes[: signed.size]).root == signed.root
    async with database.read() as connection:
        # A batch is all there or not at all: every entry but `opened` has its effect.
        assert await connection.fetchval("SELECT count(*) FROM marks") == len(leaves) - 1
    async with log.writer() as writer:
        (outcome,) = await writer.append([a_draft()], source="a")
        log.verify(await writer.statements([recorded(outcome)]))
    assert recorded(outcome).index == len(leaves)
    database.pool.terminate()


async def test_without_a_database_there_is_no_writer(
    own_log: RecordLog, own_postgres: EmbeddedPostgres
) -> None:
    await asyncio.to_thread(own_postgres.stop)

    with pytest.raises(UnavailableError):
        async with own_log.writer():
            pass


async def test_a_cancelled_wait_for_the_standby_is_an_unknown_result(
    own_log: RecordLog, own_postgres: EmbeddedPostgres
) -> None:
    async def as_superuser(sql: str) -> object:
        connection = await asyncpg.connect(own_postgres.dsn(SUPERUSER, DATABASE))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    async with own_log.writer() as writer:
        await writer.append([a_draft()], source="a")
        await as_superuser("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await as_superuser("SELECT pg_reload_conf()")
        while await as_superuser("SHOW synchronous_standby_names") != "nobody":
            await asyncio.sleep(0.01)

        append = asyncio.create_task(writer.append([a_draft()], source="a"))
        waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

        async def one_that_waits(*, but: object = None) -> object:
            while (pid := await as_superuser(waits)) in (None, but):
                await asyncio.sleep(0.005)
            return pid

        pid = await one_that_waits()
        assert not append.done()
        # The commit now *succeeds*, with a WARNING that it may not be replicated.
        await as_superuser(f"SELECT pg_cancel_backend({pid})")

        with pytest.raises(SlotStoppedError):
            await append
        # A barrier that nobody waited for is none either: the slot is not ours, and is tried again.
        barrier = await one_that_waits(but=pid)
        await as_superuser(f"SELECT pg_cancel_backend({barrier})")
        await one_that_waits(but=barrier)
        assert writer.is_stopped
        await as_superuser("ALTER SYSTEM RESET synchronous_standby_names")
        await as_superuser("SELECT pg_reload_conf()")
        await writer.wait_taken()
        (after,) = await writer.append([a_draft()], source="a")

    assert recorded(after).index == 3
    assert len(await own_log.leaves(0)) == 4
