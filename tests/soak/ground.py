"""Four parties as they are run, each with processes and a PostgreSQL of its own, roads between.

長岡市 and 群馬県後期高齢者医療広域連合 ask each other under a core; all three are witnessed by an
outsider and by each other. Everybody's address in the directory is the near end of a road.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from certs.directory import Directory
from certs.network import init_network
from certs.network_spec import NetworkSpec, OrganisationSpec
from certs.publish import read_directory
from gateway.client import BackofficeClient
from gateway.demo import cast
from gateway.demo.ground import lay_databases
from gateway.demo.instances import HOST, Instance, Tuning, free_ports, instances, lay_out
from gateway.demo.offices import CITY_SYSTEM, REGISTRIES, UNION_SYSTEM, Office, register, signed_in
from gateway.demo.people import Person, StaffDesk
from gateway.demo.processes import Fleet, Running, Starting
from gateway.demo.replicas import supply_taxes
from gateway.demo.residents import Resident, residents, write_resident_file
from gateway.demo.stage import RESIDENTS_FILE, acquire, issue_registries
from gateway.errors import UnavailableError
from tests.soak.roads import Road, opened

UNION: Final = cast.GUNMA_UNION
CITY: Final = cast.NAGAOKA
AUDIT_OFFICE: Final = "audit-office"
GATEWAYS: Final = (UNION, CITY)
LOGGED: Final = (cast.CORE, UNION, CITY)
"""Who keeps a log."""
WITNESSES: Final = {
    cast.CORE: (UNION, CITY, AUDIT_OFFICE),
    UNION: (cast.CORE, AUDIT_OFFICE),
    CITY: (cast.CORE, AUDIT_OFFICE),
}
OFFICER: Final = "kansa"
"""Who holds the records of an organisation against the core's."""
RELAUNCHES_MAX: Final = 5
_FOLDER_MODE: Final = 0o711
_OFFICES: Final = (REGISTRIES[UNION], REGISTRIES[CITY], UNION_SYSTEM, CITY_SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Whom one may ask about, by what must come of it."""

    known: Sequence[Resident]
    """Both know them, and the city has their taxes."""
    guarded: Sequence[Resident]
    """The same, and answers about them wait for people."""
    bare: Sequence[Resident]
    """Both know them, and there is nothing to tell."""
    strangers: Sequence[Resident]
    """The union alone has a code for them."""

    @classmethod
    def of(cls, people: Sequence[Resident]) -> "Groups":
        tenth = len(people) // 10
        return cls(
            strangers=people[:tenth],
            bare=people[tenth : 2 * tenth],
            guarded=people[2 * tenth : 4 * tenth],
            known=people[4 * tenth :],
        )


class Parties(Fleet):
    """Instances that come back after they were killed, as a supervisor would bring them back."""

    async def relaunch(self, name: str) -> None:
        """Start an instance whose parent is dead; what it left behind may still hold its place.

        Raises:
            UnavailableError: it did not come up, again and again.
        """
        (old,) = [one for one in self._started if one.instance.name == name]
        self._started.remove(old)
        await old.end()
        for attempt in range(1, RELAUNCHES_MAX + 1):
            starting = await Starting.launch(old.instance)
            self._started.append(starting)
            try:
                self._running[name] = await starting.ready()
            except UnavailableError:
                if attempt == RELAUNCHES_MAX:
                    raise
                self._started.remove(starting)
                await starting.end()
            else:
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Everybody, and what a soak needs to ask, approve, break and look."""

    folder: Path
    parties: Parties
    roads: Mapping[str, Road]
    directory: Directory
    groups: Groups
    clients: Mapping[Office, BackofficeClient]
    desks: Mapping[str, StaffDesk]
    staff: Mapping[str, Mapping[str, Person]]

    def party(self, name: str) -> Running:
        return self.parties[name]


@asynccontextmanager
async def laid(
    *, people: int, approvers: int, workers: int, place: str | None = None
) -> AsyncIterator[Ground]:
    """Hold everybody running and supplied, in a folder under `place`.

    `approvers` of the city's staff let answers go; who keeps a log has so many `workers`.
    """
    everybody = residents(people)
    async with AsyncExitStack() as stack:
        named = tempfile.TemporaryDirectory(prefix="sekisho-soak-", dir=place)
        folder = Path(stack.enter_context(named))
        await asyncio.to_thread(folder.chmod, _FOLDER_MODE)
        members = _instances(folder)
        roads = await _lay(folder, members, workers)
        await stack.enter_async_context(opened(*roads.values()))
        for instance in members:
            if instance.role == "resident-network":
                write_resident_file(instance.folder / RESIDENTS_FILE, everybody)
        parties = Parties()
        stack.push_async_callback(parties.end)
        await parties.start(members)
        await asyncio.gather(register(parties, _OFFICES), issue_registries(parties, GATEWAYS))
        clients = await stack.enter_async_context(signed_in(parties, _OFFICES))
        groups = Groups.of(everybody)
        await _supply(parties, clients, everybody, groups)
        await parties.stop(cast.RESIDENT_NETWORK)
        desks, staff = await _staffed(stack, parties, approvers)
        yield Ground(
            folder=folder,
            parties=parties,
            roads=roads,
            directory=read_directory(parties[cast.CORE].instance.keys),
            groups=groups,
            clients=clients,
            desks=desks,
            staff=staff,
        )


def _instances(folder: Path) -> list[Instance]:
    outsider = Instance(
        name=AUDIT_OFFICE,
        role="witness",
        folder=folder / "instances" / AUDIT_OFFICE,
        own=folder / "network" / "organisations" / AUDIT_OFFICE,
    )
    return [*instances(folder, GATEWAYS, with_residents=True), outsider]


async def _lay(folder: Path, members: Sequence[Instance], workers: int) -> dict[str, Road]:
    """Write keys, directory, settings and databases; return the way to each party by its name."""
    enrolled = (cast.CORE, cast.RESIDENT_NETWORK, *cast.GATEWAYS, AUDIT_OFFICE)
    names = [f"{name}/{what}" for name in enrolled for what in ("road", "network", "staff", "back")]
    ports = free_ports(names)
    near = {name: ports[f"{name}/road"] for name in enrolled}
    for instance in members:
        name = instance.name
        lay_out(
            instance,
            {cast.CORE: near[cast.CORE], name: ports[f"{name}/network"]},
            Tuning(workers=workers if name in LOGGED else 1, directory_poll_s=5.0),
        )
        _fix(instance, "staff", ports[f"{name}/staff"])
        _fix(instance, "backoffice", ports[f"{name}/back"])
    spec = _witnessed(cast.network_spec(near), near[AUDIT_OFFICE])
    making = asyncio.to_thread(
        init_network,
        spec,
        folder / "network",
        allow_list=cast.allow_list().to_document(),
        now=datetime.now(UTC),
    )
    await asyncio.gather(making, lay_databases(folder, members))
    return {
        one.name: Road(port=near[one.name], target=ports[f"{one.name}/network"]) for one in members
    }


def _fix(instance: Instance, listener: str, port: int) -> None:
    """Let a listener have the same port after every start: its clients know no other."""
    head = f"[listeners.{listener}]\nport = "
    text = instance.config.read_text(encoding="utf-8")
    instance.config.write_text(text.replace(f"{head}0\n", f"{head}{port}\n"), encoding="utf-8")


def _witnessed(spec: NetworkSpec, port: int) -> NetworkSpec:
    outsider = OrganisationSpec(
        name=AUDIT_OFFICE, role="witness", endpoint=f"https://{HOST}:{port}", slots=0
    )
    return replace(
        spec,
        organisations=(
            *(replace(one, witnesses=WITNESSES.get(one.name, ())) for one in spec.organisations),
            outsider,
        ),
    )


async def _supply(
    parties: Parties,
    clients: Mapping[Office, BackofficeClient],
    everybody: Sequence[Resident],
    groups: Groups,
) -> None:
    city = clients[CITY_SYSTEM]
    both = [*groups.known, *groups.guarded, *groups.bare]
    await asyncio.gather(
        acquire(parties, UNION, clients[REGISTRIES[UNION]], everybody),
        acquire(parties, CITY, clients[REGISTRIES[CITY]], both),
    )
    await supply_taxes(city, CITY, [*groups.known, *groups.guarded])
    for person in groups.guarded:
        await city.set_flag(
            person.unified(CITY).text, "automatic-answer-disabled", reason="dv-protection"
        )


async def _staffed(
    stack: AsyncExitStack, parties: Parties, approvers: int
) -> tuple[dict[str, StaffDesk], dict[str, Mapping[str, Person]]]:
    roles: dict[str, dict[str, tuple[str, ...]]] = {
        name: {OFFICER: ("security-officer",)} for name in GATEWAYS
    }
    roles[CITY] |= {f"shonin-{number}": ("approver",) for number in range(approvers)}
    desks: dict[str, StaffDesk] = {}
    staff: dict[str, Mapping[str, Person]] = {}
    for name, wanted in roles.items():
        desks[name] = await stack.enter_async_context(StaffDesk(parties[name]))
        staff[name] = await desks[name].open(wanted)
    return desks, staff
