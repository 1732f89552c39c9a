"""A core, two gateways and an outsider as witnesses, where a test starts what goes on."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from certs.network_spec import NetworkSpec
from gateway.demo import cast
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import NewDatabase, new_databases
from tests.e2e.adversary.rogue import Rogue
from tests.e2e.parties import Network, whole_network
from tests.e2e.people import People
from tests.e2e.witnesses.scene import AUDIT_OFFICE
from tests.integration.core.world import WorldClock

WITNESSES = {
    cast.CORE: (cast.NAGAOKA, cast.GUNMA_UNION),
    cast.NAGAOKA: (cast.CORE, cast.GUNMA_UNION),
    cast.GUNMA_UNION: (cast.CORE, AUDIT_OFFICE),
}

CITY_SLOTS = 48
"""Every test of the city's witnesses takes a slot of its own."""


def with_witnesses(spec: NetworkSpec) -> NetworkSpec:
    return replace(
        spec,
        organisations=tuple(
            replace(
                one,
                witnesses=WITNESSES.get(one.name, ()),
                slots=CITY_SLOTS if one.name == cast.NAGAOKA else one.slots,
            )
            for one in spec.organisations
        ),
    )


@pytest.fixture(scope="package")
async def new_database(
    postgres: EmbeddedPostgres, migrated_template: str
) -> AsyncIterator[NewDatabase]:
    async with new_databases(postgres, migrated_template) as maker:
        yield maker


@pytest.fixture(scope="package")
def clock() -> WorldClock:
    """Everybody's clock; a test that moves it lets it move forwards only."""
    return WorldClock()


@pytest.fixture(scope="package")
async def network(new_database: NewDatabase, clock: WorldClock) -> AsyncIterator[Network]:
    async with whole_network(
        new_database,
        clock=clock,
        gateways=(cast.NAGAOKA, cast.GUNMA_UNION),
        runs=lambda party, task: (party, task) == (cast.CORE, "publication"),
        change=with_witnesses,
        outsiders=(AUDIT_OFFICE,),
    ) as running:
        yield running


@pytest.fixture(scope="package")
def people(network: Network) -> People:
    return People(network, network.key_stores[cast.CORE])


@pytest.fixture(scope="package")
async def union(network: Network, people: People) -> AsyncIterator[Rogue]:
    """The union's keys, log and certificate in the hands of the test."""
    async with Rogue.of(network, people, cast.GUNMA_UNION) as rogue:
        yield rogue
