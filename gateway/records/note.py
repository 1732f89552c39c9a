"""Checkpoints as signed notes (C2SP signed-note, tlog-checkpoint, tlog-cosignature), no I/O.

Every checkpoint of ours carries two lines of its log, Ed25519 and ML-DSA-44, and whoever
verifies one requires both (PROTOCOL §5). Lines of others may follow and prove nothing here.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Protocol

from certs.errors import CertsError
from codes.effort import counted
from gateway.records.errors import RecordsError
from gateway.records.tree import HASH_BYTES, SIZE_MAX

NOTE_BYTES_MAX: Final = 64 * 1024
NAME_BYTES_MAX: Final = 255
TIME_MAX: Final = 2**63 - 1
KEY_ID_BYTES: Final = 4
ED25519_TYPE: Final = 0x01
MLDSA44_TYPE: Final = 0x06
ED25519_SIGNATURE_BYTES: Final = 64
MLDSA44_SIGNATURE_BYTES: Final = 2420

_TIME_BYTES: Final = 8
_COSIGNATURE_BYTES: Final = _TIME_BYTES + MLDSA44_SIGNATURE_BYTES
_LABEL: Final = b"subtree/v1\n\x00"
_DASH: Final = "\u2014 "
_NAME: Final = re.compile(rf"[!-*,-~]{{1,{NAME_BYTES_MAX}}}", re.ASCII)
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class CosignatureKey(Protocol):
    """A public ML-DSA-44 key (1,312 bytes), as `certs.log_keys.WitnessPublicKey`."""

    @property
    def mldsa44(self) -> bytes:
        """The raw public key."""
        ...

    def verify_mldsa44(self, signature: bytes, message: bytes) -> None:
        """Return quietly if the key signed, else raise `CertsError`."""
        ...


class LogKeys(CosignatureKey, Protocol):
    """The public pair of a log, as `certs.log_keys.LogPublicKeys`."""

    @property
    def ed25519(self) -> bytes:
        """The raw public key."""
        ...

    def verify_ed25519(self, signature: bytes, message: bytes) -> None:
        """Return quietly if the key signed, else raise `CertsError`."""
        ...


class CosignatureSigner(Protocol):
    """What signs a cosignature line, as `certs.log_keys.WitnessKey`."""

    @property
    def public(self) -> CosignatureKey:
        """The public half."""
        ...

    def sign_mldsa44(self, message: bytes) -> bytes:
        """Return a 2,420-byte signature."""
        ...


class LogSigner(Protocol):
    """What signs checkpoints, as `certs.log_keys.LogSigner`."""

    @property
    def public(self) -> LogKeys:
        """The public halves."""
        ...

    def sign_ed25519(self, message: bytes) -> bytes:
        """Return a 64-byte signature."""
        ...

    def sign_mldsa44(self, message: bytes) -> bytes:
        """Return a 2,420-byte signature."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log states: under this origin, a tree of this size has this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the note text: three lines, each with its line feed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line: who says to have signed, the key's id, and the rest of the bytes."""

    name: str
    key_id: bytes
    signature: bytes = field(repr=False)

    def text(self) -> str:
        """Return the line without its line feed."""
        return f"{_DASH}{self.name} {_base64(self.key_id + self.signature)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A well-formed checkpoint note whose signatures nobody has looked at."""

    checkpoint: Checkpoint
    lines: tuple[SignatureLine, ...]

    def text(self) -> str:
        """Return the whole note."""
        return self.checkpoint.text() + "\n" + "".join(f"{line.text()}\n" for line in self.lines)


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint that both log keys signed, at this POSIX second by the signer's clock."""

    checkpoint: Checkpoint
    time: int
    keys: tuple[bytes, bytes] = field(repr=False)
    """The public keys (Ed25519, ML-DSA-44) it was verified with."""


def log_origin(network: str, organisation: str, slot: int) -> str:
    """Return the origin of one writer slot's stream."""
    return f"{network}/{organisation}/log/{slot}"


def origin_hash_of(origin: str) -> str:
    """Return the hex SHA-256 by which a stream is called in paths."""
    return sha256(origin.encode("ascii")).hexdigest()


def witness_name(network: str, organisation: str) -> str:
    """Return the name under which an organisation cosigns."""
    return f"{network}/{organisation}/witness"


def key_id(name: str, signature_type: int, public_key: bytes) -> bytes:
    """Return the 4-byte id of a key under a name (C2SP signed-note, *Signatures*)."""
    named = name.encode("ascii") + b"\n" + bytes([signature_type])
    return sha256(named + public_key).digest()[:KEY_ID_BYTES]


