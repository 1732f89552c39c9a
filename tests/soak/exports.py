"""At the end: every log exported by command, and verified as an auditor would."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from gateway.demo import cast, commands
from tests.soak.ground import LOGGED, OFFICER, Ground

PROVED: Final = "proved"
ATTEMPTS_MAX: Final = 3
PAUSE_S: Final = 15.0


async def unverified(ground: Ground) -> list[str]:
    """Return whose log does not verify whole; witnesses may be some seconds behind it."""
    found: list[str] = []
    for attempt in range(ATTEMPTS_MAX):
        if attempt:
            await asyncio.sleep(PAUSE_S)
        found = [words for name in LOGGED async for words in _faults(ground, name, attempt)]
        if not found:
            break
    return found


async def _faults(ground: Ground, name: str, attempt: int) -> AsyncIterator[str]:
    """Export a log and yield what `sekisho records verify` says against it."""
    bundle = ground.folder / f"{name}-{attempt}.zip"
    await _export(ground, name, bundle)
    root = ground.party(cast.CORE).instance.keys / "root.json"
    ended = await commands.run("records", "verify", bundle, "--root", root, "--json")
    report = ended.document()
    if report["verified"] is not True or report["complete"] != PROVED:
        yield f"{name}: complete: {report['complete']}, first fault: {report['first_fault']}"


async def _export(ground: Ground, name: str, bundle: Path) -> None:
    config = ("--config", ground.party(name).instance.config)
    if name == cast.CORE:
        await commands.told("records", "export", bundle, *config)
        return
    officer = ground.staff[name][OFFICER]
    await commands.told(
        *("records", "export", bundle, *config, "--credentials-fd", "0"), feed=await officer.line()
    )
