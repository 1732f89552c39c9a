"""The ground under a run: keys and directory of a network, settings, and a database for each."""

import asyncio
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from certs.network import init_network
from certs.network_spec import NetworkSpec
from gateway.demo import cast
from gateway.demo.instances import Instance, Tuning, free_ports, lay_out
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from gateway.storage.migrate import migrate


async def lay_ground(folder: Path, instances: Sequence[Instance], tuning: Tuning) -> None:
    """Make keys, directory, settings and databases of these instances under an empty folder.

    A cluster is made once and copied: what it holds is the schema and nothing else.
    """
    ports = free_ports([cast.RESIDENT_NETWORK, cast.CORE, *cast.GATEWAYS])
    ports |= free_ports([one.name for one in instances if one.name not in ports])
    network = asyncio.to_thread(
        _make_network, folder / "network", cast.network_spec(ports, environment="demo")
    )
    _, template = await asyncio.gather(network, _make_template(folder / "template"))
    for instance in instances:
        lay_out(instance, ports, tuning)
        await asyncio.to_thread(_copy, template, instance.cluster)
    await asyncio.to_thread(shutil.rmtree, folder / "template")


def _make_network(target: Path, spec: NetworkSpec) -> None:
    init_network(spec, target, allow_list=cast.allow_list().to_document(), now=datetime.now(UTC))


async def _make_template(folder: Path) -> Path:
    """Return a stopped cluster that holds the whole schema."""
    server = EmbeddedPostgres(folder)
    await asyncio.to_thread(server.start)
    try:
        await migrate(server.dsn(OWNER_ROLE))
    finally:
        await asyncio.to_thread(server.stop)
    return folder / "cluster"


def _copy(template: Path, target: Path) -> None:
    """Copy a cluster with its owner, whoever that is."""
    target.parent.mkdir(mode=0o700, parents=True)
    shutil.copytree(template, target, symlinks=True)
    found = template.stat()
    for path in (target, *target.rglob("*")):
        shutil.chown(path, found.st_uid, found.st_gid)
