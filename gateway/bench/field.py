"""The field a bench runs on: the demonstration's processes, only those it needs, well supplied."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from certs.publish import read_directory
from gateway.bench.audit import Audited, audit, audit_export
from gateway.bench.machine import CpuTime, cpu_of
from gateway.demo import cast
from gateway.demo.ground import lay_ground
from gateway.demo.instances import Instance, Tuning, instances
from gateway.demo.offices import ASKS, REGISTRIES, REGISTRY, SUPPLIES, Office, register, signed_in
from gateway.demo.processes import Fleet, running
from gateway.demo.replicas import supply_taxes
from gateway.demo.residents import Resident, residents, write_resident_file
from gateway.demo.stage import RESIDENTS_FILE, acquire, issue_registries

RESIDENTS: Final = 200
PREFIX: Final = "sekisho-bench-"
ASKING: Final = Office(organisation=cast.GUNMA_UNION, client_id="load", title="負荷", does=(ASKS,))
_FOLDER_MODE: Final = 0o711
# Nobody is to be slowed down for asking much: that is what is measured.
_REQUESTS_PER_S: Final = 100_000.0
_POOL_CONNECTIONS: Final = 8
_POLL_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What a bench works with."""

    folder: Path
    everybody: Sequence[Instance]
    fleet: Fleet
    people: Sequence[Resident]
    providers: Sequence[str]

    def instance(self, name: str) -> Instance:
        """Return an instance, running or only laid out."""
        return next(one for one in self.everybody if one.name == name)

    def cpu(self) -> dict[str, CpuTime]:
        """Return the CPU time of every instance until now."""
        return cpu_of({name: running.pid for name, running in self.fleet.running.items()})

    async def audit(self) -> dict[str, Audited]:
        """Verify every log, or raise what `audit` raises."""
        directory = read_directory(self.fleet[cast.CORE].instance.keys)
        core = self.fleet[cast.CORE]
        audited = {cast.CORE: await audit_export(core, self.folder / "core.zip", directory)}
        for name, party in self.fleet.running.items():
            if name != cast.CORE:
                audited[name] = await audit(party, asker=core, directory=directory)
        return audited


@asynccontextmanager
async def laid_field(
    *, providers: int, workers: int, inquirer: str | None = None, member: str | None = None
) -> AsyncIterator[Field]:
    """Hold core and providers running, and the inquirer's gateway where there is one.

    A `member` has keys, settings and a database, but nobody runs it. Codes are acquired and
    replicas loaded the way they always are; the resident network ends when it has done its part.
    """
    more = tuple(cast.municipality(number) for number in range(2, providers + 1))
    names = [cast.NAGAOKA, *(player.name for player in more)]
    gateways = [*names, inquirer] if inquirer is not None else names
    laid_out = [*gateways, member] if member is not None else gateways
    people = residents(RESIDENTS)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX)))
        await asyncio.to_thread(folder.chmod, _FOLDER_MODE)
        everybody = instances(folder, laid_out, with_residents=True)
        tuning = Tuning(
            workers=workers,
            requests_per_s=_REQUESTS_PER_S,
            pool_connections=_POOL_CONNECTIONS,
            directory_poll_s=_POLL_S,
            measure_effort=True,
        )
        await lay_ground(folder, everybody, tuning, more=more, witnessing=gateways)
        for instance in everybody:
            if instance.name == cast.RESIDENT_NETWORK:
                write_resident_file(instance.folder / RESIDENTS_FILE, people)
        wanted = [instance for instance in everybody if instance.name != member]
        fleet = await stack.enter_async_context(running(wanted))
        await _supply(fleet, gateways, names, people)
        await fleet.stop(cast.RESIDENT_NETWORK)
        yield Field(folder=folder, everybody=everybody, fleet=fleet, people=people, providers=names)


def _registry(name: str) -> Office:
    return Office(organisation=name, client_id="atena", title="統合宛名システム", does=(REGISTRY,))


def _supplier(name: str) -> Office:
    return Office(organisation=name, client_id="zeimu", title="税務システム", does=(SUPPLIES,))


async def _supply(
    fleet: Fleet, gateways: Sequence[str], providers: Sequence[str], people: Sequence[Resident]
) -> None:
    registries: Mapping[str, Office] = {
        name: REGISTRIES.get(name) or _registry(name) for name in gateways
    }
    suppliers = {name: _supplier(name) for name in providers}
    asking = (ASKING,) if ASKING.organisation in gateways else ()
    await asyncio.gather(
        register(fleet, (*registries.values(), *suppliers.values(), *asking)),
        issue_registries(fleet, gateways),
    )
    offices = (*registries.values(), *suppliers.values())
    async with signed_in(fleet, offices) as clients:
        await asyncio.gather(
            *(acquire(fleet, name, clients[office], people) for name, office in registries.items())
        )
        await asyncio.gather(
            *(supply_taxes(clients[office], name, people) for name, office in suppliers.items())
        )
