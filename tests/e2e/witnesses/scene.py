"""Logs of the parties, made to say anything, and the wire to their witnesses."""

from dataclasses import dataclass, field
from typing import Final

import aiohttp

from certs.log_keys import LogSigner
from certs.tls import network_client_context
from gateway.demo import cast
from gateway.flows.context import Context
from gateway.flows.cosigning import Cosigning
from gateway.flows.record_marks import Mark
from gateway.flows.record_types import Draft, Recorded
from gateway.jobs.witnesses import WitnessJob
from gateway.records.note import Checkpoint, sign_checkpoint
from gateway.records.proof_files import write_witness_request
from gateway.records.tiles import RightEdge
from gateway.records.tree import EMPTY_ROOT, consistency_proof
from gateway.storage.cosigned import Cosigned, read_witnessed_slots
from gateway.storage.tiles import read_slots
from tests.e2e.adversary.rogue import Reply, core_services
from tests.e2e.parties import Network
from tests.integration.core.world import WorldClock

AUDIT_OFFICE: Final = "audit-office"
"""A witness alone, under an administration of its own."""


@dataclass(kw_only=True)
class LiarsLog:
    """A stream whose owner signs whatever the test says; leaves are numbered, or marked."""

    origin: str
    signer: LogSigner = field(repr=False)
    clock: WorldClock

    def tree(self, size: int, *, mark: str = "") -> RightEdge:
        """Return a tree of this size; with a mark its last leaf is another one."""
        leaves = [f"{index}".rjust(32).encode() for index in range(size)]
        if mark:
            leaves[-1] = mark.rjust(32).encode()
        return RightEdge().extend(leaves).edge

    def note(self, size: int, *, mark: str = "", signer: LogSigner | None = None) -> str:
        checkpoint = Checkpoint(self.origin, size, self.tree(size, mark=mark).root())
        now = int(self.clock.now().timestamp())
        return sign_checkpoint(checkpoint, signer or self.signer, time=now)

    def request(self, old: int, size: int, *, mark: str = "", proof_from: int | None = None) -> str:
        """Return an honest request; `proof_from` makes its proof one from another size."""
        edge = self.tree(size, mark=mark)
        proof = consistency_proof(old if proof_from is None else proof_from, size, edge.node)
        return write_witness_request(old_size=old, proof=proof, note=self.note(size, mark=mark))


def context_of(network: Network, name: str) -> Context:
    """Return a party's floor."""
    if name == cast.CORE:
        return core_services(network).permits._context
    return network.gateway(name).context


async def post(
    network: Network, sender: str, receiver: str, body: str | bytes, *, content_type: str = ""
) -> Reply:
    """Send anything to a party's /add-checkpoint under a member's certificate."""
    trust = context_of(network, sender).trust
    tls = network_client_context(
        trust.keys.network_certificate, trust.directory.certificates(receiver)
    )
    url = trust.directory.organisation(receiver).url + "/add-checkpoint"
    headers = {"Content-Type": content_type} if content_type else {}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers, ssl=tls) as response,
    ):
        return Reply(status=response.status, headers=response.headers, body=await response.read())


def own_slot(context: Context) -> int:
    """Return the slot that a party writes."""
    slot = context.writer.slot
    assert slot is not None
    return slot


async def write_entry(context: Context) -> Recorded:
    """Record something in the slot this worker writes."""
    draft = Draft(kind="records-read", members={}, private={"what": "test"})
    (outcome,) = await context.writer.append([draft], source="test")
    assert isinstance(outcome, Recorded)
    return outcome


async def cosign_all(context: Context) -> None:
    """Have everything of a party's cosigned by whoever of its witnesses does it."""
    job = WitnessJob(context)
    await end_lease(context)
    await job.turn()
    await job.settle()
    await context.witnesses.look()


async def cosign_slot(context: Context, slot: int) -> None:
    """Have one slot of a party's cosigned by all of its witnesses."""
    for witness in context.witnesses.witnesses:
        await Cosigning(context).visit(witness, {slot: Cosigned()})


async def end_lease(context: Context) -> None:
    """End whoever's turn it is at asking the party's witnesses."""
    async with context.database.read() as connection:
        await connection.execute("UPDATE cosign_lease SET lapses_at = '-infinity'")


async def sizes_of(context: Context) -> dict[int, int]:
    """Return how large each slot of a party is."""
    async with context.database.read() as connection:
        return {slot: state.size for slot, state in (await read_slots(connection)).items()}


async def cosigned_of(context: Context) -> dict[tuple[int, str], int]:
    """Return how far each witness has cosigned each slot of a party."""
    async with context.database.read() as connection:
        slots = await read_witnessed_slots(connection, context.witnesses.witnesses)
    return {
        (slot.slot, witness): cosigned.size
        for slot in slots
        for witness, cosigned in slot.witnesses.items()
        if cosigned.at is not None
    }


async def unwitnessed(witness: Context, origin: str) -> None:
    """Make a witness hold the empty tree of a stream, if it holds any."""
    marks = witness.cosigned.marks
    before = marks.highest(origin)
    if before is not None:
        assert marks.advance(origin, before=before, new=Mark(0, EMPTY_ROOT))
    async with witness.database.read() as connection:
        await connection.execute(
            "UPDATE witnessed SET size = 0, root = $2 WHERE origin = $1", origin, EMPTY_ROOT
        )


async def forget_cosignatures(context: Context) -> None:
    """Make a party as it was before it was ever cosigned."""
    async with context.database.read() as connection:
        await connection.execute(
            "UPDATE cosigned SET size = 0, cosigned_at = NULL, conflict_size = NULL"
        )
    await context.witnesses.look()
