"""One cluster for all tests of this folder; each begins when it is whole again."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from certs.keystore import KeyStore, MasterKey
from certs.log_keys import LogSigner
from gateway.clock import SystemClock
from gateway.flows.record_marks import ReleasedMarks
from gateway.storage.database import Database
from gateway.storage.embedded import OWNER_ROLE
from gateway.storage.migrate import migrate
from tests.conftest import FORGETFUL, memory_folder
from tests.failover.cluster import Cluster, make_database, running_cluster
from tests.integration.record_log import NETWORK, ORGANISATION, RecordLog, add_effects


@pytest.fixture(scope="session")
def cluster_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sekisho-patroni-", dir=memory_folder()) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def started_cluster(cluster_folder: Path) -> Iterator[Cluster]:
    with running_cluster(cluster_folder) as cluster:
        yield cluster


@pytest.fixture(scope="session")
async def replicated_log(started_cluster: Cluster, cluster_folder: Path) -> RecordLog:
    """An organisation's log with four slots, on the cluster; its pool is each test's own."""
    await make_database(started_cluster)
    owner = started_cluster.dsn(OWNER_ROLE)
    await migrate(owner)
    await add_effects(owner)
    database = await Database.open(started_cluster.dsn(), demands=FORGETFUL)
    keys = KeyStore.create(
        cluster_folder / "keys",
        MasterKey.generate(),
        network=NETWORK,
        organisation=ORGANISATION,
    )
    log = RecordLog(
        database=database,
        signer=LogSigner.generate(),
        keys=keys,
        clock=SystemClock(),
        marks=ReleasedMarks(cluster_folder / "released"),
    )
    await log.open(4)
    await database.close()
    return log


@pytest.fixture
async def cluster(started_cluster: Cluster) -> AsyncIterator[Cluster]:
    await started_cluster.heal()
    yield started_cluster
    for name, node in started_cluster.nodes.items():
        if node.patroni is None:
            started_cluster.start(name)
