"""One small network for the tests of trust: made once, copied where a test changes it."""

import atexit
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from certs.directory import DIRECTORY_BYTES_MAX, Directory
from certs.documents import DocumentSigner, sign_document
from certs.network import init_network, keys_directory
from certs.network_spec import NetworkSpec, OrganisationSpec
from certs.organisations import Body, BodyClass
from certs.own_keys import PrivateKeySet, load_directory_key, read_root
from certs.publish import DirectoryChanges, publish_directory
from certs.roots import Root
from certs.rotation import renew_directory_key, renew_key_set

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NAGAOKA_MAYOR = "XB15202000000001"
SCHOOL_BOARD = "XB15202000000002"
UNION = "XB00000000000010"
ALLOW_LIST: dict[str, object] = {"facts": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network on disk with its first directory."""

    path: Path
    directory: Directory

    @property
    def root(self) -> Root:
        return read_root(self.path / "root" / "root.json")

    @property
    def core(self) -> Path:
        return keys_directory(self.path, "core")

    def keys(self, organisation: str) -> PrivateKeySet:
        return PrivateKeySet.load(keys_directory(self.path, organisation))

    def copy(self, target: Path) -> "Network":
        shutil.copytree(self.path, target)
        return Network(path=target, directory=self.directory)


def a_spec() -> NetworkSpec:
    return NetworkSpec(
        network="testnet",
        environment="test",
        organisations=(
            OrganisationSpec(name="core", role="core", endpoint="https://127.0.0.1:9001"),
            OrganisationSpec(
                name="nagaoka",
                title="長岡市",
                role="gateway",
                endpoint="https://127.0.0.1:9002",
                hosts=("localhost",),
                bodies=_nagaoka_bodies(),
                witnesses=("core",),
            ),
            OrganisationSpec(
                name="union",
                role="gateway",
                endpoint="https://127.0.0.1:9003",
                bodies=(Body(body_code=UNION, name="群馬県後期高齢者医療広域連合長"),),
            ),
            OrganisationSpec(
                name="residents", role="resident-network", endpoint="https://127.0.0.1:9004"
            ),
        ),
    )


@cache
def a_network(now: datetime = NOW) -> Network:
    """Return the network made at that moment; read only."""
    path = Path(mkdtemp(prefix="sekisho-test-network-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Network(
        path=path, directory=init_network(a_spec(), path, allow_list=ALLOW_LIST, now=now)
    )


@cache
def an_aged_network(begun: datetime, now: datetime = NOW) -> Network:
    """Return a network made long ago whose directory and key sets were renewed since; read only."""
    network = a_network(begun).copy(Path(mkdtemp(prefix="sekisho-test-network-")) / "aged")
    atexit.register(shutil.rmtree, network.path.parent, ignore_errors=True)
    renew_directory_key(network.path, now=now)
    names = ("core", "nagaoka", "union", "residents")
    renewed = [renew_key_set(keys_directory(network.path, name).parent, now=now) for name in names]
    changes = DirectoryChanges(key_sets=tuple(renewed))
    return replace(network, directory=publish_directory(network.path, changes=changes, now=now))


def _nagaoka_bodies() -> tuple[Body, ...]:
    return (
        Body(
            body_code=NAGAOKA_MAYOR,
            name="長岡市長",
            classes=(
                BodyClass(class_id="市町村長", from_=date(2024, 5, 27), to=None, fact="市である"),
                BodyClass(
                    class_id="都道府県知事等",
                    from_=date(2024, 5, 27),
                    to=date(2026, 6, 13),
                    fact="福祉事務所を置く",
                ),
            ),
        ),
        Body(
            body_code=SCHOOL_BOARD,
            name="長岡市教育委員会",
            classes=(
                BodyClass(class_id="教育委員会", from_=date(2024, 5, 27), to=None, fact="置かれる"),
            ),
            delegated_by=NAGAOKA_MAYOR,
        ),
    )


def resigned(
    network: Network,
    change: Callable[[dict[str, Any]], object],
    *,
    signer: DocumentSigner | None = None,
) -> bytes:
    """Return the network's directory with its content changed and signed again."""
    signed = json.loads(network.directory.raw)["signed"]
    change(signed)
    return sign_document(
        signed, [signer or load_directory_key(network.core)], bytes_max=DIRECTORY_BYTES_MAX
    )


def entry(signed: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one organisation's entry of a directory's `signed` part."""
    return next(found for found in signed["organisations"] if found["name"] == name)
