"""What a role gives a worker to run, and which module builds which role."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Final, cast

from aiohttp import web

from certs.keystore import KeyStore, MasterKey
from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.http.tls import TlsSource
from gateway.jobs.periodic import every
from gateway.settings import HttpLimits, Settings
from gateway.storage.database import Database, Demands

Command = Callable[[Mapping[str, object]], Awaitable[Mapping[str, object]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """What a worker is given to build its role with.

    `dsn` is for the running database role. `addresses` are host and port of every listener
    of this instance, also where the settings say port 0.
    """

    settings: Settings
    worker: int
    version: str
    clock: Clock
    addresses: Mapping[str, tuple[str, int]]
    dsn: str = field(repr=False)
    master_key: MasterKey = field(repr=False)

    def key_store(self) -> KeyStore:
        """Return the storage keys of this organisation; the parent has made sure of the store."""
        return KeyStore.open(self.settings.key_store_dir, self.master_key)

    async def open_database(self) -> Database:
        """Return this worker's pool; the role closes it.

        A worker that died with the database is back before the database is: so it waits.
        """
        return await Database.open_when_there(
            self.dsn,
            connections_max=self.settings.database.pool_connections_max,
            checker_dsn=self.settings.database.checker_dsn,
            demands=demands_of(self.settings),
            patience_s=self.settings.workers.start_timeout_s / 2,
        )


def demands_of(settings: Settings) -> Demands:
    """Return what these settings promise of their database; only the environment `test` forgets."""
    return Demands(
        is_replicated=settings.records.durability == "replicated",
        may_forget=settings.environment == "test",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSpec:
    """One listener of a role: `name` is its key in the settings' [listeners]."""

    name: str
    application: web.Application
    host: str
    limits: HttpLimits
    tls: TlsSource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundTask:
    """Work that goes on until it is cancelled; one that ends or fails ends the worker."""

    name: str
    run: Callable[[], Awaitable[None]]


def periodic(name: str, seconds: float, turn: Callable[[], Awaitable[None]]) -> BackgroundTask:
    """Return a task that takes its turn every so many seconds; a turn that fails is told of."""
    return BackgroundTask(name=name, run=lambda: every(seconds, turn, name=name))


async def _nothing() -> None:
    return


def _no_obstacle() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleApp:
    """A role, built in one worker.

    `not_ready` returns slugs of what is missing, none when the worker may be sent callers; it
    is asked often and does no work. `commands` answer the control socket. The order of the end:
    listeners stop and finish what they hold, `drain` lets queues run empty, tasks are
    cancelled, `close` gives pools and files back.
    """

    listeners: tuple[ListenerSpec, ...]
    tasks: tuple[BackgroundTask, ...] = ()
    commands: Mapping[str, Command] = field(default_factory=dict)
    not_ready: Callable[[], tuple[str, ...]] = _no_obstacle
    drain: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing


BuildRole = Callable[[WorkerContext], Awaitable[RoleApp]]

# A module each, with `async def build(context: WorkerContext) -> RoleApp`; loaded by name, so
# that no role brings another's code into its process.
ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gateway": "gateway.app.gateway_role",
        "core": "gateway.app.core_role",
        "resident-network": "gateway.app.resident_role",
        "witness": "gateway.app.witness_role",
    }
)


def builder_of(role: str) -> BuildRole:
    """Return what builds a role, or raise ConfigurationError."""
    if role not in ROLES:
        raise ConfigurationError(f"no such role: {role}")
    return cast("BuildRole", import_module(ROLES[role]).build)  # by the convention above
