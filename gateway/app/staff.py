"""The staff listener of a gateway or of the core: flows, TLS, upkeep, the first account."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from certs.errors import CertsError
from certs.own_keys import CertificateFiles
from certs.tls import staff_server_context
from gateway.app.roles import BackgroundTask, Command, ListenerSpec, WorkerContext, periodic
from gateway.errors import ConfigurationError, InvalidRequestError
from gateway.flows.archive_operations import ArchiveOperations
from gateway.flows.check_provisions import CheckProvisions
from gateway.flows.context import Context
from gateway.flows.correct_records import CorrectRecords
from gateway.flows.disclose_records import DiscloseRecords
from gateway.flows.erase_months import EraseMonths
from gateway.flows.evidence import SecurityEvents
from gateway.flows.export_records import ExportRecords
from gateway.flows.flags import Flags
from gateway.flows.reconcile_network import Reconcile
from gateway.flows.release import Release
from gateway.flows.review_flags import ReviewFlags
from gateway.flows.review_holds import ReviewHolds
from gateway.flows.review_operations import ReviewOperations
from gateway.flows.review_records import ReviewRecords
from gateway.flows.sign_in_staff import PasswordDoor, SignInStaff
from gateway.flows.staff_accounts import StaffAccounts
from gateway.flows.switch_measures import SwitchMeasures
from gateway.http.tls import TlsSource
from gateway.listeners.staff import app
from gateway.listeners.staff.services import LISTENER, LogStaffServices, StaffServices
from gateway.settings import StaffListener

EVENTS_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffZone:
    """What a role serves its own people with."""

    events: SecurityEvents
    listener: ListenerSpec
    tasks: tuple[BackgroundTask, ...]
    commands: Mapping[str, Command]


def make_staff(
    worker: WorkerContext,
    context: Context,
    *,
    release: Release,
    reconcile: Reconcile,
    checker: CheckProvisions,
    erase_months: EraseMonths,
    operations: ArchiveOperations,
) -> StaffZone:
    """Return the staff zone of a gateway over the flows of one worker.

    Raises:
        ConfigurationError: there is no such listener, or its certificate cannot be used.
    """
    settings = worker.settings.listeners.staff
    if settings is None:
        raise ConfigurationError("role gateway: no staff listener")
    events, door = SecurityEvents(context, listener=LISTENER), PasswordDoor()
    flags = Flags(context)
    services = StaffServices(
        sign_in=SignInStaff(context, events, door),
        accounts=StaffAccounts(context, door),
        release=release,
        review_holds=ReviewHolds(context, release),
        flags=flags,
        review_flags=ReviewFlags(context, flags),
        switches=SwitchMeasures(context),
        records=ReviewRecords(context),
        corrections=CorrectRecords(context),
        disclosures=DiscloseRecords(context),
        export=ExportRecords(context),
        reconcile=reconcile,
        checker=checker,
        erase_months=erase_months,
        operations=ReviewOperations(context, operations),
    )
    application = app.build(
        services, limits=settings.limits, clock=context.clock, version=worker.version
    )
    return _zone(context, settings, events, services.accounts, application)


def make_core_staff(
    worker: WorkerContext,
    context: Context,
    settings: StaffListener,
    *,
    erase_months: EraseMonths,
    operations: ArchiveOperations,
) -> StaffZone:
    """Return the staff zone of the core: who may agree that a month of its records goes.

    Raises:
        ConfigurationError: the listener's certificate cannot be used.
    """
    events, door = SecurityEvents(context, listener=LISTENER), PasswordDoor()
    services = LogStaffServices(
        sign_in=SignInStaff(context, events, door),
        accounts=StaffAccounts(context, door),
        erase_months=erase_months,
        operations=ReviewOperations(context, operations),
    )
    application = app.build_of_core(
        services, limits=settings.limits, clock=context.clock, version=worker.version
    )
    return _zone(context, settings, events, services.accounts, application)


def _zone(
    context: Context,
    settings: StaffListener,
    events: SecurityEvents,
    accounts: StaffAccounts,
    application: web.Application,
) -> StaffZone:
    return StaffZone(
        events=events,
        listener=ListenerSpec(
            name=LISTENER,
            application=application,
            host=settings.host,
            limits=settings.limits,
            tls=TlsSource(_tls(context, settings), listener=LISTENER),
        ),
        tasks=(periodic("staff-events", EVENTS_S, events.turn),),
        commands={"staff-add": first_account(accounts)},
    )


class FirstAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `staff-add`."""

    name: str
    password: str
    totp_secret: str | None = None

    def __repr__(self) -> str:
        return "FirstAccount(masked)"


def first_account(accounts: StaffAccounts) -> Command:
    """Return the command that makes the first account, for whoever runs the machine."""

    async def add(arguments: Mapping[str, object]) -> Mapping[str, object]:
        try:
            asked = msgspec.convert(arguments, FirstAccount)
        except msgspec.ValidationError:
            # `from None`: the original exception may carry a secret.
            raise InvalidRequestError("staff-add: name, password, totp_secret") from None
        made = await accounts.add_first(asked.name, asked.password, asked.totp_secret)
        return {
            "staff_id": made.staff_id,
            "totp_secret": made.factor.base32(),
            "totp_uri": made.uri,
        }

    return add


def _tls(context: Context, settings: StaffListener) -> ssl.SSLContext:
    """Return the listener's TLS: from the files the settings name, else from the key directory.

    A CA named in the settings asks browsers for a certificate as well (staff IC cards).
    """
    keys = context.trust.keys
    own, ca = keys.listener_certificate(LISTENER), keys.listener_ca(LISTENER)
    if settings.tls is not None:
        own = CertificateFiles(certificate=settings.tls.certificate, key=settings.tls.private_key)
        ca = settings.tls.client_ca or ca
    must_show = settings.tls is not None and settings.tls.client_ca is not None
    try:
        return staff_server_context(own, ca=ca, require_certificate=must_show)
    except CertsError as error:
        raise ConfigurationError(f"listeners.staff: {error}") from None
