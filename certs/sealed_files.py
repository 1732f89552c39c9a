"""Files of a backup: sealed in chunks to the backup key, written and read in bounded memory.

A file is one line of canonical JSON (what it is, and its key as HPKE sealed it), then chunks of
1 MiB under AES-256-GCM with that key (the STREAM construction: Hoang, Reyhanitabar, Rogaway and
Vizár, 2015): nonce = number of the chunk (11 bytes) ‖ whether it is the last (1 byte), associated
data = SHA-256 of the line. Every file has a key of its own, so no nonce comes twice; a chunk that
was changed, moved, left out or added, and a file that was cut or renamed, do not open.

Who sealed is not proved here: that is the signed manifest's part.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from certs.errors import BackupError, SealingError
from certs.sealing_keys import SealingPrivateKey, encapsulate, sealing_key_id
from codes.canonical import b64, canonical_json, parse_canonical, unb64
from codes.errors import CodesError

FORMAT: Final = 1
CHUNK_BYTES: Final = 1024 * 1024
TAG_BYTES: Final = 16
HEADER_BYTES_MAX: Final = 8 * 1024
_KEY_BYTES: Final = 32
_COUNTER_BYTES: Final = 11
_MEMBERS: Final = frozenset({"format", "backup", "file", "key_id", "enc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """Which file of which backup of whom: what a sealed file is bound to."""

    network: str
    organisation: str
    backup_id: str
    name: str

    def info(self, key_id: str) -> bytes:
        """Return HPKE's `info`: six ASCII parts, each after its length as u16 big-endian."""
        parts = ("sekisho/backup/v1", self.network, self.organisation, self.backup_id)
        encoded = [part.encode("ascii") for part in (*parts, self.name, key_id)]
        return b"".join(len(part).to_bytes(2, "big") + part for part in encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """What was written: bytes of the whole file, their SHA-256, and the bytes sealed in it."""

    size: int
    sha256: str
    plain: int


class SealedWriter:
    """Seals what is written into an open file; holds one chunk at a time."""

    def __init__(self, file: BinaryIO, place: FilePlace, public_key: bytes) -> None:
        key, key_id = secrets.token_bytes(_KEY_BYTES), sealing_key_id(public_key)
        enc = encapsulate(key, public_key, place.info(key_id))
        header = _header(place, key_id=key_id, enc=enc)
        self._file, self._digest, self._size = file, sha256(), 0
        self._aead, self._ad, self._number = AESGCM(key), sha256(header).digest(), 0
        self._buffer, self._plain = bytearray(), 0
        self._put(header)

    def write(self, content: bytes) -> None:
        """Seal more bytes; what fills no chunk yet waits for the next."""
        self._buffer += content
        self._plain += len(content)
        # The last chunk is known only at the end, so a full one waits until more has come.
        while len(self._buffer) > CHUNK_BYTES:
            self._seal(bytes(self._buffer[:CHUNK_BYTES]), is_last=False)
            del self._buffer[:CHUNK_BYTES]

    def finish(self) -> SealedFile:
        """Seal what is left as the last chunk and return what was written."""
        self._seal(bytes(self._buffer), is_last=True)
        self._buffer.clear()
        return SealedFile(size=self._size, sha256=self._digest.hexdigest(), plain=self._plain)

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._put(self._aead.encrypt(_nonce(self._number, is_last=is_last), chunk, self._ad))
        self._number += 1

    def _put(self, content: bytes) -> None:
        self._file.write(content)
        self._digest.update(content)
        self._size += len(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedHeader:
    """The first line of a sealed file, as it says itself."""

    backup_id: str
    name: str
    key_id: str
    enc: bytes = field(repr=False)
    digest: bytes = field(repr=False)


def read_header(file: BinaryIO) -> SealedHeader:
    """Return the first line of an open file and leave the file behind it.

    Raises:
        BackupError: not-sealed.
    """
    line = file.readline(HEADER_BYTES_MAX)
    try:
        members = parse_canonical(line.removesuffix(b"\n"))
        texts = [members[name] for name in ("backup", "file", "key_id", "enc")]
        backup_id, name, key_id, enc = (str(text) for text in texts)
        opened = unb64(enc)
    except (CodesError, KeyError) as error:
        raise BackupError("not-sealed", "no header") from error
    if set(members) != _MEMBERS or members["format"] != FORMAT or not line.endswith(b"\n"):
        raise BackupError("not-sealed", "another format")
    digest = sha256(line).digest()
    return SealedHeader(backup_id=backup_id, name=name, key_id=key_id, enc=opened, digest=digest)


def open_file(file: BinaryIO, place: FilePlace, key: SealingPrivateKey) -> Iterator[bytes]:
    """Give the plaintext of a sealed file chunk by chunk, each authenticated before it is given.

    Whoever uses it waits for the end: only that tells that nothing is missing.

    Raises:
        BackupError: not-sealed, of-another-backup, another-file, other-key, does-not-open,
            truncated, runs-on.
    """
    header = read_header(file)
    if header.backup_id != place.backup_id:
        raise BackupError("of-another-backup", place.name)
    if header.name != place.name:
        raise BackupError("another-file", place.name)
    if header.key_id != key.key_id:
        raise BackupError("other-key", f"sealed to the backup key {header.key_id[:16]}")
    try:
        aead = AESGCM(key.open(header.enc, place.info(key.key_id)))
    except (SealingError, ValueError):
        raise BackupError("does-not-open", f"{place.name}: its key") from None
    number, chunk = 0, file.read(CHUNK_BYTES + TAG_BYTES)
    while True:
        following = file.read(CHUNK_BYTES + TAG_BYTES)
        yield _opened(aead, header.digest, place, chunk, number=number, is_last=not following)
        if not following:
            return
        number, chunk = number + 1, following


def _opened(
    aead: AESGCM, ad: bytes, place: FilePlace, chunk: bytes, *, number: int, is_last: bool
) -> bytes:
    where = f"{place.name}: chunk {number}"
    if len(chunk) < TAG_BYTES:
        raise BackupError("truncated", where)
    try:
        return aead.decrypt(_nonce(number, is_last=is_last), chunk, ad)
    except InvalidTag:
        pass
    try:
        aead.decrypt(_nonce(number, is_last=not is_last), chunk, ad)
    except InvalidTag:
        raise BackupError("does-not-open", where) from None
    raise BackupError("truncated" if is_last else "runs-on", where)


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(_COUNTER_BYTES, "big") + (b"\1" if is_last else b"\0")


def _header(place: FilePlace, *, key_id: str, enc: bytes) -> bytes:
    members: dict[str, object] = {
        "format": FORMAT,
        "backup": place.backup_id,
        "file": place.name,
        "key_id": key_id,
        "enc": b64(enc),
    }
    return canonical_json(members) + b"\n"
