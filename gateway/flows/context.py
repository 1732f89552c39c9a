"""What every flow of a role works with, made once at start."""

from dataclasses import dataclass

from gateway.clock import Clock
from gateway.flows.cosigned_memory import CosignedMemory
from gateway.flows.gate import GateView
from gateway.flows.record import RecordWriter
from gateway.flows.trust import Trust
from gateway.flows.vault import Vault
from gateway.flows.witness_state import WitnessState
from gateway.outbound.peers import Peers
from gateway.storage.database import Database
from policies.measures import StopSwitch


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One worker's clock, database, record log, trust, keys, ways to others, and witnesses."""

    clock: Clock
    database: Database
    writer: RecordWriter
    trust: Trust
    vault: Vault
    peers: Peers
    gate: GateView[StopSwitch]
    witnesses: WitnessState
    cosigned: CosignedMemory
