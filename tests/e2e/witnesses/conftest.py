"""A core and two gateways that witness each other, with nothing running but what a test starts."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from certs.network_spec import NetworkSpec
from gateway.demo import cast
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import NewDatabase, new_databases
from tests.e2e.parties import Network, whole_network
from tests.e2e.witnesses.scene import SetBackClock

WITNESSES = {
    cast.CORE: (cast.NAGAOKA, cast.GUNMA_UNION),
    cast.NAGAOKA: (cast.CORE, cast.GUNMA_UNION),
    cast.GUNMA_UNION: (cast.CORE,),
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
def clock() -> SetBackClock:
    """Everybody's clock; a test that moves it lets it move forwards only."""
    return SetBackClock()


@pytest.fixture(scope="package")
async def network(new_database: NewDatabase, clock: SetBackClock) -> AsyncIterator[Network]:
    async with whole_network(
        new_database,
        clock=clock,
        gateways=(cast.NAGAOKA, cast.GUNMA_UNION),
        runs=lambda _party, _task: False,
        change=with_witnesses,
    ) as running:
        yield running
