"""The floor every role stands on: trust, database, record log, storage keys, ways to others."""

import asyncio
import contextlib
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from certs.directory import ALLOW_LIST_BYTES_MAX, DIRECTORY_BYTES_MAX, Directory
from certs.errors import CertsError
from certs.keystore import KeyStore
from certs.own_keys import PrivateKeySet, read_public
from certs.tls import network_client_context, network_server_context
from gateway import metrics
from gateway.app.roles import BackgroundTask, WorkerContext, periodic
from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.flows.context import Context
from gateway.flows.cosigned_marks import CosignedMarks
from gateway.flows.cosigned_memory import LOOK_S as COSIGNED_LOOK_S
from gateway.flows.cosigned_memory import CosignedMemory
from gateway.flows.cosigning import Cosigning
from gateway.flows.gate import GateView
from gateway.flows.record import record_writer
from gateway.flows.record_check import look_at_slots
from gateway.flows.record_marks import ReleasedMarks
from gateway.flows.record_queue import FairQueue
from gateway.flows.record_start import open_streams
from gateway.flows.trust import Trust
from gateway.flows.trust_memory import ALLOW_LIST, DIRECTORY, HELD_PEERS, TrustMemory
from gateway.flows.vault import Vault
from gateway.flows.witness_calls import WitnessCalls
from gateway.flows.witness_state import LOOK_S, WitnessState
from gateway.http.tls import TlsSource
from gateway.jobs.witnesses import WitnessJob
from gateway.logs import get_logger
from gateway.outbound.errors import MessageRefusedError, PeerNotAuthenticError
from gateway.outbound.peers import Fetched, Peers, Route
from gateway.storage.database import Database
from gateway.storage.gate import read_gate_version
from policies.facts import FactsError
from policies.measures import StopSwitch

log = get_logger()

NETWORK: Final = "network"
DIRECTORY_PATH: Final = "/v1/directory"
ALLOW_LIST_PATH: Final = "/v1/allow-list"
LOOK_S_MIN: Final = 1.0

ReadSwitches = Callable[[Database], Awaitable[tuple[int, Sequence[StopSwitch]]]]


@asynccontextmanager
async def laid_floor(
    worker: WorkerContext, *, load_gate: ReadSwitches | None = None
) -> AsyncIterator[Context]:
    """Hold what every flow works with, for the life of one worker.

    Raises:
        ConfigurationError: keys, directory or allow list cannot be used.
        NoFreeSlotError: other workers hold every slot.
    """
    settings = worker.settings
    trust = open_trust(worker)
    tell_versions(trust)
    async with AsyncExitStack() as stack:
        database = await worker.open_database()
        stack.push_async_callback(database.close)
        await trust_memory(worker, database, trust).recall()
        keys = worker.key_store()
        await _ready_streams(worker, database, trust, keys)
        peers = Peers(RouteBook(trust).route)
        trust.watch(lambda _new, _old: peers.retire_changed())
        stack.push_async_callback(peers.close)
        writer = await stack.enter_async_context(
            record_writer(
                database=database,
                organisation=trust.organisation,
                signer=trust.log_signer_at(worker.clock.now()),
                keys=keys,
                clock=worker.clock,
                marks=ReleasedMarks(settings.released_dir),
                queue=FairQueue(
                    queue_entries_max=settings.records.queue_entries_max,
                    batch_entries_max=settings.records.batch_entries_max,
                ),
                elsewhere=WitnessCalls(trust=trust, peers=peers, clock=worker.clock),
                is_replicated=settings.records.durability == "replicated",
            )
        )
        writer.sign_with(trust.log_signer_at)
        witnesses = WitnessState(trust, database, worker.clock)
        await witnesses.look()
        load = load_gate or _gate_alone
        yield Context(
            clock=worker.clock,
            database=database,
            writer=writer,
            trust=trust,
            vault=Vault(keys),
            peers=peers,
            gate=GateView(lambda: load(database)),
            witnesses=witnesses,
            cosigned=await cosigned_memory(worker, database),
        )


