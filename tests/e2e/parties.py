"""A whole network inside one process: real PostgreSQL, real TLS, real HTTP, real statements."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from certs.keystore import KeyStore, MasterKey
from certs.network import init_network
from certs.network_spec import NetworkSpec, OrganisationSpec
from gateway.app import core_role, gateway_role, resident_role, witness_role
from gateway.app.foundation import open_keys
from gateway.app.gateway_role import Gateway
from gateway.app.listener import Listener
from gateway.app.roles import RoleApp, WorkerContext
from gateway.clock import Clock, SystemClock
from gateway.demo import cast
from gateway.settings import Settings, listener_addresses, parse_settings
from gateway.storage.database import Database
from policies.allow_list import AllowList
from tests.conftest import Dsns, NewDatabase
from tests.tools.ports import HOST, held_ports

Runs = Callable[[str, str], bool]
"""Whether a party runs a background task, by their names."""

Begins = Callable[[WorkerContext, Dsns], Awaitable[None]]
"""What is done to a party's database before the party is there."""


def everything(_party: str, _task: str) -> bool:
    """Run what a worker runs."""
    return True


@dataclass(kw_only=True)
class Party:
    """One organisation: its settings, its role, and for a gateway its parts."""

    name: str
    settings: Settings
    worker: WorkerContext
    role: RoleApp
    gateway: Gateway | None = None
    listeners: list[Listener] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def stop(self) -> None:
        for listener in self.listeners:
            await listener.stop()
        await self.role.drain()
        pending = set(self.tasks)
        while pending:
            # Said until it is heard: what ends just then may swallow a cancellation.
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=1)
        await self.role.close()


@dataclass(kw_only=True)
class Network:
    """Everybody by name, and where their keys lie."""

    folder: Path
    parties: Mapping[str, Party]
    key_stores: Mapping[str, KeyStore]
    core_database: Database

    def gateway(self, name: str) -> Gateway:
        gateway = self.parties[name].gateway
        assert gateway is not None
        return gateway


def settings_of(
    name: str, role: str, folder: Path, ports: Mapping[str, int], *, has_staff: bool = False
) -> Settings:
    text = f"""
role = "{role}"
environment = "test"
organisation = "{name}"
data_dir = "data/{name}"

[network]
name = "{cast.NETWORK}"
keys_dir = "network/organisations/{name}/keys"
directory_poll_s = 1.0
{f'core_url = "https://{HOST}:{ports[cast.CORE]}"' if role == "gateway" else ""}

[master_key]
path = "data/{name}.master.key"

[listeners.ops]
port = 0

[listeners.network]
port = {ports[name]}
"""
    if role == "gateway":
        text += "\n[listeners.backoffice]\nport = 0\n"
    if role == "gateway" or has_staff:
        text += "\n[listeners.staff]\nport = 0\n"
    if role == "resident-network":
        text += f'\n[resident_network]\nresidents = "data/{name}.residents"\n'
    return parse_settings(text.encode(), base=folder)


@asynccontextmanager
async def whole_network(
    new_database: NewDatabase,
    *,
    clock: Clock | None = None,
    law_day: date | None = cast.LAW_DAY,
    allow_list: AllowList | None = None,
    gateways: Sequence[str] = cast.GATEWAYS,
    runs: Runs = everything,
    change: Callable[[NetworkSpec], NetworkSpec] = lambda spec: spec,
    outsiders: Sequence[str] = (),
    core_begins: Begins | None = None,
) -> AsyncIterator[Network]:
    """Everybody of the demonstration, up and running until the context ends.

    `clock` is everybody's; without a `law_day` the law is that of the clock's day in Tokyo.
    `allow_list` takes the place of the real table.
    Only these `gateways` are there, and only the background tasks that `runs` names.
    `change` is asked for the network that is built: as it is, nobody has witnesses. `outsiders`
    are witnesses alone. A core that `core_begins` began has people of its own.
    """
    clock = clock or SystemClock()
    roles = {cast.CORE: "core"} | dict.fromkeys(gateways, "gateway")
    roles |= dict.fromkeys(outsiders, "witness")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-e2e-")))
        ports = stack.enter_context(
            held_ports((cast.CORE, cast.RESIDENT_NETWORK, *cast.GATEWAYS, *outsiders))
        )
        init_network(
            change(
                _with(
                    cast.network_spec(ports, environment="test", law_day=law_day), outsiders, ports
                )
            ),
            folder / "network",
            allow_list=(allow_list or cast.allow_list()).to_document(),
            now=clock.now(),
        )
        parties: dict[str, Party] = {}
        stores: dict[str, KeyStore] = {}
        dsns: dict[str, Dsns] = {}
        for name, role in roles.items():
            dsns[name] = await new_database()
            begins = core_begins if role == "core" else None
            settings = settings_of(name, role, folder, ports, has_staff=begins is not None)
            worker = a_worker(settings, dsns[name].app, clock)
            if begins is not None:
                await begins(worker, dsns[name])
            party = await a_party(worker, ports[name], runs=runs)
            stores[name] = worker.key_store()
            stack.push_async_callback(party.stop)
            parties[name] = party
        core_database = await Database.open(dsns[cast.CORE].app, connections_max=2)
        stack.push_async_callback(core_database.close)
        yield Network(
            folder=folder, parties=parties, key_stores=stores, core_database=core_database
        )


def _with(spec: NetworkSpec, outsiders: Sequence[str], ports: Mapping[str, int]) -> NetworkSpec:
    more = tuple(
        OrganisationSpec(
            name=name, role="witness", endpoint=f"https://{HOST}:{ports[name]}", slots=0
        )
        for name in outsiders
    )
    return replace(spec, organisations=(*spec.organisations, *more))


def a_worker(settings: Settings, dsn: str, clock: Clock) -> WorkerContext:
    """What a worker is given, its master key just made."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    settings.master_key.path.parent.mkdir(parents=True, exist_ok=True)
    MasterKey.generate().to_file(settings.master_key.path)
    return WorkerContext(
        settings=settings,
        worker=0,
        version="test",
        clock=clock,
        addresses=listener_addresses(settings),
        dsn=dsn,
        master_key=open_keys(settings),
    )


async def a_party(worker: WorkerContext, port: int, *, runs: Runs = everything) -> Party:
    """A party up and running; its network listener is on this port."""
    settings, role = worker.settings, worker.settings.role
    name, gateway = settings.organisation, None
    if role == "gateway":
        gateway = await gateway_role.compose(worker)
        app = gateway.role
    elif role == "core":
        app = await core_role.build(worker)
    elif role == "resident-network":
        app = await resident_role.build(worker)
    elif role == "witness":
        app = await witness_role.build(worker)
    else:
        raise ValueError(role)
    party = Party(name=name, settings=settings, worker=worker, role=app, gateway=gateway)
    for spec in app.listeners:
        listener = Listener(spec, port=port if spec.name == "network" else 0, drain_s=5.0)
        await listener.start()
        party.listeners.append(listener)
    party.tasks = [asyncio.ensure_future(task.run()) for task in app.tasks if runs(name, task.name)]
    return party
