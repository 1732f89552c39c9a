"""A network's keys and documents on disk, and one gateway's trust in them."""

from datetime import timedelta
from pathlib import Path

from certs.directory import Directory
from certs.network import keys_directory
from certs.own_keys import PrivateKeySet, read_public
from certs.publish import DirectoryChanges, publish_directory
from gateway.demo import cast
from gateway.flows.trust import Trust
from tests.integration.core.world import WorldClock

UNION = cast.GUNMA_UNION
PARTIES = (cast.CORE, cast.RESIDENT_NETWORK, *cast.GATEWAYS)
PORTS = {name: 50_000 + number for number, name in enumerate(PARTIES)}
SECOND = timedelta(seconds=1)
NOTHING = DirectoryChanges()


def opened(network: Path, clock: WorldClock) -> Trust:
    """Return the union's trust as its gateway opens it from the documents beside the keys."""
    keys = keys_directory(network, UNION)
    return Trust.open(
        keys=PrivateKeySet.load(keys),
        raw_directory=read_public(keys / "directory.json"),
        raw_allow_list=read_public(keys / "allow-list.json"),
        clock=clock,
        environment="test",
    )


def publish(network: Path, clock: WorldClock, changes: DirectoryChanges = NOTHING) -> Directory:
    return publish_directory(network, changes=changes, now=clock.now())
