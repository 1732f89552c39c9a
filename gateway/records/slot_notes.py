"""The checkpoints of one exported slot: both log lines, and who cosigned when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from certs.errors import CertsError
from gateway.records.bundle import ProvedNote
from gateway.records.errors import RecordsError
from gateway.records.findings import Fault
from gateway.records.note import (
    Checkpoint,
    CosignatureKey,
    Note,
    claimed_time,
    cosignature_time,
    log_origin,
    parse_note,
    verify_checkpoint,
    verify_cosignature,
)
from gateway.records.statements import posix_instant
from gateway.records.trust import LogTrust, WitnessKeyAt


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedNote:
    """A checkpoint that both log keys signed; whether it is of this tree is another question."""

    checkpoint: Checkpoint
    time: int
    """POSIX second by the log's own clock."""
    cosigned_at: Mapping[str, int]
    """POSIX seconds of the witnesses' signatures, by the name on the line."""
    proof: tuple[bytes, ...] = field(default=(), repr=False)


def read_notes(
    slot: int, notes: Iterable[ProvedNote], trust: LogTrust
) -> tuple[list[SignedNote], list[Fault]]:
    """Return the notes that their signers really signed, by size, and the faults of the rest."""
    signed: list[SignedNote] = []
    faults: list[Fault] = []
    for each in notes:
        try:
            signed.append(_read(slot, parse_note(each.note), each.proof, trust))
        except RecordsError as error:
            faults.append(Fault(slot=slot, index=None, reason=error.reason, detail=error.detail))
    return sorted(signed, key=lambda note: note.checkpoint.size), faults


def read_foreign(slot: int, notes: Sequence[str], trust: LogTrust) -> list[SignedNote]:
    """Return those of other parties' notes that are of this slot and really signed by its log.

    What does not verify proves nothing against anybody and is left out.
    """
    signed = []
    origin = log_origin(trust.network, trust.organisation, slot)
    for text in notes:
        try:
            note = parse_note(text)
            if note.checkpoint.origin == origin:
                signed.append(_read(slot, note, (), trust))
        except RecordsError:
            continue
    return signed


def _read(slot: int, note: Note, proof: tuple[bytes, ...], trust: LogTrust) -> SignedNote:
    origin = log_origin(trust.network, trust.organisation, slot)
    size = note.checkpoint.size
    try:
        keys = trust.log_keys(posix_instant(claimed_time(note)))
        verified = verify_checkpoint(note, origin=origin, keys=keys)
    except CertsError:
        raise RecordsError("no-log-keys", f"checkpoint of size {size}") from None
    except RecordsError as error:
        raise RecordsError(error.reason, f"checkpoint of size {size}") from None
    cosigned_at = {
        name: _cosigned(note, name, key_at)
        for name, key_at in trust.witnesses.items()
        if any(line.name == name for line in note.lines)
    }
    return SignedNote(
        checkpoint=verified.checkpoint,
        time=verified.time,
        cosigned_at=cosigned_at,
        proof=proof,
    )


def _cosigned(note: Note, name: str, key_at: WitnessKeyAt) -> int:
    try:
        key: CosignatureKey = key_at(posix_instant(cosignature_time(note, name)))
        return verify_cosignature(note, name=name, key=key)
    except (RecordsError, CertsError):
        # A known witness whose line does not verify: the whole note is refused (C2SP).
        detail = f"{name}, checkpoint of size {note.checkpoint.size}"
        raise RecordsError("bad-cosignature", detail) from None
