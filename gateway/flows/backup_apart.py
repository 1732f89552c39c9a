"""Database and key store never go to one place: together they would undo every erasure.

Looked at are the folder itself, those it lies in, and those in it, by the names of our backups.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.domain.backup import DATABASE, KEY_STORE, Kind
from gateway.errors import RefusedError
from gateway.flows.backup_folder import named_ours

REASON: Final = "backups-not-apart"
DEPTH_MAX: Final = 3
"""So far down a folder is looked through."""
FOLDERS_MAX: Final = 2_000


def require_apart(target: Path, owner: str, kind: Kind) -> None:
    """Raise `RefusedError` where a backup of the other kind lies in, above or below a folder."""
    other = KEY_STORE if kind == DATABASE else DATABASE
    for folder in _around(target.resolve()):
        if _holds(folder, owner, other):
            raise RefusedError(
                f"{folder} holds our backups of the {_WORDS[other]}: whoever has both, and the"
                " master key, reads months that were erased; choose another place",
                reason=REASON,
            )


_WORDS: Final[dict[Kind, str]] = {DATABASE: "database", KEY_STORE: "key store"}


def _holds(folder: Path, owner: str, kind: Kind) -> bool:
    try:
        return any(match["kind"] == kind for _, match in named_ours(folder, owner))
    except OSError:
        return False  # not there, or not ours to look into


def _around(target: Path) -> Iterator[Path]:
    yield from (target, *target.parents)
    level, seen = [target], 0
    for _ in range(DEPTH_MAX):
        level = [below for folder in level for below in _folders(folder)]
        for folder in level:
            seen += 1
            if seen > FOLDERS_MAX:
                raise RefusedError(
                    f"{target}: more than {FOLDERS_MAX} folders; choose one for backups alone",
                    reason=REASON,
                )
            yield folder


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []
