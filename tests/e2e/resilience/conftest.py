"""Three parties at rest: nothing happens by the clock, so that each test says what happens when."""

from collections.abc import AsyncIterator

import pytest

from gateway.demo import cast
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import _create, _execute, _numbers
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.parties import Network, NewDatabase, whole_network
from tests.e2e.people import People
from tests.e2e.resilience.scene import Scene
from tests.integration.core.world import WorldClock

AWAKE = {(cast.CORE, "publication")}


@pytest.fixture(scope="package")
async def new_database(
    postgres: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[NewDatabase]:
    """Return a maker of databases, all gone at the end."""
    names: list[str] = []

    async def new() -> str:
        name = f"resilient_{next(_numbers)}"
        await _create(postgres, name, migrated_template)
        names.append(name)
        return postgres.dsn(database=name)

    yield new
    for name in names:
        await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="package")
def clock() -> WorldClock:
    return WorldClock()


@pytest.fixture(scope="package")
async def network(new_database: NewDatabase, clock: WorldClock) -> AsyncIterator[Network]:
    """The core, an inquirer and a provider; of what starts by the clock, only the directory."""
    async with whole_network(
        new_database,
        clock=clock,
        gateways=(cast.GUNMA_UNION, cast.NAGAOKA),
        runs=lambda party, task: (party, task) in AWAKE,
    ) as running:
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