@counted("sign_checkpoint")
def sign_checkpoint(checkpoint: Checkpoint, signer: LogSigner, *, time: int) -> str:
    """Return the note with both log lines; `time` is the POSIX second of signing, never 0.

    The caller vouches that the root is committed: a signed note cannot be taken back.

    Raises:
        RecordsError: bad-name, bad-size, bad-root, bad-time.
    """
    _check_checkpoint(checkpoint)
    origin, public = checkpoint.origin, signer.public
    plain = SignatureLine(
        origin,
        key_id(origin, ED25519_TYPE, public.ed25519),
        signer.sign_ed25519(checkpoint.text().encode("ascii")),
    )
    timed = cosign(checkpoint, signer, name=origin, time=time)
    return Note(checkpoint, (plain, timed)).text()


def cosign(
    checkpoint: Checkpoint, signer: CosignatureSigner, *, name: str, time: int
) -> SignatureLine:
    """Return a type 0x06 line over a checkpoint, by its log or by a witness.

    Raises:
        RecordsError: bad-name, bad-size, bad-root, bad-time.
    """
    _check_checkpoint(checkpoint)
    signature = signer.sign_mldsa44(cosigned_message(checkpoint, name=name, time=time))
    stamped = time.to_bytes(_TIME_BYTES, "big") + signature
    return SignatureLine(name, key_id(name, MLDSA44_TYPE, signer.public.mldsa44), stamped)


def cosigned_message(checkpoint: Checkpoint, *, name: str, time: int) -> bytes:
    """Return the bytes that a type 0x06 line signs (C2SP tlog-cosignature).

    Raises:
        RecordsError: bad-name, bad-time.
    """
    if not _NAME.fullmatch(name):
        raise RecordsError("bad-name")
    if not 0 < time <= TIME_MAX:
        raise RecordsError("bad-time")
    cosigner, origin = name.encode("ascii"), checkpoint.origin.encode("ascii")
    return b"".join(
        (
            _LABEL,
            bytes([len(cosigner)]),
            cosigner,
            time.to_bytes(_TIME_BYTES, "big"),
            bytes([len(origin)]),
            origin,
            bytes(_TIME_BYTES),  # the subtree starts at leaf 0
            checkpoint.size.to_bytes(_TIME_BYTES, "big"),
            checkpoint.root,
        )
    )


def parse_note(text: str) -> Note:
    """Return the checkpoint note in `text`, which is the only way to write it.

    Raises:
        RecordsError: note-too-large, bad-note, bad-name, bad-size, bad-root, bad-line.
    """
    if len(text.encode("utf-8", "surrogatepass")) > NOTE_BYTES_MAX:
        raise RecordsError("note-too-large")
    head = text.split("\n", 4)
    if len(head) != 5 or head[3]:  # noqa: PLR2004  # three lines, a blank one, the signatures
        raise RecordsError("bad-note")
    origin, size, root, _, rest = head
    if not _NAME.fullmatch(origin):
        raise RecordsError("bad-name")
    checkpoint = Checkpoint(origin, parse_size(size), decode_base64(root, reason="bad-root"))
    if len(checkpoint.root) != HASH_BYTES:
        raise RecordsError("bad-root")
    if not rest.endswith("\n"):
        raise RecordsError("bad-note")
    return Note(checkpoint, tuple(parse_line(line) for line in rest[:-1].split("\n")))


