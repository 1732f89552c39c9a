"""What the back-office zone's handlers work with, and who its callers are."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.domain.client import Registration
from gateway.flows.acquire_codes import AcquireCodes
from gateway.flows.change_codes import ChangeCodes
from gateway.flows.client_refusals import ClientRefusals
from gateway.flows.explain import Explain
from gateway.flows.flags import Flags
from gateway.flows.inquire import Inquire
from gateway.flows.load_replicas import LoadReplicas
from gateway.flows.read_replicas import ReadReplicas
from gateway.flows.sign_in_clients import PresentedCertificate, SignInClients
from gateway.flows.wanted_codes import WantedCodes
from gateway.http.routes import Call

LISTENER: Final = "backoffice"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackofficeServices:
    """The flows that back-office systems and the registry reach."""

    sign_in: SignInClients
    refusals: ClientRefusals
    inquire: Inquire
    acquire: AcquireCodes
    change_codes: ChangeCodes
    wanted: WantedCodes
    load_replicas: LoadReplicas
    read_replicas: ReadReplicas
    flags: Flags
    explain: Explain
    issuer: str
    wait_s_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A back-office system: what it is registered for, and what its token lets it do."""

    registration: Registration
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """Somebody with a certificate of this listener's CA, who has not signed in yet."""

    certificate: PresentedCertificate


Caller: TypeAlias = Client | Certified
BackofficeCall: TypeAlias = Call[BackofficeServices, Client]
CertifiedCall: TypeAlias = Call[BackofficeServices, Certified]
