"""A network's keys and documents on disk, and one gateway's trust in them."""

from datetime import timedelta
from pathlib import Path

from certs.directory import Directory
from certs.network import enrol_organisation, keys_directory
from certs.own_keys import PrivateKeySet, read_public
from certs.publish import DirectoryChanges, publish_directory
from codes.canonical import canonical_json
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


def enrolled_anew(network: Path, organisation: str, clock: WorldClock, *, number: int = 1) -> bytes:
    """Return the first key set of an organisation that lost everything and begins again."""
    spec = cast.network_spec(PORTS, environment="test")
    one = next(one for one in spec.organisations if one.name == organisation)
    root = (keys_directory(network, organisation) / "root.json").read_bytes()
    entry = enrol_organisation(
        one, network / f"anew-{number}", spec=spec, root=root, now=clock.now()
    )
    key_sets = entry["key_sets"]
    assert isinstance(key_sets, list)
    return canonical_json(key_sets[0])
