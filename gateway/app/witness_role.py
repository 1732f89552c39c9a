"""The role witness: cosigns for those who name it, and is nobody's party in anything else.

For an administration outside the network: a certificate, a witness key, a small database. It
follows the directory like everybody; it writes no records, so a fork that it finds is an alarm
and a row with both notes (`forks_found`), for people to take further.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from gateway.app.cosigning_commands import cosigning_commands
from gateway.app.floor import (
    NETWORK,
    DirectoryPoll,
    RouteBook,
    cosigned_memory,
    cosigned_task,
    network_tls,
    open_trust,
    tell_versions,
    trust_memory,
)
from gateway.app.limits import limit_by_organisation
from gateway.app.roles import BackgroundTask, ListenerSpec, RoleApp, WorkerContext, periodic
from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.flows.cosigned_memory import CosignedForgottenError, CosignedMemory
from gateway.flows.forks import Forks
from gateway.flows.trust import Trust
from gateway.flows.witnessing import Witnessing
from gateway.http.application import build_application
from gateway.http.log_routes import WITNESS_ROUTES
from gateway.http.members import authenticate_members
from gateway.jobs.expiry import INTERVAL_S, ExpiryJob
from gateway.outbound.peers import Peers
from gateway.storage.database import Database

ROLE: Final = "witness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a witness sees of the network: the directory, by way of the core."""

    clock: Clock
    database: Database
    trust: Trust
    peers: Peers


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a witness's one route works with."""

    witnessing: Witnessing


async def build(worker: WorkerContext) -> RoleApp:
    """Return a witness, built in one worker.

    Raises:
        ConfigurationError: the directory lists the organisation in another role.
    """
    stack = AsyncExitStack()
    try:
        trust = _open_trust(worker)
        tell_versions(trust)
        database = await worker.open_database()
        stack.push_async_callback(database.close)
        await trust_memory(worker, database, trust).recall()
        peers = Peers(RouteBook(trust).route)
        trust.watch(lambda _new, _old: peers.retire_changed())
        stack.push_async_callback(peers.close)
        forks = Forks(database, worker.clock, writer=None)
        memory = await cosigned_memory(worker, database)
        services = Services(
            witnessing=Witnessing(trust=trust, memory=memory, clock=worker.clock, forks=forks)
        )
        outlook = Outlook(clock=worker.clock, database=database, trust=trust, peers=peers)
        return RoleApp(
            listeners=(_listener(worker, trust, services),),
            tasks=(*_tasks(worker, outlook), cosigned_task(memory)),
            commands=cosigning_commands(memory),
            not_ready=lambda: _missing(trust, memory, worker.clock),
            close=stack.aclose,
        )
    except BaseException:
        await stack.aclose()
        raise


def _open_trust(worker: WorkerContext) -> Trust:
    trust = open_trust(worker)
    if trust.directory.organisation(trust.organisation).role != ROLE:
        raise ConfigurationError(f"{trust.organisation}: no witness in the directory")
    return trust


def _listener(worker: WorkerContext, trust: Trust, services: Services) -> ListenerSpec:
    listener = worker.settings.listeners.network
    if listener is None:
        raise ConfigurationError("role witness: no network listener")
    return ListenerSpec(
        name=NETWORK,
        application=build_application(
            WITNESS_ROUTES,
            listener=NETWORK,
            version=worker.version,
            services=services,
            authenticate=authenticate_members(trust),
            limit=limit_by_organisation(listener.limits, worker.clock),
        ),
        host=listener.host,
        limits=listener.limits,
        tls=network_tls(trust),
    )


def _tasks(worker: WorkerContext, outlook: Outlook) -> tuple[BackgroundTask, ...]:
    expiry = ExpiryJob(worker.settings.network.keys_dir, outlook.trust)
    return (
        BackgroundTask(name="directory", run=DirectoryPoll(worker, outlook).run),
        periodic("expiry", INTERVAL_S, expiry.turn),
    )


def _missing(trust: Trust, memory: CosignedMemory, clock: Clock) -> tuple[str, ...]:
    held_back = (CosignedForgottenError.problem,) if memory.is_held_back else ()
    return (*held_back, *trust.troubles(clock.now()))
