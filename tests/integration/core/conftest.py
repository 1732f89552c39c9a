"""A running core for a test, and the members who speak to it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from codes.network_code import NetworkCode
from gateway.app import core_role
from gateway.app.roles import RoleApp
from gateway.core.code_book import CodeBook
from gateway.demo import cast
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from tests.conftest import new_databases
from tests.integration.core.world import (
    NAGAOKA,
    UNION,
    Member,
    Template,
    World,
    a_resident,
    serving,
)
from tests.tools.ports import held_ports

PARTIES = (cast.CORE, UNION, NAGAOKA, cast.RESIDENT_NETWORK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The running core as tests look into it."""

    database: Database
    codes: CodeBook
    role: RoleApp | None = None

    async def enrol(self, *organisations: str) -> bytes:
        """Make a person whom these organisations have codes for; return who it is."""
        person = self.codes.meet(a_resident()).person
        async with self.database.read() as connection:
            for organisation in organisations:
                await connection.execute(
                    "INSERT INTO core_holders (person, organisation) VALUES ($1, $2)",
                    person,
                    organisation,
                )
        return person

    def code(self, person: bytes, organisation: str) -> NetworkCode:
        return self.codes.code_of(person, organisation)

    @asynccontextmanager
    async def adds(self, **kinds: int) -> AsyncIterator[None]:
        """Hold the core to adding just so many entries of each kind."""
        before = await self._count(list(kinds))
        yield
        after = await self._count(list(kinds))
        assert {kind: after[kind] - before[kind] for kind in kinds} == kinds

    async def _count(self, kinds: list[str]) -> dict[str, int]:
        async with self.database.read() as connection:
            rows = await connection.fetch(
                "SELECT kind, count(*) AS count FROM log_entries"
                " WHERE kind = ANY ($1::text[]) GROUP BY kind",
                kinds,
            )
        return dict.fromkeys(kinds, 0) | {row["kind"]: row["count"] for row in rows}


@pytest.fixture(scope="session")
def network_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with held_ports((cast.CORE, cast.RESIDENT_NETWORK, *cast.GATEWAYS)) as ports:
        yield Template.make(tmp_path_factory.mktemp("network") / "keys", ports)


@pytest.fixture(scope="module")
async def world(
    network_template: Template,
    postgres: EmbeddedPostgres,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """Keys and databases of one module's tests; the clock only ever moves on."""
    async with new_databases(postgres, migrated_template) as new_database:
        dsns = {party: (await new_database()).app for party in PARTIES}
        yield World.copy(network_template, tmp_path_factory.mktemp("world"), dsns)


@pytest.fixture(scope="module")
async def core(world: World) -> AsyncIterator[Core]:
    """The core, serving over TLS, its first directory published."""
    role = await core_role.build(world.worker(cast.CORE, "core"))
    async with serving(role, world.ports[cast.CORE]):
        database = await Database.open(world.dsns[cast.CORE], connections_max=1)
        yield Core(database=database, codes=world.code_book(), role=role)
        await database.close()


@pytest.fixture(scope="module")
async def union(world: World) -> AsyncIterator[Member]:
    async with world.member(UNION) as member:
        yield member


@pytest.fixture(scope="module")
async def nagaoka(world: World) -> AsyncIterator[Member]:
    async with world.member(NAGAOKA) as member:
        yield member
