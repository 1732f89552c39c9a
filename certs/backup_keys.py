"""The backup key: who makes backups holds its public half, who restores them the private one.

A pair of the sealing suite (PROTOCOL §1), used for backups alone. The machine that makes backups
can so read none of them again; the private half lies with the organisation, off the machine.
"""

from pathlib import Path
from typing import Final

from certs.errors import KeyMaterialError
from certs.key_files import KEY_FILE_BYTES_MAX, read_private, write_file, write_new_private
from certs.names import SEALING_PUBLIC_BYTES
from certs.sealing_keys import SealingPrivateKey
from codes.canonical import b64, unb64
from codes.errors import CodesError

PRIVATE_WORD: Final = "sekisho-backup-private-key/1"
PUBLIC_WORD: Final = "sekisho-backup-public-key/1"


def make_backup_key(private: Path, public: Path) -> str:
    """Write a new pair into two files, the private one of mode 0600, and return its id.

    Raises:
        KeyMaterialError: key-file-exists where either is there already.
    """
    if public.exists():
        raise KeyMaterialError("key-file-exists", public.name)
    key = SealingPrivateKey.generate()
    write_new_private(private, _line(PRIVATE_WORD, key.to_bytes()))
    write_file(public, _line(PUBLIC_WORD, key.public))
    return key.key_id


def read_backup_public(path: Path) -> bytes:
    """Return the public half that `make_backup_key` wrote, or raise `KeyMaterialError`."""
    try:
        with path.open("rb") as file:
            raw = file.read(KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise KeyMaterialError("key-file-unreadable", path.name) from error
    public = _read(raw, PUBLIC_WORD, path)
    if len(public) != SEALING_PUBLIC_BYTES:
        raise KeyMaterialError("key-malformed", path.name)
    return public


def read_backup_private(path: Path) -> SealingPrivateKey:
    """Return the private half that `make_backup_key` wrote, or raise `KeyMaterialError`."""
    return SealingPrivateKey.from_bytes(_read(read_private(path), PRIVATE_WORD, path))


def _line(word: str, raw: bytes) -> bytes:
    return f"{word} {b64(raw)}\n".encode("ascii")


def _read(raw: bytes, word: str, path: Path) -> bytes:
    found, _, text = raw.decode("ascii", "replace").strip().partition(" ")
    if found != word:
        raise KeyMaterialError("key-of-another-kind", path.name)
    try:
        return unb64(text)
    except CodesError as error:
        raise KeyMaterialError("key-malformed", path.name) from error
