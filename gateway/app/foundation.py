"""What must stand before the first worker starts: folder, lock, master key, key store, database."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from certs.errors import CertsError
from certs.keystore import KeyStore, MasterKey
from gateway.errors import ConfigurationError, SekishoError, UnavailableError
from gateway.logs import get_logger
from gateway.metrics import forget_other_runs
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from gateway.storage.migrate import check_schema, migrate

PRIVATE_MODE: Final = 0o700
WATCH_S: Final = 0.5
_LOCK_NAME: Final = "instance.lock"
_STORE_NAME: Final = "store.json"

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What every worker of this run is given."""

    dsn: str = field(repr=False)
    master_key: MasterKey = field(repr=False)


@asynccontextmanager
async def laid_foundation(settings: Settings, *, metrics_dir: Path) -> AsyncIterator[Foundation]:
    """Hold the data folder, the keys and a database of the right schema for the time of the run.

    Metric values of runs before this one are dropped.

    Raises:
        ConfigurationError: any of them cannot be used.
        UnavailableError: the database does not come up.
    """
    with _own_folder(settings):
        forget_other_runs(metrics_dir)
        master_key = open_keys(settings)
        async with _database(settings) as dsn:
            yield Foundation(dsn=dsn, master_key=master_key)


def open_keys(settings: Settings) -> MasterKey:
    """Return the master key, having made sure that the key store is there and opens under it."""
    try:
        master = MasterKey.from_file(settings.master_key.path)
        folder = settings.key_store_dir
        if (folder / _STORE_NAME).exists():
            store = KeyStore.open(folder, master)
        else:
            store = KeyStore.create(
                folder, master, network=settings.network.name, organisation=settings.organisation
            )
    except CertsError as error:
        raise ConfigurationError(f"master key or key store: {error}") from error
    if (store.network, store.organisation) != (settings.network.name, settings.organisation):
        raise ConfigurationError(
            f"{folder} is the key store of {store.organisation} on {store.network}"
        )
    return master


@contextmanager
def _own_folder(settings: Settings) -> Iterator[None]:
    """Hold the data folder: two parents over one folder would share its socket and metrics."""
    settings.data_dir.mkdir(mode=PRIVATE_MODE, parents=True, exist_ok=True)
    descriptor = os.open(settings.data_dir / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"{settings.data_dir} is in use by another instance") from None
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    given = settings.database
    if given.dsn is not None:
        if given.migrate_at_start:
            await _migrate(given.owner_dsn or given.dsn)
        await _check_schema(given.dsn)
        yield given.dsn
        return
    server = EmbeddedPostgres(settings.database_dir, is_durable=settings.environment != "test")
    await asyncio.to_thread(server.start)
    ending = asyncio.Event()
    keeping = asyncio.create_task(_keep_running(server, ending))
    try:
        # Nobody else migrates a server that lives and dies with this process.
        await _migrate(server.dsn(OWNER_ROLE))
        yield server.dsn()
    finally:
        ending.set()
        await keeping
        await asyncio.to_thread(server.stop)


async def _keep_running(server: EmbeddedPostgres, ending: asyncio.Event) -> None:
    """Start the server again when somebody killed it; the workers come back by themselves."""
    while not ending.is_set():
        if not server.is_running:
            log.error("database_died")
            try:
                await asyncio.to_thread(server.start)
            except SekishoError as error:
                log.error("database_not_back", problem=error.problem)  # noqa: TRY400 - it says why
            except OSError:
                # No memory, no disk, no process: that may pass, too.
                log.exception("database_not_back", problem=UnavailableError.problem)
            else:
                log.warning("database_back")
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_S):
                await ending.wait()


async def _migrate(dsn: str) -> None:
    for migration in await migrate(dsn):
        log.info("migration_applied", migration=migration.name)


async def _check_schema(dsn: str) -> None:
    database = await Database.open(dsn, connections_max=1)
    try:
        async with database.read() as connection:
            await check_schema(connection)
    finally:
        await database.close()
