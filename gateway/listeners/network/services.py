"""What the network zone's handlers work with."""

from dataclasses import dataclass
from typing import Final

from gateway.flows.checkpoints import Checkpoints
from gateway.flows.disclose_to_system import DiscloseToSystem
from gateway.flows.evidence import SecurityEvents
from gateway.flows.notices import Notices
from gateway.flows.own_statements import OwnStatements
from gateway.flows.provide import Provide
from gateway.flows.take_codes import TakeCodes
from gateway.flows.take_corrections import TakeCorrections
from gateway.flows.take_deliveries import TakeDeliveries
from gateway.flows.wanted_codes import WantedCodes
from gateway.flows.witnessing import Witnessing

LISTENER: Final = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkServices:
    """The flows that peers and the core reach."""

    provide: Provide
    deliveries: TakeDeliveries
    notices: Notices
    codes: TakeCodes
    wanted: WantedCodes
    statements: OwnStatements
    corrections: TakeCorrections
    disclosures: DiscloseToSystem
    checkpoints: Checkpoints
    witnessing: Witnessing
    events: SecurityEvents
