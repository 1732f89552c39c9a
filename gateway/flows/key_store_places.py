"""One place of key-store copies looked through: what is overdue or half made goes.

A copy is as old as its signed manifest says, whatever its folder is called; where there is no
manifest to believe, the older of register and name counts. A copy that nobody had told of is
taken in.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from certs.key_files import overwrite_and_unlink, sync_directory
from codes.canonical import parse_instant
from gateway.domain.backup import KEY_STORE, KEY_STORE_KEPT, Manifest
from gateway.domain.key_store_copies import CopyPlace, KeyStoreCopy
from gateway.flows.backup_folder import MANIFEST, named_ours, named_time
from gateway.logs import get_logger

ManifestOf = Callable[[Path], Manifest | None]

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A place as it is afterwards, which folders were removed, and how many would not go."""

    place: CopyPlace
    removed: list[str]
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A folder that is a copy of ours, whole or not."""

    path: Path
    is_draft: bool
    taken_at: datetime
    manifest: Manifest | None = field(repr=False)


def look_through(place: CopyPlace, owner: str, manifest_of: ManifestOf, *, now: datetime) -> Looked:
    """Remove from a place that can be reached what may no longer be there."""
    copies = {copy.id: copy for copy in place.copies}
    removed, failed = list[str](), set[str]()
    for found in list(_found(place, owner, manifest_of)):
        copy = _registered(found, place)
        if found.manifest is not None and copy is None:
            copy = _taken_in(found.path, found.manifest)
            copies[copy.id] = copy
        if not (found.is_draft or now >= found.taken_at + KEY_STORE_KEPT):
            continue
        try:
            _end(found.path)
        except OSError as error:
            log.warning("key_store_copy_stays", reason=str(error.strerror))
            failed.add(copy.id if copy is not None else found.path.name)
            continue
        removed.append(found.path.name)
        if copy is not None:
            copies[copy.id] = copies[copy.id].ended("removed", now)
    for copy in copies.values():
        if copy.how is None and now >= copy.until and copy.id not in failed:
            copies[copy.id] = copy.ended("not-found", now)
    after = msgspec.structs.replace(place, copies=list(copies.values()))
    return Looked(place=after, removed=removed, failed=len(failed))


def _found(place: CopyPlace, owner: str, manifest_of: ManifestOf) -> Iterator[_Found]:
    """Yield every copy of ours, by its name or, under any other name, by its manifest."""
    folder = Path(place.path)
    named = {path: match for path, match in named_ours(folder, owner) if not path.is_symlink()}
    for path, match in named.items():
        if match["kind"] != KEY_STORE:
            continue
        manifest = manifest_of(path)
        known = [parse_instant(c.taken_at) for c in place.copies if c.name in path.name]
        by_name = min([named_time(match), *known])
        taken_at = by_name if manifest is None else parse_instant(manifest.taken_at)
        yield _Found(path=path, is_draft=bool(match["draft"]), taken_at=taken_at, manifest=manifest)
    for path in sorted(folder.iterdir()):
        if path in named or path.is_symlink() or not path.is_dir():
            continue
        manifest = manifest_of(path)
        if manifest is not None:
            taken_at = parse_instant(manifest.taken_at)
            yield _Found(path=path, is_draft=False, taken_at=taken_at, manifest=manifest)


def _registered(found: _Found, place: CopyPlace) -> KeyStoreCopy | None:
    for copy in place.copies:
        if found.manifest is not None:
            if copy.id == found.manifest.id:
                return copy
        elif copy.name in found.path.name:
            return copy
    return None


def _taken_in(path: Path, manifest: Manifest) -> KeyStoreCopy:
    return KeyStoreCopy(id=manifest.id, name=path.name, taken_at=manifest.taken_at)


def _end(folder: Path) -> None:
    """End a copy: its keys overwritten first, its manifest last, so that it is found again."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST):
        if path.is_symlink() or not path.is_file():
            continue
        overwrite_and_unlink(path)
    shutil.rmtree(folder)
    sync_directory(folder.parent)