async def _ready_streams(
    worker: WorkerContext, database: Database, trust: Trust, keys: KeyStore
) -> None:
    """Open what streams there are not yet, and look whether the others are whole."""
    await open_streams(
        database=database,
        network=trust.network,
        organisation=trust.organisation,
        slots=trust.directory.organisation(trust.organisation).slots,
        key_set_digest=trust.keys.key_set.digest,
        keys=keys,
        clock=worker.clock,
    )
    await look_at_slots(database)


def witness_tasks(context: Context) -> tuple[BackgroundTask, ...]:
    """Return what has our records cosigned, and what looks how far that is."""
    look = context.witnesses.look

    async def on_conflict(slot: int, _witness: str, _size: int) -> None:
        await context.writer.doubt(slot)

    job = WitnessJob(context, Cosigning(context, on_conflict=on_conflict))
    return (
        BackgroundTask(name="witnesses", run=job.run),
        periodic("witness-state", LOOK_S, look),
        cosigned_task(context.cosigned),
    )


async def cosigned_memory(worker: WorkerContext, database: Database) -> CosignedMemory:
    """Return what this worker remembers of what was cosigned for others."""
    memory = CosignedMemory(database, CosignedMarks(worker.settings.cosigned_dir))
    await memory.begin()
    return memory


def cosigned_task(memory: CosignedMemory) -> BackgroundTask:
    """Return what learns that the operator let this witness go on, at another worker."""
    return periodic("cosigned", COSIGNED_LOOK_S, memory.look)


def trust_memory(worker: WorkerContext, database: Database, trust: Trust) -> TrustMemory:
    """Return what remembers this worker's trust."""
    return TrustMemory(
        database=database,
        trust=trust,
        keys_dir=worker.settings.network.keys_dir,
        clock=worker.clock,
    )


def open_trust(worker: WorkerContext) -> Trust:
    """Return trust from the documents kept beside the keys, or raise `ConfigurationError`."""
    settings = worker.settings
    keys_dir = settings.network.keys_dir
    try:
        keys = PrivateKeySet.load(keys_dir)
        trust = Trust.open(
            keys=keys,
            raw_directory=read_public(keys_dir / DIRECTORY),
            raw_allow_list=read_public(keys_dir / ALLOW_LIST),
            clock=worker.clock,
            environment=settings.environment,
            raw_held=_held_peers(keys_dir),
            holds_peers=settings.role != "core",
        )
    except (CertsError, FactsError) as error:
        raise ConfigurationError(f"{keys_dir}: {error}") from None
    if (trust.network, trust.organisation) != (settings.network.name, settings.organisation):
        raise ConfigurationError(
            f"{keys_dir}: keys of {trust.organisation} on {trust.network}, not as the settings say"
        )
    return trust


def _held_peers(keys_dir: Path) -> bytes | None:
    path = keys_dir / HELD_PEERS
    return read_public(path) if path.exists() else None


class RouteBook:
    """Where each peer is and the context that trusts its certificates alone; remade on change."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._routes: dict[str, Route] = {}

    def route(self, organisation: str) -> Route:
        """Return the way to an organisation of the present directory, or raise `CertsError`."""
        directory = self._trust.directory
        anchors = directory.certificates(organisation)
        url = directory.organisation(organisation).url
        own = self._trust.network_certificate
        version = (url, own, tuple(anchor.sha256 for anchor in anchors))
        route = self._routes.get(organisation)
        if route is None or route.version != version:
            context = network_client_context(own, anchors)
            route = Route(url=url, context=context, version=version)
            self._routes[organisation] = route
        return route


def network_tls(trust: Trust) -> TlsSource:
    """Return the network listener's TLS, which follows the directory."""

    def context(directory: Directory) -> ssl.SSLContext:
        return network_server_context(trust.network_certificate, directory.all_certificates())

    source = TlsSource(context(trust.directory), listener=NETWORK)

    def follow(new: Directory, _old: Directory | None) -> None:
        pinned = {certificate.sha256 for certificate in new.all_certificates()}
        source.replace(context(new), keeps=lambda sha256: sha256 in pinned)

    trust.watch(follow)
    return source


