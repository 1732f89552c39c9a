"""Archives of operation records on disk: one sealed file a month, beside the key store.

Outside the database, because what three months have passed over is read seldom; under the month's
key, so that it is gone with the key wherever a copy of it lies.
A name holds the month and the file's own digest: nothing is written over, and what a turn that was
killed left behind is told from what was recorded.
"""

from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from typing import Final

from certs.errors import KeyStoreError
from certs.key_files import overwrite_and_unlink, write_private
from certs.keystore import Box, SecretKey, row_ad
from gateway.errors import SekishoError

_LENGTH_BYTES: Final = 4
_SUFFIX: Final = ".sealed"
_DIGITS: Final = 16


class ArchiveDamagedError(SekishoError):
    """An archive is not what was recorded; `reason` says how."""

    problem = "archive-damaged"

    def __init__(self, month: str, reason: str) -> None:
        super().__init__(f"archive of {month}: {reason}", members={"reason": reason})
        self.reason = reason


def seal_archive(key: SecretKey, *, organisation: str, month: str, note: str, raw: bytes) -> bytes:
    """Return the file: the note after its length (u32 big-endian), then the CSV, sealed."""
    said = note.encode()
    plaintext = len(said).to_bytes(_LENGTH_BYTES, "big") + said + raw
    return Box(key).seal(plaintext, _ad(organisation, month))


def open_archive(
    key: SecretKey, *, organisation: str, month: str, sealed: bytes
) -> tuple[str, bytes]:
    """Return an archive's note and CSV; raises `ArchiveDamagedError` for any other file."""
    try:
        plaintext = Box(key).open(sealed, _ad(organisation, month))
    except KeyStoreError as error:
        raise ArchiveDamagedError(month, error.reason) from None
    end = _LENGTH_BYTES + int.from_bytes(plaintext[:_LENGTH_BYTES], "big")
    return plaintext[_LENGTH_BYTES:end].decode(), plaintext[end:]


def write_archive(directory: Path, month: str, sealed: bytes) -> str:
    """Put an archive in its place, mode 0600, and return its hex SHA-256."""
    digest = sha256(sealed).hexdigest()
    write_private(_path(directory, month, digest), sealed)
    return digest


def read_archive(directory: Path, month: str, digest: str) -> bytes:
    """Return the sealed file that was recorded, or raise `ArchiveDamagedError`."""
    try:
        sealed = _path(directory, month, digest).read_bytes()
    except FileNotFoundError:
        raise ArchiveDamagedError(month, "missing") from None
    if sha256(sealed).hexdigest() != digest:
        raise ArchiveDamagedError(month, "file-changed")
    return sealed


def has_archive(directory: Path, month: str, digest: str) -> bool:
    """Tell whether the recorded file is there, without reading it."""
    return _path(directory, month, digest).is_file()


def has_archives(directory: Path, month: str) -> bool:
    """Tell whether any file of a month is there, whichever was recorded."""
    return any(directory.glob(f"operations-{month}-*"))


def remove_archives(directory: Path, month: str, *, but: Collection[str] = ()) -> None:
    """End a month's files, those of these digests left out; none there is fine."""
    kept = {_path(directory, month, digest) for digest in but}
    for path in directory.glob(f"operations-{month}-*"):
        if path not in kept:
            overwrite_and_unlink(path)


def archive_name(month: str, digest: str) -> str:
    """Return what a month's archive is called, wherever it lies."""
    return f"operations-{month}-{digest[:_DIGITS]}{_SUFFIX}"


def _path(directory: Path, month: str, digest: str) -> Path:
    return directory / archive_name(month, digest)


def _ad(organisation: str, month: str) -> bytes:
    return row_ad(organisation, "operation_archives", "file", month, 1)
