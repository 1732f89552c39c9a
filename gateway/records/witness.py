"""What a log says to a witness and hears back (C2SP tlog-witness), as text, no I/O."""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.records.errors import RecordsError
from gateway.records.note import (
    MLDSA44_TYPE,
    NOTE_BYTES_MAX,
    Checkpoint,
    CosignatureKey,
    Note,
    SignatureLine,
    decode_base64,
    key_id,
    parse_line,
    parse_note,
    parse_size,
    verify_cosignature,
)
from gateway.records.tree import HASH_BYTES

PROOF_HASHES_MAX: Final = 63
ANSWER_LINES_MAX: Final = 16
_HASH_LINE_BYTES: Final = 45  # 32 bytes in padded base64, and a line feed
_OLD: Final = "old "
SIZE_BYTES_MAX: Final = 20
"""A tree size in decimal and its line feed: the body of a 409."""
_OLD_LINE_BYTES_MAX: Final = len(_OLD) + SIZE_BYTES_MAX
REQUEST_BYTES_MAX: Final = (
    _OLD_LINE_BYTES_MAX + PROOF_HASHES_MAX * _HASH_LINE_BYTES + 1 + NOTE_BYTES_MAX
)
_ORIGIN: Final = re.compile(
    r"(?P<network>[a-z0-9][a-z0-9-]{0,62})/(?P<organisation>[a-z0-9][a-z0-9-]{0,62})"
    r"/log/(?P<slot>0|[1-9][0-9]{0,3})",
    re.ASCII,
)


class LogName(NamedTuple):
    """Whose stream an origin is."""

    network: str
    organisation: str
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessRequest:
    """A checkpoint to be cosigned, and the proof that it only appends to what was cosigned."""

    old_size: int
    """The size that the witness is believed to hold; 0 if it never cosigned this log."""
    proof: tuple[bytes, ...] = field(repr=False)
    note: Note = field(repr=False)

    def text(self) -> str:
        """Return the body of `POST /add-checkpoint`."""
        hashes = "".join(f"{b64encode(each).decode('ascii')}\n" for each in self.proof)
        return f"{_OLD}{self.old_size}\n{hashes}\n{self.note.text()}"


@dataclass(frozen=True, slots=True)
class Holds:
    """What a witness that refuses says: it holds a tree of this size."""

    size: int


def parse_request(text: str) -> WitnessRequest:
    """Return the request in `text`, which is the only way to write it.

    Raises:
        RecordsError: bad-witness-request, hash-count for more than 63 hashes, hash-length,
            bad-size, bad-hash, or as `parse_note`.
    """
    head, blank, rest = text.partition("\n\n")
    first, *hashes = head.split("\n")
    if not blank or not first.startswith(_OLD):
        raise RecordsError("bad-witness-request")
    if len(hashes) > PROOF_HASHES_MAX:
        raise RecordsError("hash-count")
    proof = tuple(decode_base64(line, reason="bad-hash") for line in hashes)
    if any(len(digest) != HASH_BYTES for digest in proof):
        raise RecordsError("hash-length")
    return WitnessRequest(
        old_size=parse_size(first.removeprefix(_OLD)), proof=proof, note=parse_note(rest)
    )


def parse_origin(origin: str) -> LogName:
    """Return whose stream an origin names, or raise unknown-origin."""
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        raise RecordsError("unknown-origin")
    return LogName(match["network"], match["organisation"], int(match["slot"]))


def answer_text(line: SignatureLine) -> str:
    """Return the body of a 200: one signature line."""
    return f"{line.text()}\n"


def parse_answer(text: str) -> tuple[SignatureLine, ...]:
    """Return the signature lines of a 200; whose they are nobody has looked at.

    Raises:
        RecordsError: bad-line, line-count for none or more than 16.
    """
    if not text.endswith("\n"):
        raise RecordsError("bad-line")
    lines = text[:-1].split("\n")
    if len(lines) > ANSWER_LINES_MAX:
        raise RecordsError("line-count")
    return tuple(map(parse_line, lines))


def size_text(holds: Holds) -> str:
    """Return the body of a 409."""
    return f"{holds.size}\n"


def parse_size_text(text: str) -> Holds:
    """Return what the body of a 409 says, or raise bad-size."""
    if not text.endswith("\n"):
        raise RecordsError("bad-size")
    return Holds(parse_size(text[:-1]))


def verify_answer(
    lines: tuple[SignatureLine, ...], checkpoint: Checkpoint, *, name: str, key: CosignatureKey
) -> tuple[SignatureLine, int]:
    """Return the named witness's line among those answered and the POSIX second it signed at.

    Lines of others are left alone: a witness may answer more than one (C2SP tlog-witness).

    Raises:
        RecordsError: log-line-missing, log-line-twice, bad-signature, bad-time.
    """
    time = verify_cosignature(Note(checkpoint, lines), name=name, key=key)
    wanted = (name, key_id(name, MLDSA44_TYPE, key.mldsa44))
    (line,) = (line for line in lines if (line.name, line.key_id) == wanted)
    return line, time
