"""What must stand before the first worker starts: folder, lock, master key, key store, database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from certs.errors import CertsError
from certs.keystore import KeyStore, MasterKey
from certs.master_places import WRONG_SECRET
from certs.typed_secret import TypedSecret
from gateway.app.own_folder import master_place, own_folder
from gateway.app.roles import demands_of
from gateway.errors import (
    ConfigurationError,
    SekishoError,
    UnavailableError,
    WrongPassphraseError,
)
from gateway.logs import get_logger
from gateway.metrics import forget_other_runs
from gateway.settings import Settings
from gateway.storage.database import CHECKER_ROLE, as_role
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from gateway.storage.migrate import migrate
from gateway.storage.preflight import preflight, preflight_checker

WATCH_S: Final = 0.5
_STORE_NAME: Final = "store.json"

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What every worker of this run is given; without a master key the run is locked."""

    dsn: str = field(repr=False)
    master_key: MasterKey | None = field(repr=False)


@asynccontextmanager
async def laid_foundation(settings: Settings, *, metrics_dir: Path) -> AsyncIterator[Foundation]:
    """Hold the data folder, the keys and a database of the right schema for the time of the run.

    Metric values of runs before this one are dropped. Where somebody has to type something before
    the master key opens, everything else about it is checked now.

    Raises:
        ConfigurationError: any of them cannot be used.
        UnavailableError: the database does not come up.
    """
    with own_folder(settings.data_dir):
        forget_other_runs(metrics_dir)
        master_key = None
        if master_place(settings.master_key).typed:
            check_keys(settings)
        else:
            master_key = open_keys(settings)
        async with _database(settings) as dsn:
            yield Foundation(dsn=dsn, master_key=master_key)


def check_keys(settings: Settings) -> None:
    """Raise ConfigurationError where the master key cannot open, whatever will be typed."""
    try:
        master_place(settings.master_key).check()
    except CertsError as error:
        raise ConfigurationError(f"master key: {error}") from error


def open_keys(settings: Settings, secret: TypedSecret | None = None) -> MasterKey:
    """Return the master key, having made sure that the key store is there and opens under it.

    Raises:
        WrongPassphraseError: `secret` is not the passphrase or PIN.
        ConfigurationError: master key or key store cannot be used.
    """
    try:
        master = master_place(settings.master_key).open(secret)
        folder = settings.key_store_dir
        if (folder / _STORE_NAME).exists():
            store = KeyStore.open(folder, master)
        else:
            store = KeyStore.create(
                folder, master, network=settings.network.name, organisation=settings.organisation
            )
    except CertsError as error:
        if secret is not None and error.reason in WRONG_SECRET:
            raise WrongPassphraseError(error.reason) from None
        raise ConfigurationError(f"master key or key store: {error}") from error
    if (store.network, store.organisation) != (settings.network.name, settings.organisation):
        raise ConfigurationError(
            f"{folder} is the key store of {store.organisation} on {store.network}"
        )
    return master


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    given = settings.database
    if given.dsn is not None:
        if given.migrate_at_start:
            await _migrate(given.owner_dsn or given.dsn)
        await _require_fit(settings, given.dsn)
        yield given.dsn
        return
    server = EmbeddedPostgres(settings.database_dir, is_durable=not demands_of(settings).may_forget)
    await asyncio.to_thread(server.start)
    ending = asyncio.Event()
    keeping = asyncio.create_task(_keep_running(server, ending))
    try:
        # Nobody else migrates a server that lives and dies with this process.
        await _migrate(server.dsn(OWNER_ROLE))
        await _require_fit(settings, server.dsn())
        yield server.dsn()
    finally:
        ending.set()
        await keeping
        await asyncio.to_thread(server.stop)


async def _require_fit(settings: Settings, dsn: str) -> None:
    """Refuse a database that breaks a promise, and a checker that could change anything."""
    await preflight(dsn, demands_of(settings))
    if settings.role == "gateway":  # the only one whose decisions are derived again
        await preflight_checker(settings.database.checker_dsn or as_role(dsn, CHECKER_ROLE))


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
