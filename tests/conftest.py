"""One embedded PostgreSQL a session, and for each test that asks a fresh copy of the schema."""

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from gateway.storage.database import Database
from gateway.storage.embedded import OWNER_ROLE, SUPERUSER, EmbeddedPostgres
from gateway.storage.migrate import migrate

_MEMORY: Final = Path("/dev/shm")
_MEMORY_BYTES_MIN: Final = 2 * 1024**3
_TEMPLATE: Final = "sekisho_template"
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsns:
    """Where each role finds the database of one test."""

    app: str
    owner: str
    superuser: str


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    with (
        tempfile.TemporaryDirectory(prefix="sekisho-test-", dir=memory_folder()) as folder,
        EmbeddedPostgres(Path(folder) / "postgres", is_durable=False) as server,
    ):
        yield server


@pytest.fixture(scope="session")
async def migrated_template(postgres: EmbeddedPostgres) -> str:
    """The name of a database that holds the whole schema and no data."""
    await _create(postgres, _TEMPLATE, "template1")
    await migrate(postgres.dsn(OWNER_ROLE, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture
async def dsns(postgres: EmbeddedPostgres, migrated_template: str) -> AsyncIterator[Dsns]:
    """A fresh copy of the migrated template, gone after the test."""
    name = f"test_{next(_numbers)}"
    await _create(postgres, name, migrated_template)
    yield Dsns(
        app=postgres.dsn(database=name),
        owner=postgres.dsn(OWNER_ROLE, name),
        superuser=postgres.dsn(SUPERUSER, name),
    )
    await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(dsns: Dsns) -> AsyncIterator[Database]:
    """The migrated schema of one test, as the running role sees it."""
    opened = await Database.open(dsns.app)
    yield opened
    await opened.close()


def memory_folder() -> str | None:
    """Where copying a database costs no disk, if there is room; else the usual place."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES_MIN:
        return str(_MEMORY)
    return None


async def _create(postgres: EmbeddedPostgres, name: str, template: str) -> None:
    await _execute(
        postgres,
        f"CREATE DATABASE {name} OWNER {OWNER_ROLE} TEMPLATE {template} STRATEGY FILE_COPY",
    )


async def _execute(postgres: EmbeddedPostgres, sql: str) -> None:
    connection = await asyncpg.connect(postgres.dsn(SUPERUSER, "postgres"))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
