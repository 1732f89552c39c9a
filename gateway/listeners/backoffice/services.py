"""What the back-office zone's handlers work with, and who its callers are."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.domain.client import Registration
from gateway.flows.inquire import Inquire
from gateway.http.routes import Call

LISTENER: Final = "backoffice"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackofficeServices:
    """The flows that back-office systems and the registry reach."""

    inquire: Inquire
    wait_s_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A back-office system: what it is registered for, and what its token lets it do."""

    registration: Registration
    scopes: frozenset[str]


BackofficeCall: TypeAlias = Call[BackofficeServices, Client]
