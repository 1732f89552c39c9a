"""One whole network for all modules that leave it as they found it.

They give their people and clients names of their own. Who cannot share lies in `alone`.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from certs import passwords
from gateway.demo import cast
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import NewDatabase, new_databases
from tests.e2e.parties import Network, whole_network
from tests.e2e.people import People
from tests.e2e.staff import Person, first_account


@pytest.fixture(scope="module", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hash passwords with little work: a quarter of what these tests took was to make it much.

    How much it is for real stands in `unit/certs/test_passwords.py`.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"_MEMORY_KIB": 64, "_PASSES": 1, "_LANES": 1}.items():
            patch.setattr(passwords, name, value)
        yield


@pytest.fixture(scope="session")
async def new_database(
    postgres: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[NewDatabase]:
    async with new_databases(postgres, migrated_template) as maker:
        yield maker


@pytest.fixture(scope="session")
async def network(new_database: NewDatabase) -> AsyncIterator[Network]:
    """Everybody of the demonstration in this process."""
    async with whole_network(new_database) as running:
        yield running


@pytest.fixture(scope="session")
def people(network: Network) -> People:
    """Whom the organisations know."""
    return People(network, network.key_stores[cast.CORE])


@pytest.fixture(scope="session")
async def root(network: Network) -> Person:
    """長岡市's administrator, signed in."""
    return await (await first_account(network, cast.NAGAOKA)).sign_in()
