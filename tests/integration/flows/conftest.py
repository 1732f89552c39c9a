"""A network's keys as its operator made them, for tests of what a gateway believes."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from certs.log_keys import LogSigner
from certs.network import init_network, keys_directory
from certs.own_keys import PrivateKeySet
from gateway.demo import cast
from gateway.flows.context import Context
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import Dsns, new_databases
from tests.integration.backups import Backups
from tests.integration.core.world import WorldClock
from tests.integration.flows.erasure_scene import Scene, a_scene
from tests.integration.flows.old_logs import an_aged_network, an_old_log
from tests.integration.flows.trusts import PORTS
from tests.integration.record_log import NETWORK, ORGANISATION, add_effects
from tests.unit.certs.networks import Network


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trust") / "network"
    init_network(
        cast.network_spec(PORTS, environment="test"),
        folder,
        allow_list=cast.allow_list().to_document(),
        now=WorldClock().now(),
    )
    return folder


@pytest.fixture
def network(made: Path, tmp_path: Path) -> Path:
    """The folder of a network's keys, this test's own."""
    return Path(shutil.copytree(made, tmp_path / "network"))


@pytest.fixture
def clock() -> WorldClock:
    return WorldClock()


@pytest.fixture
def backups(made: Path, tmp_path: Path) -> Backups:
    keys = PrivateKeySet.load(keys_directory(made, cast.NAGAOKA))
    return Backups.under(
        tmp_path,
        network=NETWORK,
        organisation=ORGANISATION,
        key_set=keys.key_set,
        signer=keys.log,
    )


@pytest.fixture
async def another(postgres: EmbeddedPostgres, migrated_template: str) -> AsyncIterator[Dsns]:
    """An empty database of ours."""
    async with new_databases(postgres, migrated_template) as new:
        dsns = await new()
        await add_effects(dsns.owner)
        yield dsns


@pytest.fixture(scope="session")
def aged() -> Network:
    """A network made in 2019 whose keys were renewed since."""
    return an_aged_network()


@pytest.fixture
async def old_log(
    database: Database, dsns: Dsns, aged: Network, tmp_path: Path
) -> AsyncIterator[Context]:
    """A gateway's log that was begun in May 2019."""
    async with an_old_log(database, dsns.owner, aged, tmp_path) as context:
        yield context


@pytest.fixture
async def scene(database: Database, dsns: Dsns, log_signer: LogSigner, tmp_path: Path) -> Scene:
    """Months that are due to end, this test's own."""
    return await a_scene(database, dsns.owner, log_signer, tmp_path)
