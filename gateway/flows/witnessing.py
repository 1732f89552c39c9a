"""Cosigning the checkpoints of others (C2SP tlog-witness, PROTOCOL §5).

A witness signs what only appends to what it signed before. It compares and stores before it
signs, in the database and outside of it: whatever happens between, and whatever becomes of the
database, two trees of one log never both bear its name.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from certs.errors import CertsError
from gateway import metrics
from gateway.clock import Clock
from gateway.errors import (
    ClockOffError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    SekishoError,
)
from gateway.flows.cosigned_memory import CosignedMemory, Held
from gateway.flows.forks import Forks
from gateway.flows.record_marks import Mark
from gateway.flows.trust import Trust
from gateway.records.errors import RecordsError
from gateway.records.note import (
    Checkpoint,
    Note,
    SignatureLine,
    claimed_time,
    cosign,
    log_origin,
    origin_hash_of,
    verify_checkpoint,
    with_log_lines,
    witness_name,
)
from gateway.records.proof_files import WitnessRequest, read_witness_request
from gateway.records.statements import posix_instant
from gateway.records.tree import verify_consistency
from gateway.records.witness import Holds, parse_origin
from gateway.storage.forks import Fork
from gateway.storage.witnessed import Witnessed

AGAIN_MAX: Final = 3
"""How often a request is looked at when others of the same log come between."""


class WitnessRequestError(InvalidRequestError):
    """The request is not one of C2SP tlog-witness; `reason` says in what."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"add-checkpoint: {reason}", members={"reason": reason})


class CheckpointNotSignedError(NotPermittedError):
    """The checkpoint does not bear both lines of its log by the keys of that time."""

    problem = "checkpoint-not-signed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"checkpoint: {reason}", members={"reason": reason})


class NotConsistentError(SekishoError):
    """The proof does not lead from the tree that was cosigned to this one."""

    problem = "not-consistent"

    def __init__(self, reason: str) -> None:
        super().__init__(f"checkpoint: {reason}", members={"reason": reason})


Answer: TypeAlias = SignatureLine | Holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessing:
    """`POST /add-checkpoint`: this organisation as a witness of others."""

    trust: Trust
    memory: CosignedMemory
    clock: Clock
    forks: Forks = field(repr=False)

    async def add(self, sender: str, raw: bytes) -> Answer:
        """Return our line under a checkpoint of `sender`, or the size that we hold.

        Raises:
            WitnessRequestError: not of the form, or an old size above the new.
            NotFoundError: not a slot of the directory, or one that does not name us.
            NotPermittedError: another organisation's log.
            CheckpointNotSignedError: a log line is missing or does not verify.
            NotConsistentError: the proof does not hold.
            ClockOffError: our clock is off, and with it the time we would sign.
            CosignedForgottenError: what was signed of it last may be forgotten here.
            UnavailableError: it could not be stored for good; nothing was signed.
        """
        if self.trust.is_clock_off:
            raise ClockOffError("witness: the time it would sign is wrong")
        request = self._read(raw)
        note = self._authentic(sender, request.note)
        if request.old_size > note.checkpoint.size:
            raise WitnessRequestError("old-size")
        for _ in range(AGAIN_MAX):
            answer = await self._answer(request, note)
            if answer is not None:
                return answer
        return Holds((await self.memory.held(note.checkpoint.origin)).size)

    async def newest(self, sender: str, origin_hash: str) -> str:
        """Return the checkpoint of `sender`'s own that we cosigned last, with its log's lines.

        Who lost records is shown by its own signature how far they went.

        Raises:
            NotFoundError: no slot of the sender's has this hex SHA-256, or it was never cosigned.
            CosignedForgottenError: it was, and its note is not here any more.
        """
        listed = self.trust.directory.organisation(sender)
        for slot in range(listed.slots):
            origin = log_origin(self.trust.network, sender, slot)
            if origin_hash_of(origin) == origin_hash:
                note = await self.memory.note(origin)
                if note is not None:
                    return note
        raise NotFoundError("checkpoint: no such stream")

    def _read(self, raw: bytes) -> WitnessRequest:
        try:
            return read_witness_request(raw.decode("utf-8"))
        except UnicodeDecodeError:
            raise WitnessRequestError("not-utf-8") from None
        except RecordsError as error:
            raise WitnessRequestError(error.reason) from None

    def _authentic(self, sender: str, note: Note) -> Note:
        """Return the note, with its log's lines alone, if the sender may have it cosigned."""
        trust, origin = self.trust, note.checkpoint.origin
        try:
            name = parse_origin(origin)
            listed = trust.directory.organisation(name.organisation)
        except (RecordsError, CertsError):
            raise NotFoundError("checkpoint: no such stream") from None
        if name.organisation != sender:
            raise NotPermittedError("checkpoint: another organisation's")
        is_slot = name.network == trust.network and name.slot < listed.slots
        if not is_slot or trust.organisation not in listed.witnesses:
            raise NotFoundError("checkpoint: no stream that names this witness")
        try:
            keys = trust.directory.log_keys_at(sender, posix_instant(claimed_time(note)))
            verify_checkpoint(note, origin=origin, keys=keys)
        except (RecordsError, CertsError) as error:
            raise CheckpointNotSignedError(error.reason) from None
        return with_log_lines(note, keys)

    async def _answer(self, request: WitnessRequest, note: Note) -> Answer | None:
        """Compare, store and sign once; nothing if another request came between."""
        checkpoint = note.checkpoint
        held = await self.memory.held(checkpoint.origin)
        if checkpoint.size == held.size and checkpoint.root != held.root:
            await self._contradicted(held, note)
            return Holds(held.size)
        if request.old_size != held.size:
            return Holds(held.size)
        try:
            verify_consistency(
                old_size=held.size,
                new_size=checkpoint.size,
                old_root=held.root,
                new_root=checkpoint.root,
                proof=request.proof,
            )
        except RecordsError as error:
            raise NotConsistentError(error.reason) from None
        new = Witnessed(
            origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root, note=note.text()
        )
        now = self.clock.now()
        # Stored also when nothing changes: a commit that is certain now proves those before it.
        if not await self.memory.advance(held, new, at=now):
            return None
        line = await asyncio.to_thread(self._mark_and_sign, held, checkpoint, now)
        if line is not None:
            metrics.WITNESSED.labels(outcome="cosigned").inc()
        return line

    def _mark_and_sign(
        self, held: Held, checkpoint: Checkpoint, now: datetime
    ) -> SignatureLine | None:
        """Mark a checkpoint, then sign it; nothing if another was marked. Called in a thread."""
        mark = Mark(checkpoint.size, checkpoint.root)
        if not self.memory.marks.advance(checkpoint.origin, before=held.mark, new=mark):
            return None
        name = witness_name(self.trust.network, self.trust.organisation)
        return cosign(
            checkpoint, self.trust.witness_key_at(now), name=name, time=int(now.timestamp())
        )

    async def _contradicted(self, held: Held, note: Note) -> None:
        """Keep both notes if there are two: the empty tree is a constant, not a statement."""
        if held.note:
            await self.forks.found(
                Fork(
                    origin=note.checkpoint.origin,
                    size=held.size,
                    root=held.root,
                    held_note=held.note,
                    other_note=note.text(),
                )
            )
