"""PostgreSQL past one machine: leaders die and change, and nothing acknowledged is ever missing."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from gateway.errors import ConfigurationError
from gateway.flows.record import RecordWriter, SlotStoppedError
from gateway.storage.database import Database
from gateway.storage.embedded import APP_ROLE, SUPERUSER
from gateway.storage.preflight import preflight
from tests.conftest import FORGETFUL
from tests.failover.cluster import Cluster, Node
from tests.failover.load import Load, audit, loaded
from tests.integration.record_log import RecordLog, a_draft, recorded

BEFORE = 60
AFTER = 60

pytestmark = pytest.mark.timeout(400)  # Patroni's own pace, on a busy machine several times over


@asynccontextmanager
async def at_work(log: RecordLog, cluster: Cluster) -> AsyncIterator[RecordWriter]:
    """Hold a slot on the cluster whose commits were promised a standby."""
    database = await Database.open_when_there(cluster.dsn(), demands=FORGETFUL, patience_s=30)
    try:
        async with replace(log, database=database).writer(is_replicated=True) as writer:
            yield writer
    finally:
        await database.close()


async def _hold_against_the_log(log: RecordLog, cluster: Cluster, load: Load) -> None:
    found = await audit(log, cluster.dsn(), load.acknowledged)
    print(f"gap {load.gap_s:.1f} s, {load.refused} refused, {found}")  # noqa: T201 - for people: -rP
    assert (found.missing, found.forks) == (0, 0)


async def test_a_leader_that_is_killed_takes_nothing_acknowledged_with_it(
    cluster: Cluster, replicated_log: RecordLog
) -> None:
    async with at_work(replicated_log, cluster) as writer, loaded(writer) as load:
        await load.more(BEFORE)
        leader = cluster.node("leader")
        leader.kill_postgres()
        await load.more(AFTER)

    assert (cluster.find("leader") or leader).name != leader.name
    assert load.refused > 0
    await _hold_against_the_log(replicated_log, cluster, load)


async def test_a_planned_switchover_loses_nothing(
    cluster: Cluster, replicated_log: RecordLog
) -> None:
    leader, standby = cluster.node("leader"), cluster.node("sync_standby")
    async with at_work(replicated_log, cluster) as writer, loaded(writer) as load:
        await load.more(BEFORE)
        status, _ = await asyncio.to_thread(
            cluster.ask,
            *(leader.name, "POST", "/switchover"),
            {"leader": leader.name, "candidate": standby.name},
        )
        await load.more(AFTER)

    assert status == 200
    assert cluster.node("leader").name == standby.name
    await _hold_against_the_log(replicated_log, cluster, load)


async def test_commits_wait_for_another_standby_when_theirs_is_lost(
    cluster: Cluster, replicated_log: RecordLog
) -> None:
    standby, other = cluster.node("sync_standby"), cluster.node("replica")
    async with at_work(replicated_log, cluster) as writer, loaded(writer) as load:
        await load.more(BEFORE)
        standby.kill()
        await cluster.until(lambda: cluster.find("sync_standby") is other)
        await load.more(AFTER)

    await _hold_against_the_log(replicated_log, cluster, load)


async def _cancel_a_wait(superuser: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Let a commit that waits for the standby *succeed*, with a WARNING."""
    async with asyncio.timeout(60):
        while not await superuser.fetchval(
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
            " WHERE wait_event = 'SyncRep'"
        ):
            await asyncio.sleep(0.005)


async def test_a_cancelled_wait_for_the_standby_is_not_taken_for_a_commit(
    cluster: Cluster, replicated_log: RecordLog
) -> None:
    standby = cluster.node("sync_standby")
    async with at_work(replicated_log, cluster) as writer:
        (kept,) = await writer.append([a_draft()], source="a")
        superuser = await asyncpg.connect(cluster.dsn(SUPERUSER))
        standby.pause_postgres(is_paused=True)
        try:
            append = asyncio.create_task(writer.append([a_draft()], source="a"))
            await _cancel_a_wait(superuser)
            with pytest.raises(SlotStoppedError):
                await append
        finally:
            standby.pause_postgres(is_paused=False)
            await superuser.close()
        async with asyncio.timeout(60):
            await writer.wait_taken()
        (after,) = await writer.append([a_draft()], source="a")

    # The commit was there all the same; the barrier behind it made it certain.
    assert recorded(after).index == recorded(kept).index + 2
    found = await audit(replicated_log, cluster.dsn(), [recorded(kept), recorded(after)])
    assert (found.missing, found.forks, found.frozen) == (0, 0, 0)


async def test_a_node_that_lags_is_not_promoted_by_patroni(cluster: Cluster) -> None:
    leader, lagging = cluster.node("leader"), cluster.node("replica")

    status, said = await asyncio.to_thread(
        cluster.ask,
        *(leader.name, "POST", "/switchover"),
        {"leader": leader.name, "candidate": lagging.name},
    )

    assert (status, "sync_standby" in said) == (412, True), said
    assert cluster.node("leader") is leader


