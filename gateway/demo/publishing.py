"""Moving the law day and the routes by publishing the next directory, and waiting for everybody."""

import asyncio
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final

import aiohttp

from gateway.demo import cast, commands
from gateway.demo.processes import Fleet, Running
from gateway.errors import UnavailableError

ADOPTED_S: Final = 20.0
_POLL_S: Final = 0.1
_METRIC: Final = "sekisho_directory_version "


async def publish(
    fleet: Fleet,
    *,
    law_day: date | None = None,
    endpoints: Iterable[tuple[str, str]] = (),
) -> int:
    """Publish the next directory by command, wait until every party uses it, return its version."""
    arguments: list[str | Path] = ["certs", "publish", fleet[cast.CORE].instance.keys]
    if law_day is not None:
        arguments += ["--law-day", law_day.isoformat()]
    for organisation, url in endpoints:
        arguments += ["--endpoint", f"{organisation}={url}"]
    document = await commands.told(*arguments)
    version = int(str(document["version"]))
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(
            *(_adopted(session, running, version) for running in fleet.running.values())
        )
    return version


async def _adopted(session: aiohttp.ClientSession, running: Running, version: int) -> None:
    for _ in range(int(ADOPTED_S / _POLL_S)):
        if await directory_version(session, running) >= version:
            return
        await asyncio.sleep(_POLL_S)
    raise UnavailableError(f"{running.instance.name} did not take up directory {version}")


async def directory_version(session: aiohttp.ClientSession, running: Running) -> int:
    """Return the version of the directory that an instance says it uses; 0 if it says none."""
    async with session.get(f"http://{running.addresses['ops']}/metrics") as response:
        text = await response.text()
    for line in text.splitlines():
        if line.startswith(_METRIC):
            return int(float(line.removeprefix(_METRIC)))
    return 0