def parse_line(line: str) -> SignatureLine:
    """Return one signature line given without its line feed, or raise bad-line."""
    name, blank, encoded = line.removeprefix(_DASH).partition(" ")
    if not (line.startswith(_DASH) and blank and _NAME.fullmatch(name)):
        raise RecordsError("bad-line")
    raw = decode_base64(encoded, reason="bad-line")
    if len(raw) <= KEY_ID_BYTES:
        raise RecordsError("bad-line")
    return SignatureLine(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def with_log_lines(note: Note, keys: LogKeys) -> Note:
    """Return the note with the lines of its log's two keys alone, whoever else signed it."""
    origin = note.checkpoint.origin
    wanted = {
        key_id(origin, ED25519_TYPE, keys.ed25519),
        key_id(origin, MLDSA44_TYPE, keys.mldsa44),
    }
    return Note(
        note.checkpoint,
        tuple(line for line in note.lines if line.name == origin and line.key_id in wanted),
    )


def claimed_time(note: Note) -> int:
    """Return when the log says it signed, unverified: it only chooses the keys to verify with.

    Raises:
        RecordsError: log-line-missing, log-line-twice, bad-time.
    """
    return cosignature_time(note, note.checkpoint.origin)


def cosignature_time(note: Note, name: str) -> int:
    """Return when a cosigner says it signed, unverified: it only chooses the key to verify with.

    Raises:
        RecordsError: log-line-missing, log-line-twice, bad-time.
    """
    stamped = [
        line
        for line in note.lines
        if line.name == name and len(line.signature) == _COSIGNATURE_BYTES
    ]
    if len(stamped) > 1:
        raise RecordsError("log-line-twice")
    if not stamped:
        raise RecordsError("log-line-missing", "ml-dsa-44")
    return _time_of(stamped[0])


def is_signed_by(note: str, keys: LogKeys) -> bool:
    """Tell whether a note carries a line that names this Ed25519 key, unverified.

    Raises:
        RecordsError: as `parse_note`.
    """
    parsed = parse_note(note)
    wanted = key_id(parsed.checkpoint.origin, ED25519_TYPE, keys.ed25519)
    return any(line.key_id == wanted for line in parsed.lines)


@counted("verify_checkpoint")
def verify_checkpoint(note: Note | str, *, origin: str, keys: LogKeys) -> VerifiedCheckpoint:
    """Return the checkpoint if it is of this origin and both log keys signed it.

    Raises:
        RecordsError: wrong-origin, log-line-missing, log-line-twice, bad-signature, bad-time, or
            as `parse_note`.
    """
    parsed = parse_note(note) if isinstance(note, str) else note
    checkpoint = parsed.checkpoint
    if checkpoint.origin != origin:
        raise RecordsError("wrong-origin")
    plain = _only_line(parsed, origin, key_id(origin, ED25519_TYPE, keys.ed25519))
    if len(plain.signature) != ED25519_SIGNATURE_BYTES:
        raise RecordsError("bad-signature", "ed25519")
    try:
        keys.verify_ed25519(plain.signature, checkpoint.text().encode("ascii"))
    except CertsError:
        raise RecordsError("bad-signature", "ed25519") from None
    time = verify_cosignature(parsed, name=origin, key=keys)
    return VerifiedCheckpoint(checkpoint, time, (keys.ed25519, keys.mldsa44))


def verify_cosignature(note: Note, *, name: str, key: CosignatureKey) -> int:
    """Return the POSIX second at which the named cosigner signed the note's checkpoint.

    Raises:
        RecordsError: log-line-missing, log-line-twice, bad-signature, bad-time.
    """
    line = _only_line(note, name, key_id(name, MLDSA44_TYPE, key.mldsa44))
    if len(line.signature) != _COSIGNATURE_BYTES:
        raise RecordsError("bad-signature", "ml-dsa-44")
    time = _time_of(line)
    message = cosigned_message(note.checkpoint, name=name, time=time)
    try:
        key.verify_mldsa44(line.signature[_TIME_BYTES:], message)
    except CertsError:
        raise RecordsError("bad-signature", "ml-dsa-44") from None
    return time


def _only_line(note: Note, name: str, wanted: bytes) -> SignatureLine:
    """Return the one line of a key; two would let a forged one hide behind a good one."""
    found = [line for line in note.lines if line.name == name and line.key_id == wanted]
    if len(found) > 1:
        raise RecordsError("log-line-twice")
    if not found:
        raise RecordsError("log-line-missing")
    return found[0]


def _time_of(line: SignatureLine) -> int:
    time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
    if not 0 < time <= TIME_MAX:
        raise RecordsError("bad-time")
    return time


def _check_checkpoint(checkpoint: Checkpoint) -> None:
    if not _NAME.fullmatch(checkpoint.origin):
        raise RecordsError("bad-name")
    if not 0 <= checkpoint.size <= SIZE_MAX:
        raise RecordsError("bad-size")
    if len(checkpoint.root) != HASH_BYTES:
        raise RecordsError("bad-root")


def parse_size(text: str) -> int:
    """Return a decimal without leading zeroes up to 2^63 - 1, or raise bad-size."""
    if not _DECIMAL.fullmatch(text) or int(text) > SIZE_MAX:
        raise RecordsError("bad-size")
    return int(text)


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def decode_base64(text: str, *, reason: str) -> bytes:
    """Return the bytes of padded base64, refusing every second spelling."""
    try:
        raw = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise RecordsError(reason) from None
    if _base64(raw) != text:
        raise RecordsError(reason)
    return raw
