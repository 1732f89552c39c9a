"""The parent: opens the keys once, keeps the workers, answers operators, ends in good order."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from certs.master_key import MasterKey
from gateway.app.channel import WorkerStart
from gateway.app.control import ControlReply
from gateway.app.control_server import ControlServer
from gateway.app.foundation import laid_foundation
from gateway.app.listener import Listener, bind, refuse_taken
from gateway.app.locked import Lock
from gateway.app.roles import ListenerSpec
from gateway.app.worker_process import WORKER_COMMAND, WorkerProcess
from gateway.domain.backup import DATABASE, KEY_STORE
from gateway.errors import ConfigurationError, LockedError, NotFoundError, UnavailableError
from gateway.flows.backup_folder import last_successes
from gateway.listeners.ops.application import LISTENER as OPS
from gateway.listeners.ops.application import OpsServices, ops_application
from gateway.logs import get_logger
from gateway.metrics import (
    BACKUP_TAKEN,
    LOCKED,
    WORKERS_READY,
    WORKERS_WANTED,
    exposition,
    forget_process,
)
from gateway.settings import Settings, listener_addresses, parse_settings

OPS_DRAIN_S: Final = 2.0
_DRAINING: Final = ("draining",)
_LOCKED: Final = ("locked",)
# What the control socket passes on to a worker; the roles say what they do.
FORWARDED: Final = frozenset(
    {
        *("staff-add", "residents-load", "records-export"),
        *("retention-plan", "retention-run"),
        *("clients-add", "clients-list", "clients-show"),
        *("clients-disable", "clients-enable", "clients-rotate"),
        *("peers-list", "peers-show", "peers-confirm"),
        *("cosigning-list", "cosigning-accept"),
    }
)
# Also while no worker is ready: where the core itself is held, or what was cosigned is not known,
# this is what makes them so.
_AT_ANY_TIME: Final = frozenset(
    {"peers-list", "peers-show", "peers-confirm", "cosigning-list", "cosigning-accept"}
)

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentOptions:
    """How one run was asked for: the settings as read, and what the caller waits for.

    `metrics_dir` is where this run's processes share their values: a new folder each run.
    """

    raw: bytes
    base: Path
    name: str
    version: str
    metrics_dir: Path
    ready_fd: int | None = None
    worker_command: tuple[str, ...] = field(default=WORKER_COMMAND)


class Parent:
    """One run of one instance."""

    def __init__(self, options: ParentOptions) -> None:
        self._options = options
        self._settings: Settings = parse_settings(options.raw, base=options.base, name=options.name)
        self._addresses: dict[str, tuple[str, int]] = {}
        self._workers: list[WorkerProcess] = []
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._lock = Lock(self._settings, on_open=self._changed.set)
        self._started_at = time.monotonic()

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or `drain`, then let everybody finish.

        Raises:
            ConfigurationError: the instance cannot run as it is set up.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        settings = self._settings
        async with AsyncExitStack() as stack:
            foundation = await stack.enter_async_context(
                laid_foundation(settings, metrics_dir=self._options.metrics_dir)
            )
            self._reserve(stack)
            # A gauge is 0 from its making on, and the parent's 0 would be every minimum.
            self._forget(os.getpid())
            control = ControlServer(settings.control_socket, self._control)
            await control.start()
            stack.push_async_callback(control.stop)
            ops = self._ops_listener()
            await ops.start()
            stack.push_async_callback(ops.stop)
            self._addresses[OPS] = ops.address
            WORKERS_WANTED.set(settings.workers.count)
            WORKERS_READY.set(0)
            if foundation.master_key is not None:
                self._lock.open(foundation.master_key)
            master_key = await self._unlocked()
            if master_key is not None:
                await self._keep_workers(foundation.dsn, master_key)

    def missing(self) -> tuple[str, ...]:
        """Return what keeps this instance from being ready, each thing once."""
        if self._stopping.is_set():
            return _DRAINING
        if self._lock.master_key is None:
            return _LOCKED
        return tuple(
            dict.fromkeys(slug for worker in self._workers for slug in worker.state.missing)
        )

    async def _unlocked(self) -> MasterKey | None:
        """Return the master key as soon as somebody unlocked it; None if the run ends before.

        No worker starts meanwhile: without the key it could read no row, sign no checkpoint and
        open no answer. Its ports are taken, and nobody listens there.
        """
        if self._lock.master_key is None:
            LOCKED.set(1)
            log.warning("locked", kind=self._settings.master_key.source)
        while self._lock.master_key is None and not self._stopping.is_set():
            self._changed.clear()
            await self._changed.wait()
        return self._lock.master_key

    def _stop(self) -> None:
        self._stopping.set()
        self._changed.set()

    async def _keep_workers(self, dsn: str, master_key: MasterKey) -> None:
        self._workers = [
            WorkerProcess(
                self._start_message(number, dsn, master_key),
                self._settings.workers,
                command=self._options.worker_command,
                on_change=self._changed.set,
                on_death=self._forget,
            )
            for number in range(self._settings.workers.count)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(worker.keep())
                announcing = group.create_task(self._announce())
                await self._stopping.wait()
                log.info("draining", workers=len(self._workers))
                await self._stop_workers()
                announcing.cancel()
        except BaseExceptionGroup as failures:
            wrong, _others = failures.split(ConfigurationError)
            raise (wrong or failures).exceptions[0] from None

    async def _stop_workers(self) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(worker.stop())

    async def _announce(self) -> None:
        """Tell the log, the metrics and once the waiting caller when all workers are ready."""
        was_ready = is_told = False
        while True:
            self._changed.clear()
            states = [worker.state for worker in self._workers]
            WORKERS_READY.set(sum(not state.missing for state in states))
            is_ready = not self.missing()
            if is_ready and not is_told:
                is_told = True
                self._tell_ready()
            if is_ready != was_ready:
                was_ready = is_ready
                log.info("ready" if is_ready else "not_ready", reason=",".join(self.missing()))
            await self._changed.wait()

    def _tell_ready(self) -> None:
        descriptor = self._options.ready_fd
        if descriptor is None:
            return
        line = msgspec.json.encode({"ready": True, **self._identity()}) + b"\n"
        with suppress(OSError):  # who asked may have stopped waiting
            os.write(descriptor, line)
        if descriptor > 2:  # noqa: PLR2004  # the standard streams stay open
            os.close(descriptor)

    async def _control(self, command: str, arguments: Mapping[str, object]) -> ControlReply:
        match command:
            case "status":
                return ControlReply(result=self._status())
            case "drain":
                self._stop()
                return ControlReply(result={"state": "draining"})
            case "unlock":
                return ControlReply(result=dict(await self._lock.unlock(arguments)))
            case command if command in FORWARDED:
                return await self._forward(command, arguments)
            case _:
                raise NotFoundError(f"control: no command {command}")

    async def _forward(self, command: str, arguments: Mapping[str, object]) -> ControlReply:
        if self._lock.master_key is None:
            raise LockedError("nobody has unlocked this instance")
        for worker in self._workers:
            if not worker.state.missing or (command in _AT_ANY_TIME and worker.is_there):
                answer = await worker.ask(command, arguments)
                return ControlReply(result=answer.result, problem=answer.problem)
        raise UnavailableError("no worker is ready")

    def _status(self) -> dict[str, object]:
        return {
            **self._identity(),
            "state": self._state(),
            "ready": not self.missing(),
            "missing": self.missing(),
            "workers": [asdict(worker.state) for worker in self._workers],
            "seconds": round(time.monotonic() - self._started_at, 3),
        }

    def _state(self) -> str:
        if self._stopping.is_set():
            return "draining"
        return "locked" if self._lock.master_key is None else "running"

    def _identity(self) -> dict[str, object]:
        return {
            "role": self._settings.role,
            "organisation": self._settings.organisation,
            "version": self._options.version,
            "pid": os.getpid(),
            "control": str(self._settings.control_socket),
            "addresses": {name: f"{host}:{port}" for name, (host, port) in self._addresses.items()},
        }

    def _reserve(self, stack: AsyncExitStack) -> None:
        """Bind every worker listener's port, so that all workers get the same one.

        Bound but not listening, the parent's sockets receive nobody.
        """
        for name, (host, port) in listener_addresses(self._settings).items():
            if name == OPS:
                continue
            refuse_taken(host, port)
            reserved: socket.socket = stack.enter_context(bind(host, port))
            self._addresses[name] = (host, int(reserved.getsockname()[1]))

    def _ops_listener(self) -> Listener:
        ops = self._settings.listeners.ops
        refuse_taken(ops.host, ops.port)
        services = OpsServices(missing=self.missing, exposition=self._exposition)
        spec = ListenerSpec(
            name=OPS,
            application=ops_application(services, version=self._options.version),
            host=ops.host,
            limits=ops.limits,
            tls=None,
        )
        return Listener(spec, port=ops.port, drain_s=OPS_DRAIN_S)

    def _exposition(self) -> bytes:
        taken = last_successes(self._settings.data_dir, (DATABASE, KEY_STORE))
        for kind in (DATABASE, KEY_STORE):
            # Where backups are set up, none yet is as old as can be.
            if kind in taken or self._settings.backup.public_key is not None:
                BACKUP_TAKEN.labels(kind=kind).set(taken.get(kind, 0.0))
        return exposition(self._options.metrics_dir)

    def _forget(self, pid: int) -> None:
        forget_process(pid, self._options.metrics_dir)

    def _start_message(self, number: int, dsn: str, master_key: MasterKey) -> WorkerStart:
        return WorkerStart(
            settings=self._options.raw.decode(),
            base=str(self._options.base),
            worker=number,
            version=self._options.version,
            addresses={name: address for name, address in self._addresses.items() if name != OPS},
            dsn=dsn,
            master_key=master_key.to_bytes(),
        )
