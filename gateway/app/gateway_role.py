"""The role `gateway`: one organisation's flows behind its listeners, built in one worker."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from codes.canonical import tokyo_day
from gateway.app.backoffice import make_backoffice
from gateway.app.cosigning_commands import cosigning_commands
from gateway.app.floor import DirectoryPoll, laid_floor, network_tls, witness_tasks
from gateway.app.limits import limit_by_organisation
from gateway.app.peer_commands import peer_commands
from gateway.app.retention import retention_commands, retention_job, retention_tasks
from gateway.app.roles import BackgroundTask, ListenerSpec, RoleApp, WorkerContext, periodic
from gateway.app.staff import make_staff
from gateway.errors import ConfigurationError
from gateway.flows import peer_slots
from gateway.flows.answering import Answering
from gateway.flows.answers import Answers
from gateway.flows.archive_operations import ArchiveOperations
from gateway.flows.check_provisions import CheckProvisions
from gateway.flows.checkpoints import Checkpoints
from gateway.flows.context import Context
from gateway.flows.continue_inquiry import Continuations
from gateway.flows.deliver import Deliver
from gateway.flows.delivery_drafts import KIND as DELIVERY
from gateway.flows.delivery_drafts import DeliveryDrafts
from gateway.flows.disclose_to_system import DiscloseToSystem
from gateway.flows.erase_months import EraseMonths
from gateway.flows.evidence import SecurityEvents
from gateway.flows.forks import Forks
from gateway.flows.given_up import TURN_S as GIVEN_UP_S
from gateway.flows.given_up import AnswersToGivenUp
from gateway.flows.inquire import Inquire
from gateway.flows.keep_basis import KeepBasis
from gateway.flows.key_store_copies import KeyStoreCopies
from gateway.flows.notices import Notices
from gateway.flows.outcomes import KIND as OUTCOME
from gateway.flows.outcomes import Outcomes
from gateway.flows.own_statements import OwnStatements
from gateway.flows.peer_slots import PeerSlots
from gateway.flows.provide import Provide
from gateway.flows.receipts import Receipts
from gateway.flows.reconcile_network import Reconcile
from gateway.flows.release import Release
from gateway.flows.replica_reader import ReplicaReader
from gateway.flows.take_codes import TakeCodes
from gateway.flows.take_corrections import TakeCorrections
from gateway.flows.take_deliveries import TakeDeliveries
from gateway.flows.tell_corrections import KIND as CORRECTION
from gateway.flows.tell_corrections import TellCorrections
from gateway.flows.trust import LookForDirectory
from gateway.flows.unconfirmed_peers import UnconfirmedPeers
from gateway.flows.wanted_codes import WantedCodes
from gateway.flows.witnessing import Witnessing
from gateway.jobs.expiry import INTERVAL_S as EXPIRY_INTERVAL_S
from gateway.jobs.expiry import ExpiryJob
from gateway.jobs.inquiries import InquiryJob
from gateway.jobs.key_store_copies import copies_of
from gateway.jobs.outbox import OutboxJob
from gateway.jobs.provision_check import INTERVAL_S as CHECK_INTERVAL_S
from gateway.jobs.provision_check import ProvisionCheckJob
from gateway.jobs.reconciliation import INTERVAL_S as RECONCILIATION_INTERVAL_S
from gateway.jobs.reconciliation import ReconciliationJob
from gateway.jobs.retention import End
from gateway.jobs.retired_keys import INTERVAL_S as RETIRED_KEYS_S
from gateway.jobs.retired_keys import RetiredKeysJob
from gateway.listeners.network import app as network
from gateway.listeners.network.services import NetworkServices
from gateway.settings import Settings
from gateway.storage import provisions, switches
from gateway.storage.database import Database
from gateway.storage.gate import read_gate_version
from policies.measures import StopSwitch
from policies.release import ReleaseRules, RulesError, shipped_rules

TAKE_UP_S = 2.0
PEERS_S = 5.0
EVENTS_S = 60.0
FORKS_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The use-cases of one worker, in the order they are built."""

    outcomes: Outcomes
    receipts: Receipts
    continuations: Continuations
    inquire: Inquire
    answering: Answering
    answers: Answers
    provide: Provide
    deliveries: TakeDeliveries
    notices: Notices
    release: Release
    deliver: Deliver
    given_up: AnswersToGivenUp
    reconcile: Reconcile
    checker: CheckProvisions
    erase_months: EraseMonths
    operations: ArchiveOperations
    events: SecurityEvents
    forks: Forks
    copies: KeyStoreCopies


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One organisation's gateway in one worker: its floor, its use-cases, what is served."""

    context: Context
    flows: Flows
    role: RoleApp


