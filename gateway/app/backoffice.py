"""The back-office listener of the gateway role: who issues its tokens, its TLS, its upkeep."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from certs.errors import CertsError
from certs.own_keys import CertificateFiles
from certs.tls import backoffice_server_context
from gateway.app.client_commands import client_commands
from gateway.app.roles import BackgroundTask, Command, ListenerSpec, WorkerContext, periodic
from gateway.errors import ConfigurationError
from gateway.flows.acquire_codes import AcquireCodes
from gateway.flows.change_codes import ChangeCodes
from gateway.flows.client_refusals import ClientRefusals
from gateway.flows.clients import Clients
from gateway.flows.context import Context
from gateway.flows.evidence import SecurityEvents
from gateway.flows.explain import Explain
from gateway.flows.flags import Flags
from gateway.flows.inquire import Inquire
from gateway.flows.load_replicas import LoadReplicas
from gateway.flows.read_replicas import ReadReplicas
from gateway.flows.sign_in_clients import SignInClients
from gateway.flows.wanted_codes import WantedCodes
from gateway.http.tls import TlsSource
from gateway.jobs.retention import End
from gateway.listeners.backoffice import app
from gateway.listeners.backoffice.services import LISTENER, BackofficeServices
from gateway.settings import BackofficeListener

TOKEN_PATH: Final = "/oauth2/token"  # noqa: S105  # a path, no password
EVENTS_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoffice:
    """What the gateway role serves its own back office with."""

    events: SecurityEvents
    listener: ListenerSpec
    tasks: tuple[BackgroundTask, ...]
    commands: dict[str, Command]
    ends: Mapping[str, End]
    """How the terms of this zone end that need more than a day or rows to go."""


def make_backoffice(worker: WorkerContext, context: Context, *, inquire: Inquire) -> Backoffice:
    """Return the back-office zone over the flows of one worker.

    Raises:
        ConfigurationError: there is no such listener, or its certificate cannot be used.
    """
    settings = worker.settings.listeners.backoffice
    if settings is None:
        raise ConfigurationError("role gateway: no backoffice listener")
    events = SecurityEvents(context, listener=LISTENER)
    issuer = issuer_of(context.trust.network, context.trust.organisation)
    services = BackofficeServices(
        sign_in=SignInClients(
            context, audiences=_audiences(worker, issuer), note_event=events.note
        ),
        refusals=ClientRefusals(context),
        inquire=inquire,
        acquire=AcquireCodes(context),
        change_codes=ChangeCodes(context),
        wanted=WantedCodes(context),
        load_replicas=LoadReplicas(context),
        read_replicas=ReadReplicas(context),
        flags=Flags(context),
        explain=Explain(context),
        issuer=issuer,
        wait_s_max=worker.settings.policies.wait_s_max,
    )
    return Backoffice(
        events=events,
        listener=ListenerSpec(
            name=LISTENER,
            application=app.build(
                services, limits=settings.limits, clock=context.clock, version=worker.version
            ),
            host=settings.host,
            limits=settings.limits,
            tls=TlsSource(_tls(context, settings), listener=LISTENER),
        ),
        tasks=_tasks(events),
        commands=dict(client_commands(Clients(context))),
        ends={
            "acquisition-numbers": services.acquire.end_stale,
            "replicas": services.load_replicas.sweep,
        },
    )


def issuer_of(network: str, organisation: str) -> str:
    """Return the name a gateway's token endpoint goes by, wherever it stands."""
    return f"urn:sekisho:{network}:{organisation}:{LISTENER}"


def _audiences(worker: WorkerContext, issuer: str) -> frozenset[str]:
    host, port = worker.addresses[LISTENER]
    return frozenset({issuer, f"https://{host}:{port}{TOKEN_PATH}"})


def _tls(context: Context, settings: BackofficeListener) -> ssl.SSLContext:
    """Return the listener's TLS: from the files the settings name, else from the key directory."""
    keys = context.trust.keys
    own, ca = keys.listener_certificate(LISTENER), keys.listener_ca(LISTENER)
    if settings.tls is not None:
        own = CertificateFiles(certificate=settings.tls.certificate, key=settings.tls.private_key)
        ca = settings.tls.client_ca or ca
    try:
        return backoffice_server_context(own, ca=ca)
    except CertsError as error:
        raise ConfigurationError(f"listeners.backoffice: {error}") from None


def _tasks(events: SecurityEvents) -> tuple[BackgroundTask, ...]:
    return (periodic("backoffice-events", EVENTS_S, events.turn),)
