"""Three PostgreSQL under Patroni with strict synchronous mode, from packages alone.

Patroni keeps its state in its own Raft. PostgreSQL never runs as root: under root each node gets a
user namespace in which it is somebody else.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import asyncpg

from gateway.storage.embedded import APP_ROLE, CHECKER_ROLE, DATABASE, OWNER_ROLE, SUPERUSER
from gateway.storage.embedded_host import ServerUser, find_install
from tests.tools.ports import HOST, free_ports

NODES: Final = ("one", "two", "three")
READY_S: Final = 120.0
HEALS_S: Final = 25.0
_AT_WORK: Final = frozenset({"running", "streaming"})
_POLL_S: Final = 0.1
_ANSWER_S: Final = 10.0
_TTL_S: Final = 20
"""How long a dead leader's key lives; Patroni allows no less."""

_PARAMETERS: Final = {
    "max_connections": 60,
    "shared_buffers": "32MB",
    "fsync": "off",
    "wal_level": "replica",
    "wal_log_hints": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_min_messages": "fatal",
}
_DYNAMIC: Final = {
    "ttl": _TTL_S,
    "loop_wait": 1,
    "retry_timeout": 3,
    "primary_start_timeout": 0,
    "synchronous_mode": True,
    "synchronous_mode_strict": True,
    "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": _PARAMETERS},
}
_TRUST: Final = (
    "local all all trust",
    "host all all 127.0.0.1/32 trust",
    "host replication all 127.0.0.1/32 trust",
)


@dataclass(slots=True, kw_only=True)
class Node:
    """One PostgreSQL and the Patroni that minds it."""

    name: str
    folder: Path
    port: int
    api: int
    raft: int
    patroni: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def postmaster(self) -> int | None:
        """Return the pid of the PostgreSQL that serves here, if one does."""
        with suppress(OSError, ValueError, IndexError):
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            if Path(f"/proc/{pid}/cwd").samefile(self.data):
                return pid
        return None

    def kill_postgres(self) -> None:
        """End PostgreSQL as a crash would."""
        pid = self.postmaster()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def pause_postgres(self, *, is_paused: bool) -> None:
        """Stop every process of PostgreSQL, or let them go on."""
        pid = self.postmaster()
        assert pid is not None
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGSTOP if is_paused else signal.SIGCONT)

    def kill(self) -> None:
        """End the whole node as a power cut would."""
        if self.patroni is not None:
            self.patroni.kill()
            self.patroni.wait()
            self.patroni = None
        if (pid := self.postmaster()) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + READY_S
        while self._is_served():
            # The children of a dead postmaster notice by themselves.
            assert time.monotonic() < deadline, self.name
            time.sleep(_POLL_S)

    def _is_served(self) -> bool:
        """Tell whether any process works in this node's data."""
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdigit() and (process / "cwd").samefile(self.data):
                    return True
        return False


