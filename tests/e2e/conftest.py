"""The whole network as a fixture."""

import io
from collections.abc import AsyncIterator

import pytest

from gateway import logs
from gateway.demo import cast
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import _create, _execute, _numbers
from tests.e2e.parties import Network, whole_network
from tests.e2e.people import People


@pytest.fixture(scope="session", autouse=True)
def quiet_logs() -> None:
    """Keep log lines out of what commands print."""
    logs.configure(stream=io.StringIO())


@pytest.fixture(scope="module")
async def network(postgres: EmbeddedPostgres, migrated_template: str) -> AsyncIterator[Network]:
    """Everybody of the demonstration in this process, for the tests of one module."""
    names: list[str] = []

    async def new_database() -> str:
        name = f"party_{next(_numbers)}"
        await _create(postgres, name, migrated_template)
        names.append(name)
        return postgres.dsn(database=name)

    async with whole_network(new_database) as running:
        yield running
    for name in names:
        await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def people(network: Network) -> People:
    """Whom the organisations know."""
    return People(network, network.key_stores[cast.CORE])
