"""One worker process: builds its role, serves its listeners, tells the parent how it is."""

import asyncio
import gc
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from certs.errors import CertsError
from certs.keystore import MasterKey
from codes.effort import set_meter
from gateway.app.channel import Answer, Ask, Channel, Misconfigured, Readiness, WorkerStart
from gateway.app.effort import EffortMeter
from gateway.app.hardening import harden_process, refuse_optimised
from gateway.app.listener import Listener
from gateway.app.roles import BackgroundTask, BuildRole, Command, RoleApp, WorkerContext, builder_of
from gateway.clock import SystemClock
from gateway.errors import ConfigurationError, NotFoundError, SekishoError
from gateway.http.problems import problem_members
from gateway.logs import configure, get_logger
from gateway.settings import parse_settings

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_MISCONFIGURED: Final = 2
READINESS_POLL_S: Final = 0.1
SIGN_OF_LIFE_S: Final = 2.0
GARBAGE_THRESHOLDS: Final = (20_000, 10, 100)
_DRAINING: Final = ("draining",)

log = get_logger()


class Worker:
    """The life of one worker, from its start message to its last answer."""

    def __init__(self, context: WorkerContext, channel: Channel) -> None:
        self._context = context
        self._channel = channel
        self._stopping = asyncio.Event()
        self._effort: EffortMeter | None = None

    async def run(self, build: BuildRole) -> None:
        """Serve until the parent, or its end, says to stop; then finish what is at hand."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        role = await build(self._context)
        if self._context.settings.workers.measure_effort:
            self._effort = EffortMeter()
            set_meter(self._effort)
        _settle_garbage()
        try:
            await self._serve(role)
        finally:
            await role.close()

    async def _serve(self, role: RoleApp) -> None:
        drain_s = self._context.settings.workers.drain_timeout_s
        listeners = [
            Listener(spec, port=self._context.addresses[spec.name][1], drain_s=drain_s)
            for spec in role.listeners
        ]
        for listener in listeners:
            await listener.start()
        async with asyncio.TaskGroup() as group:
            going_on = [group.create_task(_forever(task), name=task.name) for task in role.tasks]
            going_on.append(group.create_task(self._listen_to_parent(role, group)))
            going_on.append(group.create_task(self._tell_readiness(role)))
            log.info("worker_started")
            await self._stopping.wait()
            log.info("worker_draining")
            await self._channel.send(Readiness(missing=_DRAINING))
            await self._drain(role, listeners, drain_s)
            for task in going_on:
                task.cancel()
        log.info("worker_stopped")

    async def _drain(self, role: RoleApp, listeners: list[Listener], drain_s: float) -> None:
        try:
            async with asyncio.timeout(drain_s):
                async with asyncio.TaskGroup() as group:
                    for listener in listeners:
                        group.create_task(listener.stop())
                await role.drain()
        except TimeoutError:
            log.warning("worker_drain_cut_off", seconds=drain_s)

    async def _tell_readiness(self, role: RoleApp) -> None:
        told: tuple[str, ...] | None = None
        silent_s = 0.0
        while not self._stopping.is_set():
            if self._effort is not None:
                self._effort.tell()
            missing = role.not_ready()
            if missing != told or silent_s >= SIGN_OF_LIFE_S:
                await self._channel.send(Readiness(missing=missing))
                told, silent_s = missing, 0.0
            await asyncio.sleep(READINESS_POLL_S)
            silent_s += READINESS_POLL_S

    async def _listen_to_parent(self, role: RoleApp, group: asyncio.TaskGroup) -> None:
        while (ask := await self._channel.from_parent()) is not None:
            group.create_task(self._answer(role, ask))
        # The parent is gone: without it nobody watches over this process.
        self._stopping.set()

    async def _answer(self, role: RoleApp, ask: Ask) -> None:
        try:
            result = await _command(role, ask.command)(ask.arguments)
            answer = Answer(id=ask.id, result=dict(result))
        except SekishoError as error:
            answer = Answer(id=ask.id, problem=problem_members(error) | {"detail": str(error)})
        except Exception:
            log.exception("command_failed")
            answer = Answer(id=ask.id, problem=problem_members(SekishoError()))
        await self._channel.send(answer)


def _settle_garbage() -> None:
    """Let the collector look at what requests leave, not again and again at what stays.

    Code, law and directory are a hundred thousand objects: one full pass takes a tenth of a
    second, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def _command(role: RoleApp, name: str) -> Command:
    if name not in role.commands:
        raise NotFoundError(f"role has no command {name}")
    return role.commands[name]


async def _forever(task: BackgroundTask) -> None:
    """Run a task that is not meant to end."""
    await task.run()
    raise RuntimeError(f"background task {task.name} ended")


def main(build: BuildRole | None = None, arguments: list[str] | None = None) -> int:
    """Run a worker on the descriptors named by the arguments; return its exit code."""
    start_fd, channel_fd = (int(text) for text in arguments or sys.argv[1:])
    refuse_optimised()
    harden_process()
    with os.fdopen(start_fd, "rb") as pipe:
        start = msgspec.json.decode(pipe.read(), type=WorkerStart)
    channel_end = socket.socket(fileno=channel_fd)
    settings = parse_settings(start.settings.encode(), base=Path(start.base))
    configure(level=settings.log.level, role=settings.role, worker=start.worker)
    context = WorkerContext(
        settings=settings,
        worker=start.worker,
        version=start.version,
        clock=SystemClock(),
        addresses=start.addresses,
        dsn=start.dsn,
        master_key=MasterKey.from_bytes(start.master_key),
    )
    # An interrupt at the terminal reaches the whole group; only the parent acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return asyncio.run(_run(context, channel_end, build or builder_of(settings.role)))


async def _run(context: WorkerContext, channel_end: socket.socket, build: BuildRole) -> int:
    channel = await Channel.over(channel_end)
    try:
        await Worker(context, channel).run(build)
    except (ConfigurationError, CertsError) as error:
        await channel.send(Misconfigured(message=str(error)))
        return EXIT_MISCONFIGURED
    except Exception:
        log.exception("worker_failed")
        return EXIT_FAILED
    finally:
        with suppress(RuntimeError):
            channel.close()
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