class Cluster:
    """The nodes, and what Patroni says of them."""

    def __init__(self, folder: Path) -> None:
        ports = iter(free_ports(3 * len(NODES)))
        self.nodes: Final = {
            name: Node(
                name=name,
                folder=folder / name,
                port=next(ports),
                api=next(ports),
                raft=next(ports),
            )
            for name in NODES
        }

    def dsn(self, role: str = APP_ROLE, database: str = DATABASE) -> str:
        """Return where a role finds the primary, whichever node that is."""
        hosts = ",".join(f"{HOST}:{node.port}" for node in self.nodes.values())
        return f"postgresql://{role}@{hosts}/{database}?target_session_attrs=primary"

    def dsn_of(self, name: str, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """Return where a role finds one node, primary or not."""
        return f"postgresql://{role}@{HOST}:{self.nodes[name].port}/{database}"

    def start(self, name: str) -> None:
        """Start a node, for the first time or again."""
        node = self.nodes[name]
        node.folder.mkdir(mode=0o700, exist_ok=True)
        settings = node.folder / "patroni.json"
        settings.write_text(json.dumps(self._settings(node)))
        with (node.folder / "patroni.log").open("ab") as log:
            node.patroni = subprocess.Popen(
                [*_as_somebody(), sys.executable, "-m", "patroni", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End every node at once; nothing of them is kept."""
        for node in self.nodes.values():
            node.kill()

    def members(self) -> dict[str, dict[str, Any]]:
        """Return what any node's Patroni knows of every member."""
        for node in self.nodes.values():
            if node.patroni is None:
                continue
            with suppress(OSError, ValueError):
                status, body = self.ask(node.name, "GET", "/cluster")
                if status == 200:
                    return {member["name"]: member for member in body["members"]}
        return {}

    def find(self, role: str) -> Node | None:
        """Return the node in a role: leader, sync_standby or replica."""
        for name, member in self.members().items():
            if member["role"] == role:
                return self.nodes[name]
        return None

    def node(self, role: str) -> Node:
        """Return the node in a role, which there is."""
        found = self.find(role)
        assert found is not None, self.members()
        return found

    def ask(
        self, name: str, method: str, path: str, body: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Ask a node's Patroni; return status and answer."""
        raw = None if body is None else json.dumps(body).encode()
        request = Request(f"http://{HOST}:{self.nodes[name].api}{path}", data=raw, method=method)
        try:
            with urlopen(request, timeout=_ANSWER_S) as answer:
                said = answer.read()
                return answer.status, json.loads(said) if said[:1] in b"{[" else said.decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def server_command(self, node: Node) -> list[str]:
        """Return how to serve a node's data without its Patroni."""
        where = ["-D", str(node.data), "-p", str(node.port), "-h", HOST, "-k", ""]
        return [*_as_somebody(), str(_programs(node) / "postgres"), *where]

    def is_whole(self) -> bool:
        """Tell whether there is a leader, a synchronous standby, and a third, all at work."""
        if any(node.postmaster() is None for node in self.nodes.values()):
            return False  # what Patroni knows of it is of before it was killed
        members = self.members()
        roles = sorted(str(member["role"]) for member in members.values())
        states = {member["state"] for member in members.values()}
        return roles == ["leader", "replica", "sync_standby"] and states <= _AT_WORK

    async def until(self, is_so: Callable[[], bool], *, seconds: float = READY_S) -> None:
        """Wait for something that Patroni brings about, or say how things stand instead."""
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(is_so):
            assert time.monotonic() < deadline, self.members()
            await asyncio.sleep(_POLL_S)

    async def heal(self) -> None:
        """Return when the cluster is whole again; who does not come back by itself is made anew.

        After a crash `pg_rewind` does not always find a way; an operator then says `reinit`.
        """
        with suppress(AssertionError):
            await self.until(self.is_whole, seconds=HEALS_S)
            return
        for name, member in self.members().items():
            if member["role"] != "leader" and member["state"] not in _AT_WORK:
                node = self.nodes[name]
                await asyncio.to_thread(node.kill)
                await asyncio.to_thread(shutil.rmtree, node.data, ignore_errors=True)
                self.start(name)
        await self.until(self.is_whole)

    def _settings(self, node: Node) -> dict[str, Any]:
        others = [f"{HOST}:{n.raft}" for n in self.nodes.values() if n is not node]
        return {
            "scope": "sekisho",
            "name": node.name,
            "restapi": _address(node.api),
            "raft": {
                "data_dir": str(node.folder / "raft"),
                "self_addr": f"{HOST}:{node.raft}",
                "partner_addrs": others,
            },
            "bootstrap": {
                "dcs": _DYNAMIC,
                "initdb": ["data-checksums", {"encoding": "UTF8"}, {"locale": "C"}],
            },
            "postgresql": {
                **_address(node.port),
                "data_dir": str(node.data),
                "bin_dir": str(_programs(node)),
                # Else a node made anew waits for a checkpoint at its ease: up to minutes.
                "basebackup": [{"checkpoint": "fast"}],
                "pgpass": str(node.folder / "pgpass"),
                "pg_hba": _TRUST,
                "authentication": {
                    "superuser": {"username": SUPERUSER},
                    "replication": {"username": "replicator"},
                    "rewind": {"username": SUPERUSER},
                },
                "parameters": {"unix_socket_directories": ""},
            },
        }


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start three nodes, wait until they are one cluster, and end them afterwards."""
    cluster = Cluster(folder)
    with ExitStack() as stack:
        stack.callback(cluster.stop)
        for name in NODES:
            cluster.start(name)
        deadline = time.monotonic() + READY_S
        while not cluster.is_whole():
            assert time.monotonic() < deadline, cluster.members()
            time.sleep(_POLL_S)
        yield cluster


async def make_database(cluster: Cluster) -> None:
    """Make roles and an empty database, as docs/operations/install.md says."""
    connection = await asyncpg.connect(cluster.dsn(SUPERUSER, "postgres"))
    for statement in (
        f"CREATE ROLE {OWNER_ROLE} LOGIN",
        f"CREATE ROLE {APP_ROLE} LOGIN",
        f"CREATE ROLE {CHECKER_ROLE} LOGIN",
        f"GRANT pg_read_all_stats TO {OWNER_ROLE}",
        f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}",
    ):
        await connection.execute(statement)
    await connection.close()
    # Whoever looks for the primary asks every node, and each has to know the database.
    for name in NODES:
        async with asyncio.timeout(READY_S):
            while not await _has_database(cluster.dsn_of(name, database="postgres")):
                await asyncio.sleep(_POLL_S)


async def _has_database(dsn: str) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        found = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE)
    finally:
        await connection.close()
    return found is not None


def _address(port: int) -> dict[str, str]:
    return {"listen": f"{HOST}:{port}", "connect_address": f"{HOST}:{port}"}


def _programs(node: Node) -> Path:
    user = ServerUser(uid=os.geteuid(), gid=os.getegid(), is_dropped=False)
    return find_install(user, node.folder) / "bin"


def _as_somebody() -> list[str]:
    """Return the words before a command that ends with us and does not run as root."""
    ends_with_us = ["setpriv", "--pdeathsig", "TERM"]
    if os.geteuid() != 0:
        return ends_with_us
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", *ends_with_us]
