"""The role core: desks over one floor, what is told from the outbox, what is published."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from gateway.app.cosigning_commands import cosigning_commands
from gateway.app.disclosure_commands import disclosure_commands
from gateway.app.export_command import export_command
from gateway.app.floor import NETWORK, laid_floor, network_tls, witness_tasks
from gateway.app.limits import limit_by_organisation
from gateway.app.retention import retention_commands, retention_job, retention_tasks
from gateway.app.roles import (
    BackgroundTask,
    Command,
    ListenerSpec,
    RoleApp,
    WorkerContext,
    periodic,
)
from gateway.app.staff import StaffZone, make_core_staff
from gateway.core import code_deliveries, notices
from gateway.core.code_book import CodeBook
from gateway.core.code_deliveries import CodeDeliveries
from gateway.core.disclosures import DisclosureDesk
from gateway.core.notices import Notices
from gateway.core.publication import Publication
from gateway.core.routes import ROUTES
from gateway.core.services import CoreServices
from gateway.core.upkeep import prepare_days
from gateway.errors import ConfigurationError
from gateway.flows.archive_operations import ArchiveOperations
from gateway.flows.context import Context
from gateway.flows.erase_months import EraseMonths
from gateway.flows.key_store_copies import KeyStoreCopies
from gateway.flows.peer_slots import TURN_S
from gateway.http.application import build_application
from gateway.http.members import authenticate_and_note
from gateway.jobs.expiry import INTERVAL_S as EXPIRY_INTERVAL_S
from gateway.jobs.expiry import ExpiryJob
from gateway.jobs.key_store_copies import copies_of
from gateway.jobs.outbox import OutboxJob
from gateway.jobs.retention import End, nothing
from gateway.jobs.retired_keys import INTERVAL_S as RETIRED_KEYS_S
from gateway.jobs.retired_keys import RetiredKeysJob
from gateway.settings import CoreSettings
from gateway.storage.database import Database
from policies.measures import StopSwitch

PUBLICATION_S: Final = 0.5
EVENTS_S: Final = 60.0
FORKS_S: Final = 60.0


class _LateGate:
    """The gate is read before anybody decides, and the publication that reads it is made later."""

    publication: Publication | None = None

    async def load(self, _database: Database) -> tuple[int, Sequence[StopSwitch]]:
        """Return the gate's version with the directory taken that was published under it."""
        if self.publication is None:
            raise ConfigurationError("core: the gate was asked before the core was built")
        return await self.publication.load_gate()


async def build(worker: WorkerContext) -> RoleApp:
    """Return the core, built in one worker."""
    settings = worker.settings
    stack, gate = AsyncExitStack(), _LateGate()
    try:
        context = await stack.enter_async_context(laid_floor(worker, load_gate=gate.load))
        publication = gate.publication = Publication.open(
            context, keys=settings.network.keys_dir, environment=settings.environment
        )
        context.trust.fetch_with(publication.follow)
        await prepare_days(context)
        codes = CodeBook(context.vault.keys)
        services = CoreServices.of(context, codes, publication, settings.core or CoreSettings())
        outbox = _outbox(context, codes)
        months = _months(worker, context)
        retention = retention_job(context, _ends(outbox, months), months.copies, of_core=True)
        work = _Work(
            tasks=(
                *_tasks(services, outbox, RetiredKeysJob(context)),
                periodic(
                    "expiry",
                    EXPIRY_INTERVAL_S,
                    ExpiryJob(settings.network.keys_dir, context.trust).turn,
                ),
                *retention_tasks(context, retention),
            ),
            commands={
                **export_command(context),
                **retention_commands(retention),
                **cosigning_commands(context.cosigned),
                **disclosure_commands(DisclosureDesk(context, codes)),
            },
            staff=_staff(worker, context, months),
        )
        return _role(worker, context, services, work, stack)
    except BaseException:
        await stack.aclose()
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the core does beside its desks."""

    tasks: tuple[BackgroundTask, ...]
    commands: Mapping[str, Command]
    staff: StaffZone | None
    """Only where a site wants people at the core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Months:
    """What sees to the end of the core's own months of records."""

    erase: EraseMonths
    operations: ArchiveOperations
    copies: KeyStoreCopies


def _months(worker: WorkerContext, context: Context) -> _Months:
    archives = worker.settings.archives_dir
    copies = copies_of(context, worker.settings.data_dir)
    return _Months(
        erase=EraseMonths(
            database=context.database,
            writer=context.writer,
            keys=context.vault.keys,
            archives=archives,
            copies=copies,
            clock=context.clock,
        ),
        operations=ArchiveOperations(context, archives),
        copies=copies,
    )


def _staff(worker: WorkerContext, context: Context, months: _Months) -> StaffZone | None:
    settings = worker.settings.listeners.staff
    if settings is None:
        return None
    return make_core_staff(
        worker, context, settings, erase_months=months.erase, operations=months.operations
    )


def _ends(outbox: OutboxJob, months: _Months) -> dict[str, End]:
    """Return how those terms end that the core has in common with gateways."""
    return {
        "outbox": outbox.sweep,
        "staff-sessions": nothing,
        "records": months.erase.turn,
        "operation-records": months.operations.turn,
    }


def _outbox(context: Context, codes: CodeBook) -> OutboxJob:
    return OutboxJob(
        context.database,
        {
            notices.KIND: Notices(context, codes).send_rows,
            code_deliveries.KIND: CodeDeliveries(context, codes).send_rows,
        },
    )


def _tasks(
    services: CoreServices, outbox: OutboxJob, retired: RetiredKeysJob
) -> tuple[BackgroundTask, ...]:
    publication, events = services.publication, services.events
    return (
        periodic("publication", PUBLICATION_S, publication.turn),
        periodic("security-events", EVENTS_S, events.turn),
        periodic("forks", FORKS_S, services.forks.record),
        periodic("peer-slots", TURN_S, services.peer_slots.turn),
        BackgroundTask(name="outbox", run=outbox.run),
        periodic("retired-keys", RETIRED_KEYS_S, retired.turn),
    )


def _role(
    worker: WorkerContext,
    context: Context,
    services: CoreServices,
    work: _Work,
    stack: AsyncExitStack,
) -> RoleApp:
    publication = services.publication
    staff = work.staff

    def not_ready() -> tuple[str, ...]:
        missing = []
        if context.writer.is_stopped:
            missing.append("record-slot-stopped")
        missing += context.trust.troubles(context.clock.now())
        if not publication.is_published:
            missing.append("directory-not-published")
        missing += context.witnesses.obstacles(context.clock.now())
        return tuple(missing)

    async def drain() -> None:
        await services.events.close()
        if staff is not None:
            await staff.events.close()

    return RoleApp(
        listeners=(
            _listener(worker, context, services),
            *((staff.listener,) if staff else ()),
        ),
        tasks=(*work.tasks, *witness_tasks(context), *(staff.tasks if staff else ())),
        commands={**work.commands, **(staff.commands if staff else {})},
        not_ready=not_ready,
        drain=drain,
        close=stack.aclose,
    )


def _listener(worker: WorkerContext, context: Context, services: CoreServices) -> ListenerSpec:
    listener = worker.settings.listeners.network
    if listener is None:
        raise ConfigurationError("role core: no network listener")
    return ListenerSpec(
        name=NETWORK,
        application=build_application(
            ROUTES,
            listener=NETWORK,
            version=worker.version,
            services=services,
            authenticate=authenticate_and_note(context.trust, services.events),
            limit=limit_by_organisation(listener.limits, worker.clock),
        ),
        host=listener.host,
        limits=listener.limits,
        tls=network_tls(context.trust),
    )
