"""A PostgreSQL of our own under the data directory: the same SQL and driver as any other.

Only a Unix socket in a private folder, never TCP. Whoever may enter that folder may take any
role: separation of roles does not protect from the operating-system user here, and
THREAT_MODEL.md says so. Durability is PostgreSQL's own: fsync and synchronous commit stay on.
"""

import atexit
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypedDict

from gateway.errors import ConfigurationError, UnavailableError
from gateway.storage.embedded_host import (
    ServerUser,
    choose_user,
    find_install,
    find_socket_folder,
    is_borrowed,
    public_folder,
)

MAJOR_VERSION: Final = "18"
DATABASE: Final = "sekisho"
OWNER_ROLE: Final = "sekisho_owner"
APP_ROLE: Final = "sekisho_app"
CHECKER_ROLE: Final = "sekisho_checker"
SUPERUSER: Final = "sekisho_admin"
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.005
_SOCKET_LINE: Final = 4
_READY_LINE: Final = 7

_INITDB_OPTIONS: Final = (
    f"--username={SUPERUSER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
    "--no-sync",
)

# Statements and details of errors hold personal data; the log gets neither.
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
# For tests only: a crash of the machine may then lose the cluster, a crash of the server not.
_FORGETFUL: Final = {"fsync": "off", "full_page_writes": "off"}

_BOOTSTRAP: Final = f"""\
CREATE ROLE {OWNER_ROLE} LOGIN;
CREATE ROLE {APP_ROLE} LOGIN;
CREATE ROLE {CHECKER_ROLE} LOGIN;
CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE};
REVOKE CONNECT ON DATABASE {DATABASE} FROM PUBLIC;
GRANT CONNECT ON DATABASE {DATABASE} TO {APP_ROLE}, {CHECKER_ROLE};
"""


def running_dsn(folder: Path, role: str) -> str | None:
    """Return where a role finds the server that another process runs in this folder, if one does.

    Its `postmaster.pid` counts only if that process works in this cluster.
    """
    cluster = folder.absolute() / "cluster"
    lines = _pid_file(cluster)
    if len(lines) <= _READY_LINE or lines[_READY_LINE].strip() != "ready":
        return None
    with suppress(OSError):
        if Path(f"/proc/{int(lines[0])}/cwd").samefile(cluster):
            return f"postgresql:///{DATABASE}?host={lines[_SOCKET_LINE]}&user={role}"
    return None


