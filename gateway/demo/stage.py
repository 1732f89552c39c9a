"""The stage: everybody running, registered, known by code, and supplied; then the story begins."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codes.numbers import UnifiedNumber
from gateway.client import BackofficeClient
from gateway.demo import cast, commands
from gateway.demo.ground import lay_ground
from gateway.demo.instances import Instance, Tuning, instances
from gateway.demo.offices import (
    ACCOUNTS_SYSTEM,
    BORDER_SYSTEM,
    CITY_SYSTEM,
    OFFICES,
    REGISTRIES,
    Office,
    register,
    signed_in,
)
from gateway.demo.people import Person, StaffDesk
from gateway.demo.processes import Fleet, running
from gateway.demo.registry import Registry, registry_tls
from gateway.demo.replicas import supply_accounts, supply_borders, supply_taxes
from gateway.demo.residents import Resident, known_to, residents, write_resident_file
from gateway.demo.story import Story
from gateway.errors import UnavailableError

CODES_S: Final = 30.0
APPROVERS: Final = ("kakaricho", "kacho")
AUDITOR: Final = "kansa"
PROTECTED: Final = 6
"""The place of the resident whom step 5 protects."""
ON_THE_ROAD: Final = 7
"""The place of the resident whom step 6 is about."""
_ROLES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    cast.NAGAOKA: {
        APPROVERS[0]: ("approver",),
        APPROVERS[1]: ("approver",),
        AUDITOR: ("auditor",),
    },
    cast.DIGITAL_AGENCY: {AUDITOR: ("auditor",)},
    cast.GUNMA_UNION: {AUDITOR: ("auditor",)},
}
RESIDENTS_FILE: Final = "residents.csv"
_SETTLED: Final = frozenset({"linked", "already-acquired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the scenes are played on."""

    folder: Path
    fleet: Fleet
    people: Sequence[Resident]
    clients: Mapping[Office, BackofficeClient]
    desks: Mapping[str, StaffDesk]
    staff: Mapping[str, Mapping[str, Person]]
    story: Story

    async def count_provisions(self, organisation: str, permit_id: str) -> int:
        """Return how many provision entries an organisation's log holds for a permit."""
        page = await self.desks[organisation].post(
            "/v1/records:search",
            {"permit_id": permit_id, "kinds": ["provision"]},
            by=self.staff[organisation][AUDITOR],
        )
        records = page["records"]
        if not isinstance(records, list):
            raise TypeError("records: a list")
        return len(records)


@asynccontextmanager
async def set_stage(folder: Path, story: Story) -> AsyncIterator[Stage]:
    """Hold the whole network running under an empty folder, with people and their codes."""
    people = residents()
    everybody = instances(folder, cast.GATEWAYS, with_residents=True)
    async with AsyncExitStack() as stack:
        with _told(story, "keys, directory and databases of six parties"):
            await lay_ground(folder, everybody, Tuning(), witnessing=cast.GATEWAYS)
            _write_residents(everybody, people)
        with _told(story, "core, resident network and four gateways started"):
            fleet = await stack.enter_async_context(running(everybody))
        with _told(story, f"{len(OFFICES)} back-office systems registered"):
            await asyncio.gather(register(fleet), issue_registries(fleet))
            clients = await stack.enter_async_context(signed_in(fleet))
        with _told(story, "staff accounts opened"):
            desks = {
                name: await stack.enter_async_context(StaffDesk(fleet[name])) for name in _ROLES
            }
            opened = await asyncio.gather(*(desks[name].open(_ROLES[name]) for name in desks))
            staff = dict(zip(desks, opened, strict=True))
        with _told(story, f"codes acquired for {len(people)} synthetic residents"):
            await acquire_codes(fleet, clients, people)
        with _told(story, "replicas loaded"):
            await supply_replicas(clients, people)
        yield Stage(
            folder=folder,
            fleet=fleet,
            people=people,
            clients=clients,
            desks=desks,
            staff=staff,
            story=story,
        )


async def issue_registries(fleet: Fleet, organisations: Sequence[str] = cast.GATEWAYS) -> None:
    """Give each organisation's registry its certificate for the resident network."""
    config = fleet[cast.RESIDENT_NETWORK].instance.config
    await asyncio.gather(
        *(_issue_registry(name, registry_folder(fleet, name), config) for name in organisations)
    )


def registry_folder(fleet: Fleet, organisation: str) -> Path:
    """Return where an organisation's registry keeps its certificate."""
    return fleet[organisation].instance.folder / "registry"


async def acquire_codes(
    fleet: Fleet, clients: Mapping[Office, BackofficeClient], people: Sequence[Resident]
) -> None:
    """Let every registry acquire the codes of whom its organisation knows, side by side."""
    await asyncio.gather(
        *(
            acquire(fleet, name, clients[office], known_to(name, people))
            for name, office in REGISTRIES.items()
        )
    )


async def supply_replicas(
    clients: Mapping[Office, BackofficeClient], people: Sequence[Resident]
) -> None:
    """Let every supplying system send its replicas."""
    await asyncio.gather(
        *(
            supply(clients[office], office.organisation, known_to(office.organisation, people))
            for office, supply in (
                (CITY_SYSTEM, supply_taxes),
                (ACCOUNTS_SYSTEM, supply_accounts),
                (BORDER_SYSTEM, supply_borders),
            )
        )
    )


async def acquire(
    fleet: Fleet, organisation: str, client: BackofficeClient, people: Sequence[Resident]
) -> None:
    """Acquire one organisation's codes for these people, or raise `UnavailableError`."""
    numbers = {person.unified(organisation): person.my_number for person in people}
    registry = Registry(
        client,
        residents_url=fleet[cast.RESIDENT_NETWORK].url("network"),
        tls=registry_tls(registry_folder(fleet, organisation)),
        people=numbers,
    )
    async with registry:
        standings = await registry.acquire(list(numbers), timeout_s=CODES_S)
    _require_settled(organisation, standings)


def _require_settled(organisation: str, standings: Mapping[UnifiedNumber, str]) -> None:
    left = [state for state in standings.values() if state not in _SETTLED]
    if left:
        raise UnavailableError(f"{organisation}: {len(left)} codes are {left[0]}")


async def _issue_registry(organisation: str, target: Path, config: Path) -> None:
    await commands.done(
        "resident-network", "issue-registry", organisation, target, "--config", config
    )


def _write_residents(everybody: Sequence[Instance], people: Sequence[Resident]) -> None:
    for instance in everybody:
        if instance.role == "resident-network":
            write_resident_file(instance.folder / RESIDENTS_FILE, people)


@contextmanager
def _told(story: Story, words: str) -> Iterator[None]:
    """Tell what was done, and how long it took."""
    began = time.perf_counter()
    yield
    story.say(f"· {words} ({time.perf_counter() - began:.1f} s)", style="dim")
