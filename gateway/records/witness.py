"""What a log hears from a witness (C2SP tlog-witness), and whose logs are asked for; no I/O.

The request itself is written and read in `gateway/records/proof_files.py`.
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.records.errors import RecordsError
from gateway.records.note import (
    MLDSA44_TYPE,
    NOTE_BYTES_MAX,
    Checkpoint,
    CosignatureKey,
    Note,
    SignatureLine,
    key_id,
    parse_line,
    parse_size,
    verify_cosignature,
)
from gateway.records.proof_files import PATH_HASHES_MAX

ANSWER_LINES_MAX: Final = 16
_HASH_LINE_BYTES: Final = 45  # 32 bytes in padded base64, and a line feed
SIZE_BYTES_MAX: Final = 20
"""A tree size in decimal and its line feed: the body of a 409."""
_OLD_LINE_BYTES_MAX: Final = len("old ") + SIZE_BYTES_MAX
REQUEST_BYTES_MAX: Final = (
    _OLD_LINE_BYTES_MAX + PATH_HASHES_MAX * _HASH_LINE_BYTES + 1 + NOTE_BYTES_MAX
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


@dataclass(frozen=True, slots=True)
class Holds:
    """What a witness that refuses says: it holds a tree of this size."""

    size: int


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
