"""Asking our witnesses: a checkpoint to be cosigned, or only how large a tree of ours they hold."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from certs.errors import CertsError
from gateway.clock import Clock
from gateway.errors import SekishoError
from gateway.flows.trust import Trust
from gateway.outbound.errors import PeerProtocolError
from gateway.outbound.peers import Peers
from gateway.records.errors import RecordsError
from gateway.records.note import (
    Checkpoint,
    Note,
    SignatureLine,
    cosignature_time,
    log_origin,
    parse_note,
    sign_checkpoint,
    witness_name,
)
from gateway.records.proof_files import WitnessRequest, write_witness_request
from gateway.records.slot_content import BACK_DATING_S
from gateway.records.statements import posix_instant
from gateway.records.tree import EMPTY_ROOT
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

    async def ask_sizes(self, slot: int) -> dict[str, int | None]:
        """Return the size that each witness holds of a slot; none where it did not say.

        Asked with the empty tree, which every log begins with: nothing of the slot need be read,
        no witness is moved, and nothing is signed that could ever contradict anything. What a
        witness says here it does not sign.
        """
        origin = log_origin(self.trust.network, self.trust.organisation, slot)
        note = await asyncio.to_thread(
            sign_checkpoint,
            Checkpoint(origin, 0, EMPTY_ROOT),
            self.trust.keys.log,
            time=int(self.clock.now().timestamp()),
        )
        request = WitnessRequest(old_size=0, proof=(), note=parse_note(note))
        sizes = await asyncio.gather(*(self._size(name, request) for name in self.witnesses))
        return dict(zip(self.witnesses, sizes, strict=True))

    async def sizes(self, slot: int) -> Mapping[str, int] | None:
        """Return the same without those that did not say; None if there are witnesses and none did.

        As a takeover of a slot wants to know (`record_takeover.Elsewhere`).
        """
        asked = await self.ask_sizes(slot)
        known = {name: size for name, size in asked.items() if size is not None}
        return None if asked and not known else known

    async def _size(self, witness: str, request: WitnessRequest) -> int | None:
        try:
            async with asyncio.timeout(ASK_S):
                answer = await self.submit(witness, request)
        except (SekishoError, CertsError, TimeoutError):
            return None
        return answer.size if isinstance(answer, Holds) else 0

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
