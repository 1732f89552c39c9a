"""One network for all attacks that leave it as it was, and the members who attack."""

from collections.abc import AsyncIterator

import pytest

from gateway.demo import cast
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import NewDatabase, new_databases
from tests.e2e.adversary.night import Night, around_midnight
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.parties import Network, whole_network
from tests.e2e.people import People


@pytest.fixture(scope="package")
async def new_database(
    postgres: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[NewDatabase]:
    async with new_databases(postgres, migrated_template) as maker:
        yield maker


@pytest.fixture(scope="package")
async def network(new_database: NewDatabase) -> AsyncIterator[Network]:
    """Everybody of the demonstration; a test leaves it as it found it."""
    async with whole_network(new_database) as running:
        yield running


@pytest.fixture(scope="package")
def people(network: Network) -> People:
    return People(network, network.key_stores[cast.CORE])


@pytest.fixture(scope="package")
async def union(network: Network, people: People) -> AsyncIterator[Rogue]:
    """The union's keys, log and certificate in the hands of the test."""
    async with Rogue.of(network, people, cast.GUNMA_UNION) as rogue:
        yield rogue


@pytest.fixture(scope="package")
async def immigration(network: Network, people: People) -> AsyncIterator[Rogue]:
    """Another member, who has no part in the union's exchanges."""
    async with Rogue.of(network, people, cast.IMMIGRATION) as rogue:
        yield rogue


@pytest.fixture(scope="package")
async def nagaoka(network: Network, people: People) -> AsyncIterator[Rogue]:
    """The provider's keys, log and certificate in the hands of the test."""
    async with Rogue.of(network, people, cast.NAGAOKA) as rogue:
        yield rogue


@pytest.fixture(scope="package")
async def core(network: Network, people: People) -> AsyncIterator[Rogue]:
    """The core's keys, log and certificate in the hands of the test."""
    async with Rogue.of(network, people, cast.CORE) as rogue:
        yield rogue


@pytest.fixture(scope="package")
async def night(new_database: NewDatabase) -> AsyncIterator[Night]:
    """The parties around midnight, at rest."""
    async with around_midnight(new_database) as parties:
        yield parties