@pytest.mark.usefixtures("replicated_log")  # for the role
async def test_a_standby_is_not_worked_on(cluster: Cluster) -> None:
    standby = cluster.dsn_of(cluster.node("sync_standby").name, APP_ROLE)

    with pytest.raises(ConfigurationError, match="is a standby"):
        await preflight(standby, FORGETFUL)


@pytest.mark.usefixtures("replicated_log")  # for the schema
async def test_a_cluster_with_a_standby_is_taken_as_replicated(cluster: Cluster) -> None:
    demands = replace(FORGETFUL, is_replicated=True)
    database = await Database.open(cluster.dsn(), demands=demands)

    await preflight(cluster.dsn(), demands)
    async with database.certain() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await database.close()


@pytest.mark.usefixtures("replicated_log")  # for the role
async def test_both_ends_of_the_writers_connection_watch_each_other(cluster: Cluster) -> None:
    database = await Database.open(cluster.dsn(), connections_max=1)
    writer = await database.connect_writer(lambda _: None)
    own: socket.socket = writer._transport.get_extra_info("socket")  # type: ignore[attr-defined]

    ours = {
        name: own.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    }
    is_watched = own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    rows = await writer.fetch("SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp_%'")
    await writer.close()
    await database.close()

    assert is_watched == 1
    assert ours == {
        "TCP_KEEPIDLE": 10,
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 4,
        "TCP_USER_TIMEOUT": 30_000,
    }
    # Of the very socket: the server asks its kernel.
    assert {row["name"]: row["setting"] for row in rows} == {
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "4",
        "tcp_user_timeout": "30000",
    }


@asynccontextmanager
async def promoted_by_hand(cluster: Cluster, node: Node) -> AsyncIterator[str]:
    """Serve a node's data as if it were a primary, against everything Patroni knows."""
    (node.data / "standby.signal").unlink()
    # Its process may still be a zombie, which PostgreSQL would take for a server.
    (node.data / "postmaster.pid").unlink(missing_ok=True)
    server = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [*cluster.server_command(node), "-c", "synchronous_standby_names="],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        dsn = cluster.dsn_of(node.name, APP_ROLE)
        await (await Database.open_when_there(dsn, demands=FORGETFUL, patience_s=30)).close()
        yield dsn
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(node.data)


async def test_a_lagging_node_that_somebody_promoted_is_found_out(
    cluster: Cluster, replicated_log: RecordLog
) -> None:
    lagging = cluster.node("replica")
    async with at_work(replicated_log, cluster) as writer:
        await writer.append([a_draft()], source="a")
        lagging.kill()
        slot = writer.slot
        (gone,) = await writer.append([a_draft()], source="a")

    async with promoted_by_hand(cluster, lagging) as dsn:
        database = await Database.open(dsn, demands=FORGETFUL)
        log = replace(replicated_log, database=database)
        try:
            with pytest.raises(ConfigurationError, match="no synchronous standby"):
                async with log.writer(is_replicated=True):
                    pass
            async with log.writer() as writer:
                assert writer.slot != slot
            async with database.read() as connection:
                loss = await connection.fetchrow("SELECT * FROM log_losses")
        finally:
            await database.close()

    assert loss is not None
    assert (loss["slot"], loss["known_size"]) == (slot, recorded(gone).index + 1)
    assert (loss["size"] < loss["known_size"], loss["is_prefix"]) == (True, True)
    assert loss["entry_id"] is not None


async def test_what_is_visible_but_not_replicated_is_signed_by_nobody(
    cluster: Cluster, replicated_log: RecordLog
) -> None:
    standby = cluster.node("sync_standby")
    async with (
        at_work(replicated_log, cluster) as writer,
        at_work(replicated_log, cluster) as reader,
    ):
        superuser = await asyncpg.connect(cluster.dsn(SUPERUSER))
        draft, slot = a_draft(), writer.slot
        assert slot is not None
        standby.pause_postgres(is_paused=True)
        try:
            append = asyncio.create_task(writer.append([draft], source="a"))
            await _cancel_a_wait(superuser)
            with pytest.raises(SlotStoppedError):
                await append
            async with asyncio.timeout(60):
                while not (found := await reader.find([draft.entry_id])):
                    await asyncio.sleep(0.005)
            proving = asyncio.create_task(reader.statements(list(found.values())))
            noting = asyncio.create_task(reader.checkpoint(slot))
            await asyncio.wait({proving, noting}, timeout=0.5)
            is_early = proving.done() or noting.done()
        finally:
            standby.pause_postgres(is_paused=False)
            await superuser.close()
        group = await proving
        await noting

    assert not is_early
    assert [one.entry.public.id for one in replicated_log.verify(group)] == [draft.entry_id]
