"""A whole network for each module: what these do to it, no other could work with."""

from collections.abc import AsyncIterator

import pytest

from codes.numbers import UnifiedNumber
from gateway.demo import cast
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import NewDatabase, new_databases
from tests.e2e.alone.offices import Office, an_exchange, both_offices, somebody
from tests.e2e.parties import Network, whole_network
from tests.e2e.people import People
from tests.e2e.staff import Person, first_account


@pytest.fixture(scope="module")
async def new_database(
    postgres: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[NewDatabase]:
    async with new_databases(postgres, migrated_template) as maker:
        yield maker


@pytest.fixture(scope="module")
async def network(new_database: NewDatabase) -> AsyncIterator[Network]:
    """Everybody of the demonstration in this process, for the tests of one module."""
    async with whole_network(new_database) as running:
        yield running


@pytest.fixture(scope="module")
def people(network: Network) -> People:
    """Whom the organisations know."""
    return People(network, network.key_stores[cast.CORE])


@pytest.fixture(scope="module")
async def root(network: Network) -> Person:
    """長岡市's administrator, signed in."""
    return await (await first_account(network, cast.NAGAOKA)).sign_in()


@pytest.fixture(scope="module")
async def offices(network: Network) -> dict[str, Office]:
    """The inquirer's and the provider's people, by organisation."""
    return await both_offices(network)


@pytest.fixture
async def number(people: People) -> UnifiedNumber:
    """Somebody new whom both ends know."""
    return await somebody(people)


@pytest.fixture
async def permit(network: Network, number: UnifiedNumber) -> str:
    """The permit of an exchange about somebody that came to its end."""
    return await an_exchange(network, number)
