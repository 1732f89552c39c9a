"""What goes wrong in a round: drawn from a seed, done to real processes and roads, and waited for.

A kill is a SIGKILL. Nobody is asked to end, nobody is told.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from gateway.demo import cast
from gateway.demo.processes import Running, tree
from tests.soak.evidence import opened
from tests.soak.ground import AUDIT_OFFICE, CITY, UNION, Ground

KILLS: Final = ("worker", "database", "backend", "parent", "party")
"""One worker; PostgreSQL whole; one of its connections; the parent alone; everything at once."""
ROADS: Final = ("cut", "lose-answers", "delay")
_LOGGED: Final = (cast.CORE, UNION, CITY)
CUT_S: Final = 2.0
DELAY_S: Final = 0.3
BACK_S: Final = 120.0
_POLL_S: Final = 0.05
_OK: Final = 200
_WORKER: Final = b"gateway.app.worker"
_CONNECTION: Final = b"postgres: sekisho_app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, so many seconds after the round began."""

    at_s: float
    what: str
    who: str

    def __str__(self) -> str:
        return f"{self.what} {self.who}"


def drawn(seed: int, number: int, *, count: int, seconds: float) -> list[Fault]:
    """Return the faults of a round: always the same for a seed and a round's number."""
    chance = random.Random(f"{seed}/{number}")
    times = sorted(chance.uniform(0.1, 0.9) * seconds for _ in range(count))
    faults = [_drawn(chance, at_s) for at_s in times]
    if not any(one.what in KILLS for one in faults):
        faults[0] = Fault(at_s=times[0], what=chance.choice(KILLS), who=chance.choice(_LOGGED))
    return faults


def _drawn(chance: random.Random, at_s: float) -> Fault:
    if chance.random() < 0.65:
        # A witness alone has one worker and no log: it dies whole, or its database does.
        if chance.random() < 0.1:
            return Fault(at_s=at_s, what=chance.choice(("database", "party")), who=AUDIT_OFFICE)
        return Fault(at_s=at_s, what=chance.choice(KILLS), who=chance.choice(_LOGGED))
    return Fault(at_s=at_s, what=chance.choice(ROADS), who=chance.choice((*_LOGGED, AUDIT_OFFICE)))


@dataclass(slots=True, kw_only=True)
class Faults:
    """Does what was drawn, and remembers how long each party took to be whole again."""

    ground: Ground
    kills: Counter[str] = field(default_factory=Counter)
    recovery_s: list[float] = field(default_factory=list)

    async def run(self, faults: Sequence[Fault]) -> None:
        """Let each happen at its time; return when everybody is whole and all roads are open.

        Two faults of one party come one after the other: the second meets it restarting.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
                group.create_task(self._break_road(fault)) if fault.what in ROADS else (
                    await self._kill(fault)
                )

    async def _break_road(self, fault: Fault) -> None:
        road = self.ground.roads[fault.who]
        match fault.what:
            case "cut":
                road.cut()
            case "delay":
                road.delay(DELAY_S)
            case _:
                road.lose_answers()
        await asyncio.sleep(CUT_S)
        road.heal()

    async def _kill(self, fault: Fault) -> None:
        running = self.ground.party(fault.who)
        before = running.processes()
        began = time.monotonic()
        victims = _victims(running, fault.what)
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kills[fault.what] += 1
        if running.pid in victims:
            await self.ground.parties.relaunch(fault.who)
        await self._whole(fault.who, set(victims) if victims else set(before))
        self.recovery_s.append(time.monotonic() - began)

    async def _whole(self, name: str, dead: set[int]) -> None:
        """Return when none of the dead is there and the party says that it is ready."""
        async with aiohttp.ClientSession() as session, asyncio.timeout(BACK_S):
            while dead & set(tree([self.ground.party(name).pid])) or not await _is_ready(
                session, self.ground.party(name)
            ):
                await asyncio.sleep(_POLL_S)
        async with opened(self.ground.party(name)):
            """Its database is back as well."""


async def _is_ready(session: aiohttp.ClientSession, running: Running) -> bool:
    try:
        async with session.get(f"http://{running.addresses['ops']}/readyz") as answer:
            return answer.status == _OK
    except aiohttp.ClientError:
        return False


def _victims(running: Running, what: str) -> list[int]:
    everybody = running.processes()
    match what:
        case "party":
            return everybody
        case "parent":
            return [running.pid]
        case "worker":
            return sorted(workers(running))[:1]
        case "backend":
            return sorted(pid for pid in everybody if _command(pid).startswith(_CONNECTION))[:1]
        case _:
            return postmaster(running)


def workers(running: Running) -> set[int]:
    """Return the pids of an instance's workers."""
    return {pid for pid in running.processes() if _WORKER in _command(pid)}


def postmaster(running: Running) -> list[int]:
    """Return the pid of an instance's PostgreSQL; none while it is coming back."""
    with suppress(OSError, IndexError, ValueError):
        return [int((running.instance.cluster / "postmaster.pid").read_text().split()[0])]
    return []


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
