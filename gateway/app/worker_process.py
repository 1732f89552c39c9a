"""The parent's side of one worker: start it, talk with it, start it again when it dies."""

import asyncio
import itertools
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.app.channel import Answer, Ask, Channel, Misconfigured, Readiness, WorkerStart
from gateway.app.worker import SIGN_OF_LIFE_S
from gateway.errors import ConfigurationError, UnavailableError
from gateway.logs import get_logger
from gateway.metrics import WORKER_RESTARTS
from gateway.settings import WorkerSettings

WORKER_COMMAND: Final = (sys.executable, "-I", "-m", "gateway.app.worker")
SILENCE_S_MAX: Final = 5 * SIGN_OF_LIFE_S
COMMAND_S_MAX: Final = 60.0
_STEADY_S: Final = 10.0  # a worker that lived this long starts with the shortest delay again
_GRACE_S: Final = 5.0
_STARTING: Final[tuple[str, ...]] = ("starting",)
_DOWN: Final[tuple[str, ...]] = ("down",)
_SILENT: Final[tuple[str, ...]] = ("silent",)

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """How one worker is, for status and readiness."""

    worker: int
    pid: int | None
    restarts: int
    missing: tuple[str, ...]


class WorkerProcess:
    """One place for a worker, whichever process fills it."""

    def __init__(
        self,
        start: WorkerStart,
        settings: WorkerSettings,
        *,
        command: tuple[str, ...],
        on_change: Callable[[], None],
        on_death: Callable[[int], None],
    ) -> None:
        self._start = start
        self._settings = settings
        self._command = command
        self._on_change = on_change
        self._on_death = on_death
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self._missing: tuple[str, ...] = _STARTING
        self._heard_at = 0.0
        self._restarts = 0
        self._was_ready = False
        self._stopping = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._ids = itertools.count(1)

    @property
    def state(self) -> WorkerState:
        """Return how the worker is just now; one that keeps silent is not ready."""
        missing = self._missing
        if not missing and _now() - self._heard_at > SILENCE_S_MAX:
            missing = _SILENT
        pid = None if self._process is None else self._process.pid
        return WorkerState(
            worker=self._start.worker, pid=pid, restarts=self._restarts, missing=missing
        )

    @property
    def is_there(self) -> bool:
        """Tell whether its role is built, ready or not: it takes commands then."""
        return self._channel is not None and self._missing not in {_STARTING, _DOWN}

    async def keep(self) -> None:
        """Keep a worker running until `stop`, with growing pauses between deaths.

        Raises:
            ConfigurationError: the worker, never ready yet, says that trying again would not help.
        """
        delay_s = self._settings.restart_delay_s
        while not self._stopping.is_set():
            started_at = _now()
            exit_code = await self._live()
            if self._stopping.is_set():
                return
            if _now() - started_at > _STEADY_S:
                delay_s = self._settings.restart_delay_s
            log.error(
                "worker_died", worker=self._start.worker, exit_code=exit_code, delay_s=delay_s
            )
            self._restarts += 1
            WORKER_RESTARTS.inc()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
            delay_s = min(delay_s * 2, self._settings.restart_delay_max_s)

    async def ask(self, command: str, arguments: Mapping[str, object]) -> Answer:
        """Return the worker's answer to a command, or raise UnavailableError."""
        if self._channel is None:
            raise UnavailableError("the worker is not there")
        number = next(self._ids)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._channel.send(Ask(id=number, command=command, arguments=dict(arguments)))
            async with asyncio.timeout(COMMAND_S_MAX):
                return await future
        except TimeoutError:
            raise UnavailableError("the worker does not answer") from None
        finally:
            del self._waiting[number]

    async def stop(self) -> None:
        """Let the worker finish what it has, and kill it when its time is over."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            # Its own drain ends first; what is left over is for closing pools.
            async with asyncio.timeout(self._settings.drain_timeout_s + _GRACE_S):
                await process.wait()
        except TimeoutError:
            log.warning("worker_killed", worker=self._start.worker, pid=process.pid)
            process.kill()
            await process.wait()

    async def _live(self) -> int:
        """Run one process from start to end and return its exit code."""
        ours, theirs = socket.socketpair()
        pipe_out, pipe_in = os.pipe()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                str(pipe_out),
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(pipe_out, theirs.fileno()),
                process_group=0,
            )
        os.close(pipe_out)
        self._process = process
        try:
            await asyncio.to_thread(_feed, pipe_in, msgspec.json.encode(self._start))
            self._channel = await Channel.over(ours)
            if self._stopping.is_set():
                return await self._kill(process)  # it serves nobody yet
            async with asyncio.timeout(self._settings.start_timeout_s) as limit:
                await self._listen(self._channel, limit.reschedule)
            return await process.wait()
        except TimeoutError:
            log.warning("worker_start_too_slow", worker=self._start.worker)
            return await self._kill(process)
        except BaseException:
            await self._kill(process)
            raise
        finally:
            self._bury(process.pid)

    async def _listen(self, channel: Channel, reschedule: Callable[[float | None], None]) -> None:
        """Take what the worker says, until it is gone."""
        while (message := await channel.from_worker()) is not None:
            reschedule(None)  # it speaks: only the time until its first word is limited
            if isinstance(message, Misconfigured):
                self._refuse(message.message)
            elif isinstance(message, Readiness):
                self._heard_at = _now()
                self._was_ready = self._was_ready or not message.missing
                self._set_missing(message.missing)
            elif (future := self._waiting.get(message.id)) is not None and not future.done():
                future.set_result(message)

    def _refuse(self, message: str) -> None:
        """End the run where it never began; later the other workers go on without this one."""
        if not self._was_ready:
            raise ConfigurationError(message)
        log.error("worker_misconfigured", worker=self._start.worker, message=message)

    async def _kill(self, process: asyncio.subprocess.Process) -> int:
        with suppress(ProcessLookupError):
            process.kill()
        return await process.wait()

    def _bury(self, pid: int) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel = None
        self._process = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(UnavailableError("the worker died"))
        self._set_missing(_DOWN)
        self._on_death(pid)

    def _set_missing(self, missing: tuple[str, ...]) -> None:
        if missing != self._missing:
            self._missing = missing
            self._on_change()


def _feed(descriptor: int, message: bytes) -> None:
    """Write the start message and close; a worker that died meanwhile is noticed elsewhere."""
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as pipe:
        pipe.write(message)


def _now() -> float:
    return asyncio.get_running_loop().time()
