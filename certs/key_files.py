"""Private keys as files: PEM that openssl reads, mode 0600 in directories of mode 0700.

Reading refuses a file that others may read; writing is whole or not at all.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from certs.errors import KeyMaterialError
from certs.key_pairs import split_seeds

PRIVATE_FILE_MODE: Final = 0o600
PRIVATE_DIRECTORY_MODE: Final = 0o700
PUBLIC_FILE_MODE: Final = 0o644
KEY_FILE_BYTES_MAX: Final = 64 * 1024
ED25519_FILE: Final = "ed25519.key.pem"
MLDSA44_FILE: Final = "mldsa44.key.pem"
_OLD_SUFFIX: Final = ".old"


def make_private_directory(path: Path) -> Path:
    """Create `path` and what is missing above it with mode 0700, and return it.

    What exists already keeps its mode: it may be anybody's.
    """
    if not path.is_dir():
        make_private_directory(path.parent)
        path.mkdir(mode=PRIVATE_DIRECTORY_MODE, exist_ok=True)
    return path


def write_file(path: Path, content: bytes, *, mode: int = PUBLIC_FILE_MODE) -> None:
    """Put `content` at `path` durably; a reader sees the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def write_private(path: Path, content: bytes) -> None:
    """Put a secret at `path`, mode 0600; a directory made for it has mode 0700."""
    make_private_directory(path.parent)
    write_file(path, content, mode=PRIVATE_FILE_MODE)


def write_new_private(path: Path, content: bytes) -> None:
    """Put a secret where no file may be yet, or raise `KeyMaterialError` (`key-file-exists`)."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    write_private(draft, content)
    try:
        # A link never replaces, and what it names is whole.
        os.link(draft, path)
    except FileExistsError:
        raise KeyMaterialError("key-file-exists", path.name) from None
    finally:
        draft.unlink()
    sync_directory(path.parent)


def replace_private(path: Path, draft: Path) -> None:
    """Put a written file in the place of another, whose old bytes are then overwritten.

    At every moment the name gives the old file or the new one. A break may leave the old one
    beside it, under the ending `.old`, until the next call.
    """
    old = path.with_name(path.name + _OLD_SUFFIX)
    overwrite_and_unlink(old)
    os.link(path, old)
    draft.replace(path)
    sync_directory(path.parent)
    overwrite_and_unlink(old)


def overwrite_and_unlink(path: Path) -> None:
    """End a file and, as far as the file system lets us, its bytes; one that is gone is fine."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        os.write(handle, b"\0" * os.fstat(handle).st_size)
        os.fsync(handle)
    finally:
        os.close(handle)
    path.unlink()
    sync_directory(path.parent)


def read_private(path: Path) -> bytes:
    """Return the secret at `path`, or raise `KeyMaterialError` (missing, too open, too large)."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyMaterialError("key-file-unreadable", path.name) from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyMaterialError("key-file-too-open", f"{path.name}: mode must be 0600")
    if len(content) > KEY_FILE_BYTES_MAX:
        raise KeyMaterialError("key-file-too-large", path.name)
    return content


def write_pair(directory: Path, raw: bytes) -> None:
    """Store a 64-byte Ed25519 and ML-DSA-44 pair as two PEM files."""
    ed25519_seed, mldsa44_seed = split_seeds(raw)
    ed25519 = Ed25519PrivateKey.from_private_bytes(ed25519_seed)
    write_private(directory / ED25519_FILE, private_pem(ed25519))
    write_mldsa44(directory, mldsa44_seed)


def read_pair(directory: Path) -> bytes:
    """Return the 64 bytes that `write_pair` stored, or raise `KeyMaterialError`."""
    ed25519 = _load(directory / ED25519_FILE)
    if not isinstance(ed25519, Ed25519PrivateKey):
        raise KeyMaterialError("key-of-another-kind", f"{directory.name}/{ED25519_FILE}")
    return ed25519.private_bytes_raw() + read_mldsa44(directory)


def write_mldsa44(directory: Path, seed: bytes) -> None:
    """Store an ML-DSA-44 key, given as its 32-byte seed, as a PEM file."""
    key = MLDSA44PrivateKey.from_seed_bytes(seed)
    write_private(directory / MLDSA44_FILE, private_pem(key))


def read_mldsa44(directory: Path) -> bytes:
    """Return the 32-byte seed that `write_mldsa44` stored, or raise `KeyMaterialError`."""
    key = _load(directory / MLDSA44_FILE)
    if not isinstance(key, MLDSA44PrivateKey):
        raise KeyMaterialError("key-of-another-kind", f"{directory.name}/{MLDSA44_FILE}")
    return key.private_bytes_raw()


def read_p256(path: Path) -> EllipticCurvePrivateKey:
    """Return the P-256 private key in a PEM file, or raise `KeyMaterialError`."""
    key = _load(path)
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise KeyMaterialError("key-of-another-kind", path.name)
    return key


def private_pem(key: PrivateKeyTypes) -> bytes:
    """Return unencrypted PKCS #8 in PEM; a secret."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load(path: Path) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError) as error:
        raise KeyMaterialError("key-malformed", path.name) from error


def sync_directory(path: Path) -> None:
    """Make what was renamed, made or removed in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
