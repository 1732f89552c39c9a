"""One embedded PostgreSQL a session, and for each test that asks a fresh copy of the schema."""

import gc
import io
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from gateway import logs
from gateway.app.worker import GARBAGE_THRESHOLDS
from gateway.storage.database import Database, Demands
from gateway.storage.embedded import OWNER_ROLE, SUPERUSER, EmbeddedPostgres
from gateway.storage.migrate import migrate

_MEMORY: Final = Path("/dev/shm")
_MEMORY_BYTES_MIN: Final = 2 * 1024**3
_TEMPLATE: Final = "sekisho_template"
# The server of the tests syncs nothing to disk; whoever writes records there says that it may.
FORGETFUL: Final = Demands(may_forget=True)
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsns:
    """Where each role finds the database of one test."""

    app: str
    owner: str
    superuser: str


NewDatabase = Callable[[], Awaitable[Dsns]]


def pytest_collection_finish() -> None:
    """Look at what tests leave, not again and again at what stays: a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


@pytest.fixture(scope="session", autouse=True)
def quiet_logs() -> None:
    """Format log lines as in production: the default draws whole stacks, a second each."""
    logs.configure(stream=io.StringIO())


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    with (
        tempfile.TemporaryDirectory(prefix="sekisho-test-", dir=memory_folder()) as folder,
        EmbeddedPostgres(Path(folder) / "postgres", is_durable=False) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def quick_folder() -> Iterator[Path]:
    """An empty folder for whole databases, in memory where there is room."""
    with tempfile.TemporaryDirectory(prefix="sekisho-test-", dir=memory_folder()) as folder:
        Path(folder).chmod(0o711)  # databases of root run as somebody else
        yield Path(folder)


@pytest.fixture(scope="session")
async def migrated_template(postgres: EmbeddedPostgres) -> str:
    """The name of a database that holds the whole schema and no data."""
    return await make_template(postgres)


@pytest.fixture
async def dsns(postgres: EmbeddedPostgres, migrated_template: str) -> AsyncIterator[Dsns]:
    """A fresh copy of the migrated template, gone after the test."""
    async with new_databases(postgres, migrated_template) as new_database:
        yield await new_database()


@pytest.fixture
async def database(dsns: Dsns) -> AsyncIterator[Database]:
    """The migrated schema of one test, as the running role sees it."""
    opened = await Database.open(dsns.app, demands=FORGETFUL)
    yield opened
    await opened.close()


async def make_template(postgres: EmbeddedPostgres) -> str:
    """Make the database that the others are copies of; return its name."""
    await create_database(postgres, _TEMPLATE, "template1")
    await migrate(postgres.dsn(OWNER_ROLE, _TEMPLATE))
    return _TEMPLATE


@asynccontextmanager
async def new_databases(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[NewDatabase]:
    """Give a maker of copies of the template, all gone when the context ends."""
    names: list[str] = []

    async def new() -> Dsns:
        names.append(name := f"test_{next(_numbers)}")
        await create_database(postgres, name, template)
        return Dsns(
            app=postgres.dsn(database=name),
            owner=postgres.dsn(OWNER_ROLE, name),
            superuser=postgres.dsn(SUPERUSER, name),
        )

    yield new
    for name in names:
        await drop_database(postgres, name)


async def create_database(postgres: EmbeddedPostgres, name: str, template: str) -> None:
    """Make a copy of a database."""
    await _execute(
        postgres,
        f"CREATE DATABASE {name} OWNER {OWNER_ROLE} TEMPLATE {template} STRATEGY FILE_COPY",
    )


async def drop_database(postgres: EmbeddedPostgres, name: str) -> None:
    """End a database and whoever is still in it."""
    await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def memory_folder() -> str | None:
    """Where copying a database costs no disk, if there is room; else the usual place."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES_MIN:
        return str(_MEMORY)
    return None


async def _execute(postgres: EmbeddedPostgres, sql: str) -> None:
    connection = await asyncpg.connect(postgres.dsn(SUPERUSER, "postgres"))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
