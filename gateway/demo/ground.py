"""The ground under a run: keys and directory of a network, settings, and a database for each."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from certs.network import init_network
from gateway.demo import cast
from gateway.demo.cast import Player
from gateway.demo.instances import Instance, Tuning, free_ports, lay_out
from gateway.storage.embedded import OWNER_ROLE, EmbeddedPostgres
from gateway.storage.migrate import migrate


async def lay_ground(
    folder: Path,
    instances: Sequence[Instance],
    tuning: Tuning,
    *,
    more: Sequence[Player] = (),
    witnessing: Sequence[str],
) -> None:
    """Make keys, directory, settings and databases of these instances under an empty folder.

    `more` are enrolled beside the cast; the gateways `witnessing`, all of which must come to run,
    witness each other and the core.
    """
    names = (cast.CORE, cast.RESIDENT_NETWORK, *cast.GATEWAYS, *(player.name for player in more))
    ports = free_ports(names)
    for instance in instances:
        lay_out(instance, ports, tuning)
    network = asyncio.to_thread(_make_network, folder / "network", ports, more, witnessing)
    await asyncio.gather(network, lay_databases(folder, instances))


async def lay_databases(folder: Path, instances: Sequence[Instance]) -> None:
    """Give each of these laid-out instances a cluster of its own that holds the schema."""
    template = await _make_template(folder / "template")
    for instance in instances:
        await asyncio.to_thread(_copy, template, instance.cluster)
    await asyncio.to_thread(shutil.rmtree, folder / "template")


def _make_network(
    target: Path, ports: Mapping[str, int], more: Sequence[Player], witnessing: Sequence[str]
) -> None:
    init_network(
        cast.network_spec(ports, more=more, witnessing=witnessing),
        target,
        allow_list=cast.allow_list(more=more).to_document(),
        now=datetime.now(UTC),
    )


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
