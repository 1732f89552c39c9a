"""The text files that carry a log's facts elsewhere: keys, proofs, policies, witness requests.

C2SP signed-note (verifier keys), tlog-proof, tlog-policy and tlog-witness; all as text, no I/O.
"""

import re
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.records.errors import RecordsError
from gateway.records.note import (
    ED25519_TYPE,
    MLDSA44_TYPE,
    NOTE_BYTES_MAX,
    CosignatureKey,
    LogKeys,
    Note,
    decode_base64,
    key_id,
    parse_note,
    parse_size,
)
from gateway.records.tree import HASH_BYTES

PATH_HASHES_MAX: Final = 63
PROOF_HEAD: Final = "c2sp.org/tlog-proof@v1"

_FILE_CHARACTERS_MAX: Final = NOTE_BYTES_MAX + 8 * 1024
_INDEX: Final = re.compile(r"index (\S+)", re.ASCII)
_OLD: Final = re.compile(r"old (\S+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proof:
    """A tlog-proof file: the place of one entry, its audit path, the note it leads to."""

    index: int
    path: tuple[bytes, ...]
    note: Note


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """An add-checkpoint request: the size last cosigned, the proof from there, the new note."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note


def vkey(name: str, signature_type: int, public_key: bytes) -> str:
    """Return a verifier key: name, key id in hex, type and key in base64, joined by plus."""
    encoded = b64encode(bytes([signature_type]) + public_key).decode("ascii")
    return f"{name}+{key_id(name, signature_type, public_key).hex()}+{encoded}"


def log_vkeys(origin: str, keys: LogKeys) -> tuple[str, str]:
    """Return the verifier keys of both log lines, Ed25519 first."""
    return vkey(origin, ED25519_TYPE, keys.ed25519), vkey(origin, MLDSA44_TYPE, keys.mldsa44)


def witness_vkey(name: str, key: CosignatureKey) -> str:
    """Return the verifier key of a witness."""
    return vkey(name, MLDSA44_TYPE, key.mldsa44)


def write_proof(*, index: int, path: Sequence[bytes], note: str) -> str:
    """Return the tlog-proof file of one entry; `path` runs from leaf to root."""
    return f"{PROOF_HEAD}\nindex {index}\n{_hash_lines(path)}\n{note}"


def read_proof(text: str) -> Proof:
    """Return what a tlog-proof file says; nothing of it is verified.

    Files with extra data are refused: ours have none.

    Raises:
        RecordsError: bad-proof-file, or as `parse_note`.
    """
    head, _, rest = text.partition("\n")
    if head != PROOF_HEAD:
        raise RecordsError("bad-proof-file")
    return Proof(*_numbered(rest, _INDEX, reason="bad-proof-file"))


def write_witness_request(*, old_size: int, proof: Sequence[bytes], note: str) -> str:
    """Return the body of an add-checkpoint request (C2SP tlog-witness)."""
    return f"old {old_size}\n{_hash_lines(proof)}\n{note}"


def read_witness_request(text: str) -> WitnessRequest:
    """Return what an add-checkpoint request says; nothing of it is verified.

    Raises:
        RecordsError: bad-witness-request, or as `parse_note`.
    """
    return WitnessRequest(*_numbered(text, _OLD, reason="bad-witness-request"))


def write_policy(
    *,
    origin: str,
    keys: Sequence[LogKeys],
    witnesses: Sequence[tuple[str, Sequence[CosignatureKey]]],
    required: int,
) -> str:
    """Return the tlog-policy file of one slot: `required` of the witnesses must have cosigned.

    Log and witnesses come with every key they ever had; a witness of several is a group of them.
    A policy knows no times, and its logs are alternatives, where our verifiers require both lines.

    Raises:
        RecordsError: bad-quorum unless 0 <= required <= number of witnesses.
    """
    if not 0 <= required <= len(witnesses):
        raise RecordsError("bad-quorum")
    vkeys = dict.fromkeys(text for each in keys for text in log_vkeys(origin, each))
    lines = [f"log {text}" for text in vkeys]
    for name, own in witnesses:
        lines += _witness_lines(name, dict.fromkeys(witness_vkey(name, key) for key in own))
    if required:
        names = " ".join(name for name, _ in witnesses)
        lines += [f"group witnesses {required} {names}", "quorum witnesses"]
    else:
        lines.append("quorum none")
    return "".join(f"{line}\n" for line in lines)


def _witness_lines(name: str, vkeys: Collection[str]) -> list[str]:
    if len(vkeys) == 1:
        return [f"witness {name} {text}" for text in vkeys]
    members = [f"{name}/{number}" for number in range(1, len(vkeys) + 1)]
    lines = [f"witness {one} {text}" for one, text in zip(members, vkeys, strict=True)]
    return [*lines, f"group {name} any {' '.join(members)}"]


def _hash_lines(hashes: Sequence[bytes]) -> str:
    return "".join(f"{b64encode(digest).decode('ascii')}\n" for digest in hashes)


def _numbered(
    text: str, first: re.Pattern[str], *, reason: str
) -> tuple[int, tuple[bytes, ...], Note]:
    """Return number, hashes and note of a file: a numbered line, hashes, a blank line, a note."""
    if len(text) > _FILE_CHARACTERS_MAX:
        raise RecordsError(reason)
    head, blank, note = text.partition("\n\n")
    number, *hashes = head.split("\n")
    match = first.fullmatch(number)
    if not blank or match is None or len(hashes) > PATH_HASHES_MAX:
        raise RecordsError(reason)
    path = tuple(decode_base64(digest, reason=reason) for digest in hashes)
    if any(len(digest) != HASH_BYTES for digest in path):
        raise RecordsError(reason)
    return parse_size(match[1]), path, parse_note(note)
