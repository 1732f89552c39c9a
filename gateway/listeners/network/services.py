"""What the network zone's handlers work with."""

from dataclasses import dataclass
from typing import Final

from gateway.flows.evidence import SecurityEvents
from gateway.flows.notices import Notices
from gateway.flows.provide import Provide
from gateway.flows.take_deliveries import TakeDeliveries

LISTENER: Final = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkServices:
    """The flows that peers and the core reach."""

    provide: Provide
    deliveries: TakeDeliveries
    notices: Notices
    events: SecurityEvents