async def build(worker: WorkerContext) -> RoleApp:
    """Return the gateway of one organisation, ready to be served."""
    return (await compose(worker)).role


async def compose(worker: WorkerContext) -> Gateway:
    """Return the gateway with its parts in sight; closing its role closes them."""
    stack = AsyncExitStack()
    try:
        context = await stack.enter_async_context(laid_floor(worker, load_gate=read_gate))
        rules = read_rules(worker.settings)
        basis = KeepBasis(context, rules)
        await basis.begin()
        poll = DirectoryPoll(worker, context, looked=basis.keep)
        context.trust.fetch_with(poll.look_soon)
        flows = make_flows(
            context,
            rules=rules,
            archives=worker.settings.archives_dir,
            copies=copies_of(context, worker.settings.data_dir),
            look_for_directory=poll.look,
        )
        role = _role(worker, context, flows, poll, stack)
        return Gateway(context=context, flows=flows, role=role)
    except BaseException:
        await stack.aclose()
        raise


def make_flows(
    context: Context,
    *,
    rules: ReleaseRules,
    archives: Path,
    copies: KeyStoreCopies,
    look_for_directory: LookForDirectory,
) -> Flows:
    """Return the use-cases over one floor."""

    async def received(permit_ids: Sequence[str]) -> None:
        today = tokyo_day(context.clock.now())
        async with context.database.read() as connection:
            await provisions.forget_sealed(connection, permit_ids, today)

    outcomes = Outcomes(context, received=received)
    receipts = Receipts(context, outcomes)
    continuations = Continuations(context, receipts, look_for_directory=look_for_directory)
    answering = Answering(context, ReplicaReader(context.vault, context.clock), rules)
    answers = Answers(context, outcomes, rules_version=rules.version)
    return Flows(
        outcomes=outcomes,
        receipts=receipts,
        continuations=continuations,
        inquire=Inquire(context, continuations),
        answering=answering,
        answers=answers,
        provide=Provide(
            context, answering, answers, outcomes, look_for_directory=look_for_directory
        ),
        deliveries=TakeDeliveries(context, receipts, continuations),
        notices=Notices(context),
        release=Release(context, answering, DeliveryDrafts(context, outcomes)),
        deliver=Deliver(context, answering),
        given_up=AnswersToGivenUp(context, receipts),
        reconcile=Reconcile(context, receipts, outcomes),
        checker=CheckProvisions(context),
        erase_months=EraseMonths(
            database=context.database,
            writer=context.writer,
            keys=context.vault.keys,
            archives=archives,
            copies=copies,
            clock=context.clock,
        ),
        operations=ArchiveOperations(context, archives),
        events=SecurityEvents(context, listener="network"),
        forks=Forks(context.database, context.clock, context.writer),
        copies=copies,
    )


async def read_gate(database: Database) -> tuple[int, list[StopSwitch]]:
    """Return the gate's version and the switches that stand, of one instant."""
    async with database.snapshot() as connection:
        return await read_gate_version(connection), await switches.active(connection)


def read_rules(settings: Settings) -> ReleaseRules:
    """Return the site's release rules, or those that come with the program."""
    path: Path | None = settings.policies.release_rules
    if path is None:
        return shipped_rules()
    try:
        return ReleaseRules.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RulesError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _role(
    worker: WorkerContext,
    context: Context,
    flows: Flows,
    poll: DirectoryPoll,
    stack: AsyncExitStack,
) -> RoleApp:
    peers = UnconfirmedPeers(context, poll.memory, delay=worker.settings.network.delay)
    backoffice = make_backoffice(worker, context, inquire=flows.inquire)
    staff = make_staff(
        worker,
        context,
        release=flows.release,
        reconcile=flows.reconcile,
        checker=flows.checker,
        erase_months=flows.erase_months,
        operations=flows.operations,
    )
    ends = _ends(context, flows) | dict(backoffice.ends)
    retention = retention_job(context, ends, flows.copies, of_core=False)

    async def drain() -> None:
        for events in (flows.events, backoffice.events, staff.events):
            await events.close()
        await flows.continuations.close()
        await flows.outcomes.close()

    return RoleApp(
        listeners=(*_listeners(worker, context, flows), backoffice.listener, staff.listener),
        tasks=(
            *_tasks(worker, context, flows, poll),
            *retention_tasks(context, retention),
            periodic("peers", PEERS_S, peers.turn),
            *backoffice.tasks,
            *staff.tasks,
        ),
        commands={
            **backoffice.commands,
            **staff.commands,
            **peer_commands(peers, context.trust),
            **retention_commands(retention),
            **cosigning_commands(context.cosigned),
        },
        not_ready=lambda: _not_ready(context),
        drain=drain,
        close=stack.aclose,
    )


