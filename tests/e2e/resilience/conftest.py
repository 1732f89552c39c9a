"""Three parties at rest: nothing happens by the clock, so that each test says what happens when."""

from collections.abc import AsyncIterator

import pytest

from gateway.demo import cast
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import NewDatabase, new_databases
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.parties import Network
from tests.e2e.people import People
from tests.e2e.resilience.scene import Scene, parties_at_rest
from tests.integration.core.world import WorldClock


@pytest.fixture(scope="package")
async def new_database(
    postgres: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[NewDatabase]:
    async with new_databases(postgres, migrated_template) as maker:
        yield maker


@pytest.fixture(scope="package")
def clock() -> WorldClock:
    return WorldClock()


@pytest.fixture(scope="package")
async def network(new_database: NewDatabase, clock: WorldClock) -> AsyncIterator[Network]:
    async with parties_at_rest(new_database, clock) as running:
        yield running


@pytest.fixture(scope="package")
def people(network: Network) -> People:
    return People(network, network.key_stores[cast.CORE])


@pytest.fixture
def scene(network: Network, people: People, clock: WorldClock) -> Scene:
    return Scene(network=network, people=people, clock=clock)


@pytest.fixture
async def rogue(scene: Scene) -> AsyncIterator[Rogue]:
    """The inquirer's hand on its own permits: it presents them when and where the test says."""
    async with Rogue.of(scene.network, scene.people, cast.GUNMA_UNION) as union:
        yield union
