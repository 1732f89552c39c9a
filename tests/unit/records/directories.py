"""The versions of a directory as an auditor keeps them: keys renewed, the root renewed, forks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from certs.network import enrol_organisation
from certs.network_spec import OrganisationSpec
from certs.own_keys import load_directory_key
from certs.publish import DirectoryChanges, publish_directory
from certs.rotation import renew_key_set, renew_root
from tests.damage import good as goods
from tests.unit.certs.networks import DAY, NOW, Network, a_spec, entry, resigned


@dataclass(frozen=True)
class Versions:
    """What a core published, and what a bad one might have."""

    first: bytes
    renewed: bytes
    """nagaoka has a new key set under a new organisation key."""
    under_new_root: bytes
    other_first: bytes
    """Version 1 once more, with another title."""
    re_enrolled: bytes
    """union's key sets are others than before."""
    chain_cut: bytes
    """nagaoka's key sets begin with the second."""
    new_root: bytes


@cache
def versions(good: Callable[[], goods.Good]) -> Versions:
    original: Network = good().network
    copy = original.copy(Path(mkdtemp()) / "network")
    own = copy.path / "organisations" / "nagaoka"
    document = renew_key_set(own, now=NOW + DAY, new_organisation_key=True)
    changes = DirectoryChanges(key_sets=(document,))
    renewed = publish_directory(copy.path, changes=changes, now=NOW + DAY)
    root = (copy.core / "root.json").read_bytes()
    spec = OrganisationSpec(name="union", role="gateway", endpoint="https://127.0.0.1:9003")
    elsewhere = enrol_organisation(spec, copy.path / "elsewhere", spec=a_spec(), root=root, now=NOW)
    directory_key = load_directory_key(copy.core)
    later = renew_root(copy.path, now=NOW + 2 * DAY)
    return Versions(
        first=original.directory.raw,
        renewed=renewed.raw,
        under_new_root=later.raw,
        other_first=resigned(original, lambda d: entry(d, "union").update(title="x")),
        re_enrolled=resigned(
            original,
            lambda d: (
                d.update(version=2),
                entry(d, "union").update(key_sets=elsewhere["key_sets"]),
            ),
        ),
        chain_cut=resigned(
            replace(copy, directory=renewed),
            lambda d: entry(d, "nagaoka")["key_sets"].pop(0),
            signer=directory_key,
        ),
        new_root=(copy.path / "root" / "root.json").read_bytes(),
    )
