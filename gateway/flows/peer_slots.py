"""Every day: is what peers showed us of their logs the same that their witnesses saw (PROTOCOL §5)?

The largest checkpoint received of a peer's slot is held against the one that its witnesses
cosigned, by hash tiles that the peer itself serves. Whoever shows two trees to two parties is
found here, without anybody having to compare notes.
"""

import hashlib
from datetime import timedelta
from typing import Final

from certs.errors import CertsError
from certs.organisations import ENROLLED
from gateway import metrics
from gateway.errors import SekishoError
from gateway.flows.context import Context
from gateway.flows.forks import Forks
from gateway.logs import get_logger
from gateway.outbound.errors import PeerProtocolError
from gateway.records.errors import RecordsError
from gateway.records.note import (
    NOTE_BYTES_MAX,
    Checkpoint,
    Note,
    claimed_time,
    cosignature_time,
    parse_note,
    verify_checkpoint,
    verify_cosignature,
    witness_name,
)
from gateway.records.statements import posix_instant
from gateway.records.tiles import Tile, TileId, node_source, tile_path, tiles_for
from gateway.records.tree import HASH_BYTES, prefix_nodes, prefix_roots
from gateway.records.witness import parse_origin
from gateway.storage.forks import Fork
from gateway.storage.peer_slots import (
    PeerSlot,
    claim_peer_slots,
    keep_largest,
    keep_proved,
    read_proofs,
)
from gateway.storage.records import PeerCheckpointKept

TURN_S: Final = 300.0
DAY: Final = timedelta(hours=20)
"""When a slot that was proved is due again: every day."""
AGAIN: Final = timedelta(hours=1)
"""When a slot that could not be proved is tried again."""
SLOTS_AT_ONCE: Final = 64

log = get_logger()


class PeerSlots:
    """The slots of others, as far as we were given something of them."""

    def __init__(self, context: Context, forks: Forks) -> None:
        self._context = context
        self._forks = forks

    async def turn(self) -> None:
        """Prove what is due; what cannot be proved now is due again within the hour."""
        now = self._context.clock.now()
        async with self._context.database.transaction() as connection:
            await keep_largest(connection, self._seen(), now=now)
            due = await claim_peer_slots(
                connection, now=now, again_at=now + AGAIN, limit=SLOTS_AT_ONCE
            )
        for held in due:
            await self._prove(held)
        await self._tell()

    def _seen(self) -> dict[str, PeerCheckpointKept]:
        """Return the largest checkpoint of every stream of others that this worker verified."""
        own = self._context.trust.organisation
        largest: dict[str, tuple[int, str]] = {}
        for note, verified in list(self._context.trust.verified_notes.items()):
            origin, size = verified.checkpoint.origin, verified.checkpoint.size
            if size > largest.get(origin, (0, ""))[0] and parse_origin(origin).organisation != own:
                largest[origin] = (size, note)
        return {origin: _kept(note) for origin, (_, note) in largest.items()}

    async def _prove(self, held: PeerSlot) -> None:
        name = parse_origin(held.origin)
        try:
            note = await self._cosigned(name.organisation, held.origin)
            is_one = await self._is_one_tree(name.organisation, held, note)
        except (SekishoError, CertsError, RecordsError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "problem", "unknown")
            log.warning(
                "peer_slot_not_proved", peer=name.organisation, slot=name.slot, reason=reason
            )
            return
        if not is_one:
            await self._forks.found(
                Fork(
                    origin=held.origin,
                    size=held.size,
                    root=held.root,
                    held_note=held.note,
                    other_note=note.text(),
                )
            )
            return
        now = self._context.clock.now()
        async with self._context.database.read() as connection:
            await keep_proved(connection, held.origin, now=now, again_at=now + DAY)

    async def _cosigned(self, peer: str, origin: str) -> Note:
        """Return the newest checkpoint of a peer's slot that one of its witnesses signed.

        Where the directory names none for it, its own signature must do.
        """
        directory = self._context.trust.directory
        fetched = await self._context.peers.get(
            peer, f"/{_hash(origin)}/checkpoint", bytes_max=NOTE_BYTES_MAX
        )
        note = parse_note(fetched.body.decode("utf-8", "replace"))
        keys = directory.log_keys_at(peer, posix_instant(claimed_time(note)))
        verify_checkpoint(note, origin=origin, keys=keys)
        witnesses = directory.organisation(peer).witnesses
        if witnesses and not any(self._signed(note, witness) for witness in witnesses):
            raise RecordsError("not-cosigned")
        return note

    def _signed(self, note: Note, witness: str) -> bool:
        trust = self._context.trust
        name = witness_name(trust.network, witness)
        try:
            at = posix_instant(cosignature_time(note, name))
            key = trust.directory.witness_key_at(witness, at)
            verify_cosignature(note, name=name, key=key)
        except (RecordsError, CertsError):
            return False
        return True

    async def _is_one_tree(self, peer: str, held: PeerSlot, note: Note) -> bool:
        """Tell whether the smaller of two signed trees begins the larger.

        Raises:
            PeerProtocolError: the tiles are not those of the larger one: that proves nothing.
        """
        ours = Checkpoint(held.origin, held.size, held.root)
        old, new = sorted((ours, note.checkpoint), key=lambda one: one.size)
        if old.size in (0, new.size):
            return old.size == 0 or old.root == new.root
        wanted = tiles_for(new.size, prefix_nodes(old.size, new.size))
        tiles = {
            (tile.level, tile.number): await self._tile(peer, held.origin, tile) for tile in wanted
        }
        node = node_source(lambda level, number: tiles.get((level, number)))
        old_root, new_root = prefix_roots(old.size, new.size, node)
        if new_root != new.root:
            raise PeerProtocolError("tiles: of another tree than the checkpoint's")
        return old_root == old.root

    async def _tile(self, peer: str, origin: str, tile: TileId) -> Tile:
        size = tile.width * HASH_BYTES
        path = f"/{_hash(origin)}/{tile_path(tile)}"
        fetched = await self._context.peers.get(peer, path, bytes_max=size)
        if len(fetched.body) != size:
            raise PeerProtocolError("tile: another width than asked")
        return Tile.parse(fetched.body)

    async def _tell(self) -> None:
        """Say how long the slot that waits longest has been without a proof."""
        now = self._context.clock.now()
        async with self._context.database.read() as connection:
            proofs = await read_proofs(connection)
        ages = [
            (now - proof.since).total_seconds() for proof in proofs if self._is_there(proof.origin)
        ]
        metrics.PEER_SLOT_UNPROVED_SECONDS.set(max(ages, default=0.0))

    def _is_there(self, origin: str) -> bool:
        listed = self._context.trust.directory.organisations.get(parse_origin(origin).organisation)
        return listed is not None and listed.status == ENROLLED


def _kept(note: str) -> PeerCheckpointKept:
    checkpoint = parse_note(note).checkpoint
    return PeerCheckpointKept(
        hash=hashlib.sha256(note.encode()).digest(),
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        note=note,
    )


def _hash(origin: str) -> str:
    return hashlib.sha256(origin.encode("ascii")).hexdigest()
