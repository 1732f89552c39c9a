"""Having our checkpoints cosigned: what one visit to one witness does (C2SP tlog-witness).

The newest committed checkpoint of a slot goes there with the proof that it continues what that
witness signed last. What comes back is believed once it verifies, and kept for exports.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from certs.errors import CertsError
from gateway.errors import SekishoError
from gateway.flows.context import Context
from gateway.flows.witness_calls import Line, WitnessCalls
from gateway.logs import get_logger
from gateway.outbound.errors import PeerProtocolError, PeerUnavailableError
from gateway.records.errors import RecordsError
from gateway.records.note import (
    Note,
    parse_note,
)
from gateway.records.proof_files import WitnessRequest
from gateway.records.statements import posix_instant
from gateway.records.tiles import node_source, tiles_for
from gateway.records.tree import consistency_nodes, consistency_proof
from gateway.storage.cosigned import Cosignature, Cosigned, keep_conflict, keep_cosignature
from gateway.storage.tiles import read_tiles

TRIES_MAX: Final = 4

log = get_logger()

OnConflict: TypeAlias = Callable[[int, str, int], Awaitable[None]]
"""Told (slot, witness, size) whenever a witness holds another tree of ours, again and again."""


async def _leave_it(_slot: int, _witness: str, _size: int) -> None:
    """Do nothing beyond what is stored and said."""


class Cosigning:
    """Our slots, as they are brought to our witnesses."""

    def __init__(self, context: Context, *, on_conflict: OnConflict = _leave_it) -> None:
        self._context = context
        self._calls = WitnessCalls(trust=context.trust, peers=context.peers, clock=context.clock)
        self._on_conflict = on_conflict

    async def visit(self, witness: str, slots: Mapping[int, Cosigned]) -> None:
        """Bring these slots to a witness; one that it refuses keeps no other back."""
        for slot, cosigned in slots.items():
            try:
                await self._bring(slot, witness, cosigned)
            except PeerUnavailableError as error:
                log.warning("witness_not_reached", peer=witness, problem=error.problem)
                return
            except SekishoError as error:
                log.warning(
                    "slot_not_cosigned",
                    peer=witness,
                    slot=slot,
                    problem=error.problem,
                    reason=str(error),
                )
            except (CertsError, RecordsError) as error:
                log.warning("slot_not_cosigned", peer=witness, slot=slot, reason=error.reason)

    async def _bring(self, slot: int, witness: str, cosigned: Cosigned) -> None:
        note = parse_note(await self._context.writer.checkpoint(slot))
        old = min(cosigned.size, note.checkpoint.size)
        for _ in range(TRIES_MAX):
            answer = await self._calls.submit(witness, await self._request(slot, note, old))
            if isinstance(answer, Line):
                await self._keep(slot, witness, note, answer)
                return
            if answer.size > note.checkpoint.size:
                # Another worker may have brought a younger one meanwhile.
                note = parse_note(await self._context.writer.checkpoint(slot))
            if answer.size > note.checkpoint.size or answer.size == old == note.checkpoint.size:
                await self._conflict(slot, witness, answer.size, cosigned)
                return
            if answer.size == old:
                break
            old = answer.size
        raise PeerProtocolError("add-checkpoint: it does not stand by what it says")

    async def _request(self, slot: int, note: Note, old: int) -> WitnessRequest:
        size = note.checkpoint.size
        tiles = tiles_for(size, consistency_nodes(old, size))
        async with self._context.database.read() as connection:
            found = await read_tiles(connection, slot, tiles)
        node = node_source(lambda level, number: found.get((level, number)))
        return WitnessRequest(
            old_size=old, proof=tuple(consistency_proof(old, size, node)), note=note
        )

    async def _keep(self, slot: int, witness: str, note: Note, answer: Line) -> None:
        kept = Cosignature(
            slot=slot,
            witness=witness,
            size=note.checkpoint.size,
            at=posix_instant(answer.time),
            key_id=answer.line.key_id,
            signature=answer.line.signature,
        )
        async with self._context.database.transaction() as connection:
            await keep_cosignature(connection, kept)

    async def _conflict(self, slot: int, witness: str, size: int, cosigned: Cosigned) -> None:
        """Raise the alarm: records of ours were lost, or there is a fork of them."""
        if cosigned.conflict_size != size:
            log.error("witness_conflict", peer=witness, slot=slot, size=size)
            async with self._context.database.read() as connection:
                await keep_conflict(connection, slot, witness, size)
        await self._on_conflict(slot, witness, size)
