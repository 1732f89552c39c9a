"""The role resident-network: a stand-in for J-LIS, between registries and the core."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from certs.errors import CertsError
from certs.tls import backoffice_server_context
from codes.errors import CodesError
from gateway.app.floor import NETWORK, DirectoryPoll, laid_floor
from gateway.app.limits import limit_by_organisation
from gateway.app.peer_commands import peer_commands
from gateway.app.roles import BackgroundTask, ListenerSpec, RoleApp, WorkerContext, periodic
from gateway.core.resident_file import read_chunks
from gateway.core.resident_network import ResidentNetwork, read_people
from gateway.core.resident_routes import ROUTES, authenticate_registries
from gateway.errors import ConfigurationError, InvalidRequestError
from gateway.flows.context import Context
from gateway.flows.unconfirmed_peers import UnconfirmedPeers
from gateway.http.application import build_application
from gateway.http.tls import TlsSource

LOAD_COMMAND: Final = "residents-load"
PEERS_S: Final = 5.0
BACKOFFICE: Final = "backoffice"
"""The CA and server certificate for those who are no members of the network."""


class _Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of the command: lines of My Number and resident-record code."""

    residents: list[tuple[str, str]]


async def build(worker: WorkerContext) -> RoleApp:
    """Return the resident network's stand-in, built in one worker."""
    settings = worker.settings
    if settings.resident_network is None or settings.listeners.network is None:
        raise ConfigurationError("role resident-network: [resident_network], [listeners.network]")
    stack = AsyncExitStack()
    try:
        context = await stack.enter_async_context(laid_floor(worker))
        network = ResidentNetwork(context)
        await load_file(network, settings.resident_network.residents)
        listener = settings.listeners.network
        poll = DirectoryPoll(worker, context)
        peers = UnconfirmedPeers(context, poll.memory, delay=settings.network.delay)
        return RoleApp(
            listeners=(
                ListenerSpec(
                    name=NETWORK,
                    application=build_application(
                        ROUTES,
                        listener=NETWORK,
                        version=worker.version,
                        services=network,
                        authenticate=authenticate_registries(context.trust),
                        limit=limit_by_organisation(listener.limits, worker.clock),
                    ),
                    host=listener.host,
                    limits=listener.limits,
                    tls=_tls(context),
                ),
            ),
            tasks=(
                BackgroundTask(name="directory", run=poll.run),
                periodic("peers", PEERS_S, peers.turn),
            ),
            commands={
                LOAD_COMMAND: lambda arguments: load_command(network, arguments),
                **peer_commands(peers, context.trust),
            },
            not_ready=lambda: _missing(context),
            close=stack.aclose,
        )
    except BaseException:
        await stack.aclose()
        raise


async def load_file(network: ResidentNetwork, path: Path) -> None:
    """Load the residents' file that the settings name, if it is there; again and again alike."""
    for lines in await asyncio.to_thread(_read_file, path):
        await _load(network, lines)


async def load_command(
    network: ResidentNetwork, arguments: Mapping[str, object]
) -> Mapping[str, object]:
    """Load lines that came over the control socket; tell how many, and how many codes changed."""
    try:
        lines = msgspec.convert(arguments, _Load).residents
    except msgspec.ValidationError:
        # `from None`: the original exception may carry a number.
        raise InvalidRequestError("residents: lines of two texts") from None
    changed = await _load(network, lines)
    return {"loaded": len(lines), "changed": changed}


async def _load(network: ResidentNetwork, lines: Sequence[tuple[str, str]]) -> int:
    if not lines:
        return 0
    try:
        people = read_people(lines)
    except CodesError as error:
        raise InvalidRequestError(f"residents: {error.reason}") from None
    return await network.load(people)


def _read_file(path: Path) -> list[list[tuple[str, str]]]:
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(read_chunks(file))
    except (InvalidRequestError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _tls(context: Context) -> TlsSource:
    """Return the TLS of a listener for those whom our own CA gave a certificate."""
    keys = context.trust.keys
    try:
        server = backoffice_server_context(
            keys.listener_certificate(BACKOFFICE), ca=keys.listener_ca(BACKOFFICE)
        )
    except CertsError as error:
        raise ConfigurationError(f"resident network: {error}") from None
    return TlsSource(server, listener=NETWORK)


def _missing(context: Context) -> tuple[str, ...]:
    return context.trust.troubles(context.clock.now())
