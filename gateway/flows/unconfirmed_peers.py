"""Peers whose keys do not continue those seen before: held, compared by people, taken over.

The rest of the directory is followed meanwhile, so that one organisation's re-enrolment stops
nobody else; the peer stays on its old keys. An operator who compared the digest with the peer
confirms it; otherwise the delay the site set passes, with an alarm (PROTOCOL §1).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from certs.held_peers import HeldPeer
from gateway import metrics
from gateway.errors import ConflictError, NotFoundError, NotPermittedError
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, EffectRefusedError, Recorded
from gateway.flows.trust_memory import TrustMemory
from gateway.logs import get_logger
from gateway.storage import unconfirmed_peers
from gateway.storage.unconfirmed_peers import PeerAccepted, UnconfirmedPeer

CONFIRMED: Final = "peer-confirmed"
TAKEN_OVER: Final = "peer-taken-over"
REMEMBERED: Final = timedelta(days=1)
SOURCE: Final = "trust"

log = get_logger()


class OtherKeySetError(NotPermittedError):
    """The digest that was compared is not the one the directory lists now."""

    problem = "other-key-set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """One held peer as people see it."""

    peer: HeldPeer
    first_seen: datetime
    taken_over_at: datetime | None
    """When the delay is over; none if there is nothing to take over."""


class UnconfirmedPeers:
    """The held peers of one worker; what was decided binds every worker within seconds."""

    def __init__(self, context: Context, memory: TrustMemory, *, delay: timedelta) -> None:
        self._context = context
        self._trust = context.trust
        self._memory = memory
        self._delay = delay

    async def turn(self) -> None:
        """Follow what was accepted anywhere, take over what waited long enough, and tell."""
        held = self._trust.held
        await self._memory.hear()
        if self._trust.held:
            for peer in await self.all():
                if peer.taken_over_at is not None and self._now() >= peer.taken_over_at:
                    await self._accept(peer.peer, TAKEN_OVER, by="delay")
        if self._trust.held is not held:
            await self._memory.note_held()
        async with self._context.database.read() as connection:
            await unconfirmed_peers.sweep(connection, before=self._now() - REMEMBERED)
        metrics.PEERS_UNCONFIRMED.set(len(self._trust.held))

    async def all(self) -> list[Unconfirmed]:
        """Return every peer that is held just now."""
        async with self._context.database.read() as connection:
            claims = {
                claim.organisation: claim for claim in await unconfirmed_peers.every(connection)
            }
        return [
            self._seen(peer, claims.get(name)) for name, peer in sorted(self._trust.held.items())
        ]

    async def find(self, organisation: str) -> Unconfirmed:
        """Return one held peer, or raise `NotFoundError`."""
        for peer in await self.all():
            if peer.peer.organisation == organisation:
                return peer
        raise NotFoundError("peers: nothing of this organisation is to be confirmed")

    async def confirm(self, organisation: str, digest: str) -> None:
        """Believe a peer's new keys because an operator compared `digest` with the peer itself.

        Raises:
            NotFoundError: the peer is not held.
            ConflictError: its key sets were only left out, which nobody can confirm.
            OtherKeySetError: the directory lists another key set than the one compared.
        """
        held = (await self.find(organisation)).peer
        if held.claimed is None:
            raise ConflictError("peers: key sets were left out; there is none to confirm")
        if held.claimed != digest:
            raise OtherKeySetError(f"peers: {organisation} is listed with another key set")
        await self._accept(held, CONFIRMED, by="operator")
        await self._memory.note_held()
        metrics.PEERS_UNCONFIRMED.set(len(self._trust.held))

    async def _accept(self, peer: HeldPeer, kind: str, *, by: str) -> None:
        assert peer.claimed is not None  # whoever calls has looked
        effect = PeerAccepted(
            organisation=peer.organisation,
            claimed=peer.claimed,
            accepted_at=self._now(),
            accepted_by=by,
        )
        draft = Draft(
            kind=kind,
            members={},
            private={
                "organisation": peer.organisation,
                "key_set": peer.claimed,
                "key_set_before": peer.key_sets[-1].digest,
            },
            effects=(effect,),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if isinstance(outcome, Recorded):
            log.warning("peer_accepted", organisation=peer.organisation, kind=kind)
        elif not isinstance(outcome, EffectRefusedError):
            raise outcome
        # Refused: a worker beside this one has just done the same, or sees another claim.
        await self._memory.hear()

    def _seen(self, peer: HeldPeer, claim: UnconfirmedPeer | None) -> Unconfirmed:
        is_known = claim is not None and claim.claimed == peer.claimed
        first_seen = claim.first_seen if claim is not None and is_known else self._now()
        return Unconfirmed(
            peer=peer,
            first_seen=first_seen,
            taken_over_at=None if peer.claimed is None else first_seen + self._delay,
        )

    def _now(self) -> datetime:
        return self._context.clock.now()