class Following(Protocol):
    """Whoever follows the directory: as `Context`, or with less."""

    @property
    def clock(self) -> Clock:
        """Return its clock."""
        ...

    @property
    def database(self) -> Database:
        """Return where the highest version seen is kept."""
        ...

    @property
    def trust(self) -> Trust:
        """Return what adopts the directory."""
        ...

    @property
    def peers(self) -> Peers:
        """Return the way to the core."""
        ...


class DirectoryPoll:
    """Fetches the directory from the core, adopts what holds, and keeps it beside the keys."""

    def __init__(
        self,
        worker: WorkerContext,
        context: Following,
        *,
        looked: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`looked` is called after every look, whether another directory was adopted or not."""
        self.memory: Final = trust_memory(worker, context.database, context.trust)
        self._interval_s = worker.settings.network.directory_poll_s
        self._looked = looked
        self._context = context
        self._clock = context.clock
        self._wake = asyncio.Event()
        self._looking = asyncio.Lock()
        self._asked_at = -math.inf

    def wake(self) -> None:
        """Look now: somebody showed us a newer version."""
        self._wake.set()

    async def run(self) -> None:
        """Look again and again until cancelled; what cannot be verified changes nothing."""
        while True:
            await self.look()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._wake.wait()

    async def look_soon(self) -> None:
        """Fetch because somebody showed us something unknown; at most every second.

        Who shows us nonsense must not make us ask the core as often.
        """
        async with self._looking:
            if self._clock.monotonic() >= self._asked_at + LOOK_S_MIN:
                self._asked_at = self._clock.monotonic()
                await self.look()

    async def look(self) -> bool:
        """Fetch and adopt once; tells whether the directory changed."""
        changed = await self._look()
        if self._looked is not None:
            await self._looked()
        return changed

    async def _look(self) -> bool:
        trust, peers = self._context.trust, self._context.peers
        trust.turn()
        try:
            fetched = await self._fetched()
            trust.compare_clocks(fetched.date, self._context.clock.now())
            raw, allow_list = fetched.body, None
            if trust.needs_allow_list(raw):
                listed = await peers.get(
                    trust.core, ALLOW_LIST_PATH, bytes_max=ALLOW_LIST_BYTES_MAX
                )
                allow_list = listed.body
            await self.memory.hear()
            changed = trust.adopt(raw, allow_list)
        except (CertsError, FactsError) as error:
            metrics.DIRECTORIES_REFUSED.labels(reason=error.reason).inc()
            log.warning("directory_refused", reason=error.reason)
            return False
        except Exception as error:  # noqa: BLE001 - the directory in use lives on until it expires
            log.warning("directory_not_fetched", problem=type(error).__name__)
            return False
        if changed:
            await self.memory.keep(raw, allow_list)
            log.info("directory_adopted", version=trust.directory.version)
        return changed

    async def _fetched(self) -> Fetched:
        """Return the core's answer; once more by our newest certificate where it refuses us."""
        trust, peers = self._context.trust, self._context.peers
        try:
            return await peers.get(trust.core, DIRECTORY_PATH, bytes_max=DIRECTORY_BYTES_MAX)
        except (PeerNotAuthenticError, MessageRefusedError):
            trust.go_ahead()
        return await peers.get(trust.core, DIRECTORY_PATH, bytes_max=DIRECTORY_BYTES_MAX)


def tell_versions(trust: Trust) -> None:
    """Tell Prometheus which directory is in use, now and whenever another one is."""
    _tell_version(trust.directory, None)
    trust.watch(_tell_version)


def _tell_version(new: Directory, _old: Directory | None) -> None:
    metrics.DIRECTORY_VERSION.set(new.version)
    metrics.DIRECTORY_EXPIRES.set(new.expires.timestamp())


async def _gate_alone(database: Database) -> tuple[int, Sequence[StopSwitch]]:
    async with database.read() as connection:
        return await read_gate_version(connection), ()