def _not_ready(context: Context) -> tuple[str, ...]:
    now = context.clock.now()
    stopped = ("record-slot-stopped",) if context.writer.is_stopped else ()
    return (*stopped, *context.trust.troubles(now), *context.witnesses.obstacles(now))


def _tasks(
    worker: WorkerContext, context: Context, flows: Flows, poll: DirectoryPoll
) -> tuple[BackgroundTask, ...]:
    expiry = ExpiryJob(worker.settings.network.keys_dir, context.trust)
    inquiries = InquiryJob(context, flows.continuations)
    check = ProvisionCheckJob(context, flows.checker)
    reconciliation = ReconciliationJob(context, flows.reconcile)
    outbox = _outbox(context, flows)
    return (
        BackgroundTask(name="directory", run=poll.run),
        BackgroundTask(name="outbox", run=outbox.run),
        *witness_tasks(context),
        periodic("expiry", EXPIRY_INTERVAL_S, expiry.turn),
        periodic("security-events", EVENTS_S, flows.events.turn),
        periodic("forks", FORKS_S, flows.forks.record),
        periodic("peer-slots", peer_slots.TURN_S, PeerSlots(context, flows.forks).turn),
        periodic("take-up", TAKE_UP_S, inquiries.take_up),
        periodic("given-up", GIVEN_UP_S, flows.given_up.turn),
        periodic("reconciliation", RECONCILIATION_INTERVAL_S, reconciliation.turn),
        periodic("provision-check", CHECK_INTERVAL_S, check.turn),
        periodic("retired-keys", RETIRED_KEYS_S, RetiredKeysJob(context).turn),
    )


def _outbox(context: Context, flows: Flows) -> OutboxJob:
    return OutboxJob(
        context.database,
        {
            OUTCOME: flows.outcomes.send_rows,
            DELIVERY: flows.deliver.send_rows,
            CORRECTION: TellCorrections(context).send_rows,
        },
    )


def _ends(context: Context, flows: Flows) -> dict[str, End]:
    """Return how the terms end that need an entry or a rule of their own."""
    inquiries = InquiryJob(context, flows.continuations)
    return {
        "inquiries-open": inquiries.end_lapsed,
        "results": inquiries.end_unfetched,
        "notices": flows.notices.turn,
        "holds-open": flows.release.end_lapsed,
        "outbox": _outbox(context, flows).sweep,
        "records": flows.erase_months.turn,
        "operation-records": flows.operations.turn,
    }


def _listeners(worker: WorkerContext, context: Context, flows: Flows) -> tuple[ListenerSpec, ...]:
    settings = worker.settings.listeners
    if settings.network is None:
        raise ConfigurationError("role gateway: no network listener")
    services = NetworkServices(
        provide=flows.provide,
        deliveries=flows.deliveries,
        notices=flows.notices,
        codes=TakeCodes(context),
        wanted=WantedCodes(context),
        statements=OwnStatements(context),
        corrections=TakeCorrections(context),
        disclosures=DiscloseToSystem(context, flows.erase_months),
        checkpoints=Checkpoints(context),
        witnessing=Witnessing(
            trust=context.trust,
            memory=context.cosigned,
            clock=context.clock,
            forks=flows.forks,
        ),
        events=flows.events,
    )
    return (
        ListenerSpec(
            name="network",
            application=network.build(
                services,
                context.trust,
                version=worker.version,
                limit=limit_by_organisation(settings.network.limits, worker.clock),
            ),
            host=settings.network.host,
            limits=settings.network.limits,
            tls=network_tls(context.trust),
        ),
    )
