"""Export bundles on disk: a folder or a zip archive, read file by file as the verifier asks."""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from certs.errors import CertsError
from certs.history import read_history
from certs.log_keys import WitnessPublicKey
from certs.own_keys import read_root
from codes.canonical import unb64
from codes.errors import CodesError
from gateway.errors import ConfigurationError, SekishoError
from gateway.records.bundle import DIRECTORY, Files, read_manifest
from gateway.records.errors import RecordsError
from gateway.records.trust import LogTrust
from gateway.settings import config_path, load_settings

FILE_BYTES_MAX: Final = 16 * 1024**3
"""No file of a bundle is read into memory beyond this."""
T = TypeVar("T")


class BundleError(SekishoError):
    """The bundle cannot be read at all."""

    problem = "bad-bundle"


@contextmanager
def opened_bundle(path: Path) -> Iterator[Files]:
    """Hold a bundle open, folder or archive."""
    if path.is_dir():
        yield _Folder(path)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield _Archive(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path}: no bundle ({type(error).__name__})") from None


def trust_of(
    files: Files,
    root: Path | None,
    config: Path | None,
    *,
    history: Path | None = None,
    witness_keys: Sequence[str] = (),
) -> LogTrust:
    """Return whom to believe about the log: a directory that leads to the pinned root.

    The root is what the auditor pinned: a file, or that of a gateway's own keys. `history` is a
    folder of directory documents that the auditor kept, else the bundle's own is taken;
    `witness_keys` are `NAME=KEY` with the raw ML-DSA-44 key in base64url.
    """
    if root is None:
        root = load_settings(config_path(config)).network.keys_dir / "root.json"
    raws = _directories(files, history)
    *older, directory = read_history(raws, root=read_root(root))
    keys = dict(_witness_key(text) for text in witness_keys)
    try:
        organisation = read_manifest(files).organisation
    except RecordsError as error:
        raise BundleError(str(error)) from None
    return LogTrust.of(directory, organisation, older=older, witness_keys=keys)


def _directories(files: Files, history: Path | None) -> list[bytes]:
    if history is not None:
        return [path.read_bytes() for path in sorted(history.glob("*.json"))]
    raw = files.get(DIRECTORY)
    if raw is None:
        raise BundleError(f"no {DIRECTORY}")
    return [raw]


def _witness_key(text: str) -> tuple[str, WitnessPublicKey]:
    name, _, key = text.partition("=")
    try:
        return name, WitnessPublicKey(mldsa44=unb64(key))
    except (CertsError, CodesError):
        raise ConfigurationError(f"witness key: NAME=KEY, got one for {name!r}") from None


def reading(read: Callable[[], T]) -> T:
    """Return what `read` returns; what it finds unreadable ends the command."""
    try:
        return read()
    except RecordsError as error:
        raise BundleError(str(error)) from None


class _Folder(Mapping[str, bytes]):
    """The files of a folder, by names of a bundle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> bytes:
        path = self._folder / name
        if not path.is_file():
            raise KeyError(name)
        if path.stat().st_size > FILE_BYTES_MAX:
            raise BundleError(f"{name}: more than {FILE_BYTES_MAX} bytes")
        return path.read_bytes()

    def __iter__(self) -> Iterator[str]:
        found = (path for path in sorted(self._folder.rglob("*")) if path.is_file())
        return (path.relative_to(self._folder).as_posix() for path in found)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Archive(Mapping[str, bytes]):
    """The files of a zip archive; each is looked at before it is read."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        names = archive.namelist()
        if len(set(names)) != len(names):
            # Two files of one name are two bundles in one: which one is meant nobody knows.
            raise BundleError("a name stands twice in the archive")

    def __getitem__(self, name: str) -> bytes:
        info = self._archive.getinfo(name)
        if info.file_size > FILE_BYTES_MAX:
            raise BundleError(f"{name}: more than {FILE_BYTES_MAX} bytes")
        try:
            return self._archive.read(info)
        except zipfile.BadZipFile:
            raise BundleError(f"{name}: the archive is damaged") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._archive.namelist())

    def __len__(self) -> int:
        return len(self._archive.namelist())
