"""A worker with the smallest role there is; run in place of `gateway.app.worker`."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from aiohttp import web

from gateway.app.roles import BackgroundTask, ListenerSpec, RoleApp, WorkerContext
from gateway.app.worker import main
from gateway.errors import ConfigurationError, ConflictError
from gateway.http.application import build_application
from gateway.http.routes import PUBLIC, Call, Permission, Route


class Pid(msgspec.Struct, frozen=True):
    pid: int


class Marks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: str


async def pid(_call: Call[None, None]) -> Pid:
    return Pid(os.getpid())


async def slow(call: Call[None, None]) -> Pid:
    """Leave the file `entered` in a folder, and answer when the file `open` is there."""
    folder = Path(call.query(Marks).folder)
    (folder / "entered").touch()
    while not (folder / "open").exists():
        await asyncio.sleep(0.01)
    return Pid(os.getpid())


async def _anybody(_request: web.Request, _permission: Permission) -> None:
    return None


async def _staff_add(arguments: Mapping[str, object]) -> Mapping[str, object]:
    if arguments.get("name") == "taken":
        raise ConflictError("an account of this name is there")
    return {"added": arguments.get("name")}


async def _tick() -> None:
    while True:
        await asyncio.sleep(3600)


async def _break() -> None:
    await asyncio.sleep(0.2)
    raise ValueError("123456789012345")


async def build(context: WorkerContext) -> RoleApp:
    """Check what a role relies on, and answer two routes; or go wrong as the level says."""
    level = context.settings.log.level
    if level == "error":
        raise ConfigurationError("the residents are not there")
    if level == "warning":
        await asyncio.sleep(3600)
    context.key_store()
    database = await context.open_database()
    listener = context.settings.listeners.network
    assert listener is not None
    routes = [
        Route(method="GET", path="/pid", handler=pid, permission=PUBLIC, summary="", response=Pid),
        Route(
            method="GET",
            path="/slow",
            handler=slow,
            permission=PUBLIC,
            summary="",
            response=Pid,
            query=Marks,
        ),
    ]
    application = build_application(
        routes,
        listener="network",
        version=context.version,
        services=None,
        authenticate=_anybody,
    )
    return RoleApp(
        listeners=(
            ListenerSpec(
                name="network",
                application=application,
                host=listener.host,
                limits=listener.limits,
                tls=None,
            ),
        ),
        tasks=(BackgroundTask(name="tick", run=_break if level == "debug" else _tick),),
        commands={"staff-add": _staff_add},
        close=database.close,
    )


if __name__ == "__main__":
    sys.exit(main(build))