class EmbeddedPostgres:
    """One PostgreSQL cluster under a folder, started and stopped with its context.

    Blocking; an event loop calls it in a thread. One process at a time owns a folder.
    """

    def __init__(self, folder: Path, *, is_durable: bool = True) -> None:
        self._folder = folder.absolute()
        self._cluster = self._folder / "cluster"
        self._settings = _SETTINGS if is_durable else _SETTINGS | _FORGETFUL
        self._is_durable = is_durable
        self._owner_lock = -1
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: Path | None = None
        self._install: Path | None = None
        self._borrowed: list[Path] = []
        self._has_served = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether our server is there."""
        return self._server is not None and self._server.poll() is None

    @property
    def pid(self) -> int:
        """The process id of our server."""
        if self._server is None:
            raise UnavailableError("embedded PostgreSQL: not started")
        return self._server.pid

    def dsn(self, role: str = APP_ROLE, database: str = DATABASE) -> str:
        """Return where a role finds a database of this cluster."""
        if self._socket is None:
            raise UnavailableError("embedded PostgreSQL: not started")
        return f"postgresql:///{database}?host={self._socket}&user={role}"

    def start(self) -> None:
        """Make the cluster if there is none, and serve it; also after a crash or a kill.

        Until `stop` it is always at the same address: others hold its DSN, and a start that
        fails may be tried again.

        Raises:
            ConfigurationError: the folder is in use, of another version, or another user's.
            UnavailableError: the server did not come up.
        """
        if self.is_running:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._owner_lock < 0:
            self._owner_lock = _take_lock(self._folder / "owner.lock", "another process")
            atexit.register(self.stop)
        try:
            self._launch()
            self._wait_until_ready()
        except BaseException:
            if self._has_served:
                self._end_server()
            else:
                self.stop()
            raise
        self._has_served = True

    def stop(self) -> None:
        """End the server after its transactions in progress are rolled back; give the folder up."""
        self._end_server()
        for folder in self._borrowed:
            shutil.rmtree(folder, ignore_errors=True)
        self._borrowed.clear()
        self._socket = self._install = None
        self._has_served = False
        if self._owner_lock >= 0:
            os.close(self._owner_lock)
            self._owner_lock = -1
            atexit.unregister(self.stop)

    def _end_server(self) -> None:
        if self._server is not None:
            _end(self._server)
            self._server = None

    def _lock_server(self) -> int:
        """Hold what every process of a server inherits: whoever gets it knows that none is left."""
        path = self._folder / "server.lock"
        with suppress(ConfigurationError):
            return _take_lock(path, "a server")
        _interrupt_orphan(self._cluster)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            time.sleep(_POLL_S)
            with suppress(ConfigurationError):
                return _take_lock(path, "a server")
        raise ConfigurationError(f"{self._folder} is still served by a PostgreSQL left behind")

    def _launch(self) -> None:
        user = choose_user(self._cluster)
        if self._install is None:
            self._install = find_install(user, self._reachable_folder(user))
        if not self._cluster.exists():
            self._make_cluster(user, self._install)
        _check_version(self._cluster)
        left_behind = _pid_file(self._cluster)
        if self._socket is None:
            self._socket = find_socket_folder(user, self._folder / "socket")
            if self._socket.parent != self._folder:
                self._borrowed.append(self._socket)
        options = self._settings | {"unix_socket_directories": str(self._socket)}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (
            _closing(self._lock_server()) as server_lock,
            _opened(self._cluster, user) as (path, descriptors),
            self._log() as log,
        ):
            self._forget_predecessor(left_behind)
            self._server = subprocess.Popen(  # noqa: S603  # our own program and settings
                [self._install / "bin" / "postgres", "-D", path, *arguments],
                pass_fds=(server_lock, *descriptors),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt at the terminal is for us to pass on
                **_run_as(user),
            )

    def _forget_predecessor(self, lines: list[str]) -> None:
        """Remove what a server left behind that nobody stopped; none is serving any more."""
        if len(lines) > _SOCKET_LINE:
            socket = Path(lines[_SOCKET_LINE])
            if socket != self._socket and is_borrowed(socket):
                shutil.rmtree(socket, ignore_errors=True)
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _reachable_folder(self, user: ServerUser) -> Path:
        if not user.is_dropped or user.can_enter(self._folder):
            return self._folder
        with suppress(OSError):
            # Our own folder may let others pass; what stands above it is not ours to change.
            self._folder.chmod(0o711)
        if user.can_enter(self._folder):
            return self._folder
        self._borrowed.append(public_folder())
        return self._borrowed[-1]

    def _make_cluster(self, user: ServerUser, install: Path) -> None:
        """Make the cluster beside its place and move it there whole."""
        fresh = self._folder / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        user.own(fresh)
        programs = install / "bin"
        with _opened(fresh, user) as (path, descriptors):
            steps: list[tuple[list[str | Path], str]] = [
                ([programs / "initdb", "-D", path, *_INITDB_OPTIONS], ""),
                ([programs / "postgres", "--single", "-D", path, "postgres"], _BOOTSTRAP),
                ([programs / "initdb", "-D", path, "--sync-only"], ""),
            ]
            for command, feed in steps if self._is_durable else steps[:-1]:
                self._run(command, feed, user, descriptors)
        fresh.rename(self._cluster)
        _sync_folder(self._folder)

    def _run(
        self, command: list[str | Path], feed: str, user: ServerUser, descriptors: tuple[int, ...]
    ) -> None:
        with self._log() as log:
            done = subprocess.run(  # noqa: S603  # our own program and settings
                command,
                input=feed.encode(),
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
                check=False,
                **_run_as(user),
            )
        if done.returncode:
            name = Path(command[0]).name
            raise UnavailableError(f"{name} failed; see {self._folder / 'server.log'}")

    @contextmanager
    def _log(self) -> Iterator[int]:
        path = self._folder / "server.log"
        with _closing(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)) as log:
            yield log

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.is_running:
                raise UnavailableError(f"PostgreSQL ended; see {self._folder / 'server.log'}")
            lines = _pid_file(self._cluster)
            if len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready":
                return
            time.sleep(_POLL_S)
        raise UnavailableError(f"PostgreSQL is not ready after {START_TIMEOUT_S:.0f} s")


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(cluster: Path, user: ServerUser) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the path by which the server's user reaches the cluster, and what it must inherit.

    A dropped user may be barred from a folder above; the descriptor leads past it.
    """
    if not user.is_dropped:
        yield str(cluster), ()
        return
    with _closing(os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)) as descriptor:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)


class _Environment(TypedDict):
    user: int | None
    group: int | None
    extra_groups: list[int] | None
    cwd: str
    env: dict[str, str]


def _run_as(user: ServerUser) -> _Environment:
    return _Environment(
        user=user.uid if user.is_dropped else None,
        group=user.gid if user.is_dropped else None,
        extra_groups=[] if user.is_dropped else None,
        cwd="/",
        env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
    )


def _check_version(cluster: Path) -> None:
    found = (cluster / "PG_VERSION").read_text().strip()
    if found != MAJOR_VERSION:
        raise ConfigurationError(
            f"{cluster} was made by PostgreSQL {found}; this release brings {MAJOR_VERSION}"
        )


def _pid_file(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _take_lock(path: Path, holder: str) -> int:
    """Return a descriptor that holds the lock file until the last copy of it is closed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigurationError(f"{path.parent} is in use by {holder}") from None
    return descriptor


def _interrupt_orphan(cluster: Path) -> None:
    """Ask a server whose gateway died to stop; its pid counts only if it works in this cluster."""
    lines = _pid_file(cluster)
    if not lines or not lines[0].isdigit():
        return
    pid = int(lines[0])
    with suppress(OSError):
        if Path(f"/proc/{pid}/cwd").samefile(cluster):
            os.kill(pid, signal.SIGINT)


def _end(server: subprocess.Popen[bytes]) -> None:
    for ask in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is None:
            server.send_signal(ask)
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOP_TIMEOUT_S)
            return


def _sync_folder(folder: Path) -> None:
    with _closing(os.open(folder, os.O_RDONLY | os.O_DIRECTORY)) as descriptor:
        os.fsync(descriptor)
