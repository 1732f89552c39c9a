"""Real processes: instances started side by side, told apart by pid, and ended whole."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from gateway.demo.instances import Instance
from gateway.errors import UnavailableError

READY_S: Final = 60.0
STOP_S: Final = 15.0
_POLL_S: Final = 0.02
_METRICS: Final = "PROMETHEUS_MULTIPROC_DIR"
_COMMANDS: Final = {
    "gateway": "serve",
    "core": "core",
    "resident-network": "resident-network",
    "witness": "witness",
}
PROGRAM: Final = (sys.executable, "-I", "-m", "gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One instance with its processes: where each listener is, and the parent's pid."""

    instance: Instance
    addresses: Mapping[str, str]
    pid: int

    def url(self, listener: str) -> str:
        """Return the address of a listener as a URL."""
        return f"https://{self.addresses[listener]}"

    def processes(self) -> list[int]:
        """Return the pids of the parent and of all that came from it."""
        return tree([self.pid])


class Starting:
    """A started instance that is not ready yet."""

    def __init__(self, instance: Instance, process: asyncio.subprocess.Process, ready: int) -> None:
        self.instance: Final = instance
        self._process = process
        self._ready = ready

    @classmethod
    async def launch(cls, instance: Instance) -> Self:
        """Start an instance in a session of its own: an interrupt here is ours to pass on."""
        ready, theirs = os.pipe()
        try:
            with instance.log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *PROGRAM,
                    _COMMANDS[instance.role],
                    "--config",
                    str(instance.config),
                    "--ready-fd",
                    str(theirs),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs,),
                    start_new_session=True,
                    env={key: value for key, value in os.environ.items() if key != _METRICS},
                )
        except BaseException:
            os.close(ready)
            raise
        finally:
            os.close(theirs)
        return cls(instance, process, ready)

    async def ready(self) -> Running:
        """Return the instance once it is ready, or raise `UnavailableError` naming its log."""
        with os.fdopen(self._ready, "rb") as pipe:
            try:
                async with asyncio.timeout(READY_S):
                    line = await _line(pipe.fileno())
            except TimeoutError:
                line = b""
        if not line:
            raise UnavailableError(f"{self.instance.name} did not come up: {self._last_words()}")
        told = json.loads(line)
        return Running(instance=self.instance, addresses=told["addresses"], pid=told["pid"])

    def _last_words(self) -> str:
        """Return the end of what was logged: the folder may be gone when somebody looks."""
        lines = self.instance.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it logged nothing"

    async def end(self) -> None:
        """End the process and everything that came from it; by pid, never by name."""
        everybody = tree([self._process.pid])
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._process.wait()
        await kill_left(everybody)
        await self._process.wait()


async def _line(descriptor: int) -> bytes:
    """Return the first line that comes, nothing when the other side is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(descriptor), "rb")
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return await reader.readline()
    finally:
        transport.close()


@asynccontextmanager
async def running(instances: Iterable[Instance]) -> AsyncIterator["Fleet"]:
    """Hold these instances running, started together; all have ended when the context has."""
    fleet = Fleet()
    try:
        await fleet.start(instances)
        yield fleet
    finally:
        await fleet.end()


class Fleet:
    """Instances by name."""

    def __init__(self) -> None:
        self._started: list[Starting] = []
        self._running: dict[str, Running] = {}

    def __getitem__(self, name: str) -> Running:
        return self._running[name]

    @property
    def running(self) -> Mapping[str, Running]:
        """Return everybody by name."""
        return self._running

    def leave(self) -> None:
        """Let everybody live on when this process has ended."""
        self._started.clear()

    async def start(self, instances: Iterable[Instance]) -> None:
        """Start these together and wait until all are ready."""
        for instance in instances:
            self._started.append(await Starting.launch(instance))
        new = self._started[len(self._running) :]
        for one in await asyncio.gather(*(starting.ready() for starting in new)):
            self._running[one.instance.name] = one

    async def stop(self, name: str) -> None:
        """End one instance that is not needed any more."""
        del self._running[name]
        (one,) = [starting for starting in self._started if starting.instance.name == name]
        self._started.remove(one)
        await one.end()

    async def end(self) -> None:
        """End everybody."""
        started, self._started = self._started, []
        self._running = {}
        await asyncio.gather(*(starting.end() for starting in started))


def tree(pids: Iterable[int]) -> list[int]:
    """Return these processes and everything that came from them, as far as they live."""
    children: dict[int, list[int]] = {}
    for pid in _all():
        parent = _parent(pid)
        if parent is not None:
            children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, ())
    return found


async def kill_left(pids: Iterable[int]) -> None:
    """Kill who is still there of these, after the time that ending by itself may take."""
    marks = {pid: mark for pid in pids if (mark := _mark(pid)) is not None}
    for _ in range(int(1 / _POLL_S)):
        marks = {pid: mark for pid, mark in marks.items() if _mark(pid) == mark}
        if not marks:
            return
        await asyncio.sleep(_POLL_S)
    for pid in marks:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def _mark(pid: int) -> str | None:
    """Return what tells this process from a later one of the same pid; none when it has ended."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else fields[19]


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat after the name."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
