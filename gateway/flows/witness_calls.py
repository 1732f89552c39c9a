"""Asking our witnesses: a checkpoint to be cosigned, or what they cosigned last."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from certs.errors import CertsError
from gateway.clock import Clock
from gateway.errors import SekishoError
from gateway.flows.trust import Trust
from gateway.logs import get_logger
from gateway.outbound.errors import MessageRefusedError, PeerProtocolError
from gateway.outbound.peers import Peers
from gateway.records.errors import RecordsError
from gateway.records.note import (
    Checkpoint,
    Note,
    SignatureLine,
    claimed_time,
    cosignature_time,
    log_origin,
    origin_hash_of,
    parse_note,
    verify_checkpoint,
    witness_name,
)
from gateway.records.proof_files import WitnessRequest, write_witness_request
from gateway.records.slot_content import BACK_DATING_S
from gateway.records.statements import posix_instant
from gateway.records.witness import (
    Holds,
    parse_answer,
    parse_size_text,
    verify_answer,
)

ADD_CHECKPOINT: Final = "/add-checkpoint"
ANSWER_BYTES_MAX: Final = 64 * 1024
ASK_S: Final = 5.0
"""How long a witness may take to say how much it holds."""
_OK: Final = 200
_CONFLICT: Final = 409

log = get_logger()


@dataclass(frozen=True, slots=True)
class Line:
    """A witness's line that verified, and the POSIX second it signed at."""

    line: SignatureLine
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCalls:
    """The ways to those whom our directory entry names as witnesses."""

    trust: Trust
    peers: Peers
    clock: Clock

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Whom our own directory entry names."""
        return self.trust.directory.organisation(self.trust.organisation).witnesses

    async def submit(self, witness: str, request: WitnessRequest) -> Line | Holds:
        """Return the witness's verified line, or what it holds instead (409).

        Raises:
            PeerUnavailableError, PeerNotAuthenticError: it could not be asked.
            PeerProtocolError: it refused, or answered what does not verify.
            CertsError: it has no key, no certificate or no place in the directory.
        """
        answer = await self.peers.post_text(
            witness, ADD_CHECKPOINT, _body(request), bytes_max=ANSWER_BYTES_MAX
        )
        try:
            if answer.status == _CONFLICT:
                return parse_size_text(answer.text)
            if answer.status == _OK:
                return self._verified(witness, request.note, parse_answer(answer.text))
        except RecordsError as error:
            raise PeerProtocolError(f"add-checkpoint: {error.reason}") from None
        raise PeerProtocolError(f"add-checkpoint: status {answer.status}")

    async def newest(self, slot: int) -> Mapping[str, Checkpoint] | None:
        """Return our own checkpoint that each witness cosigned last; those with none are left out.

        None if there are witnesses and none of them answered. Each bears our own log's signatures,
        so no witness can make us believe in records that never were.
        """
        origin = log_origin(self.trust.network, self.trust.organisation, slot)
        asked = await asyncio.gather(*(self._newest(name, origin) for name in self.witnesses))
        if asked and all(answer is None for answer in asked):
            return None
        return {
            name: found
            for name, answer in zip(self.witnesses, asked, strict=True)
            for found in answer or ()
        }

    async def _newest(self, witness: str, origin: str) -> tuple[Checkpoint, ...] | None:
        """Return one checkpoint, or none if it has none; None if it did not say."""
        path = f"/{origin_hash_of(origin)}/checkpoint"
        try:
            async with asyncio.timeout(ASK_S):
                fetched = await self.peers.get(witness, path, bytes_max=ANSWER_BYTES_MAX)
            return (self._own(origin, fetched.body.decode("utf-8")),)
        except MessageRefusedError as error:
            return () if error.refusal.status == HTTPStatus.NOT_FOUND else None
        except (SekishoError, CertsError, TimeoutError):
            return None
        except (RecordsError, UnicodeDecodeError):
            log.warning("witness_shows_what_is_not_ours", peer=witness)
            return None

    def _own(self, origin: str, text: str) -> Checkpoint:
        note, trust = parse_note(text), self.trust
        keys = trust.directory.log_keys_at(trust.organisation, posix_instant(claimed_time(note)))
        return verify_checkpoint(note, origin=origin, keys=keys).checkpoint

    def _verified(self, witness: str, note: Note, lines: tuple[SignatureLine, ...]) -> Line:
        """Return the witness's line if its key of that time signed this tree, and just now."""
        checkpoint = note.checkpoint
        name = witness_name(self.trust.network, witness)
        claimed = posix_instant(cosignature_time(Note(checkpoint, lines), name))
        key = self.trust.directory.witness_key_at(witness, claimed)
        line, time = verify_answer(lines, checkpoint, name=name, key=key)
        # A wrong time would make honest entries look back-dated to whoever verifies them.
        if abs(time - self.clock.now().timestamp()) > BACK_DATING_S:
            raise RecordsError("bad-time", "the witness's clock is off")
        return Line(line, time)


def _body(request: WitnessRequest) -> str:
    return write_witness_request(
        old_size=request.old_size, proof=request.proof, note=request.note.text()
    )
