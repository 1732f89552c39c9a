"""The core's spare certificate: listed, offline, shown when the one in use was stolen."""

import shutil
from pathlib import Path

import pytest

from certs.directory import Directory
from certs.errors import KeyMaterialError
from certs.keysets import KeySet
from certs.names import CORE
from certs.own_keys import PrivateKeySet
from certs.publish import DirectoryChanges, publish_directory
from certs.rotation import KeyKind, renew_key_set
from certs.spare import SPARE
from tests.unit.certs.networks import DAY, NOW, Network, a_network

FIRST = a_network()
TLS = frozenset({KeyKind.TLS})


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return FIRST.copy(tmp_path / "network")


def own(network: Network) -> Path:
    return network.path / "organisations" / CORE


def renewed(network: Network, *, revoke: bool = False) -> KeySet:
    """Return the core's next key set, made a day later and not published."""
    renew_key_set(own(network), now=NOW + DAY, kinds=TLS, revoke=revoke)
    return PrivateKeySet.load(own(network) / "keys").key_set


def publish(network: Network) -> Directory:
    newest = max((own(network) / "keys" / "key-sets").iterdir())
    changes = DirectoryChanges(key_sets=(newest.read_bytes(),))
    return publish_directory(network.path, changes=changes, now=NOW + DAY)


def held(network: Network) -> set[str]:
    """Return which of the core's certificates have a private half that the core reads."""
    return set(PrivateKeySet.load(own(network) / "keys").certificates)


def in_the_safe(network: Network) -> set[str]:
    return {
        path.name.removeprefix("network-").removesuffix(".key.pem")
        for path in (own(network) / SPARE).glob("*.key.pem")
    }


def test_everybody_pins_a_spare_whose_private_half_the_core_does_not_read(network: Network) -> None:
    used, spare = network.directory.core.key_sets[0].tls

    assert held(network) == {used.sha256}
    assert in_the_safe(network) == {spare.sha256[:16]}
    assert network.directory.certificates(CORE) == (used, spare)
    assert len(network.directory.organisation("union").key_sets[0].tls) == 1


def test_what_is_revoked_gives_way_to_what_was_pinned_before(network: Network) -> None:
    used, spare = network.directory.core.key_sets[0].tls

    following = renewed(network, revoke=True)
    directory = publish(network)

    assert following.tls[0] == spare
    assert used not in following.tls
    assert following.not_before < NOW + DAY
    keys = PrivateKeySet.load(own(network) / "keys")
    assert keys.network_certificate.load().certificate.not_valid_after_utc == spare.not_after
    assert in_the_safe(network) == {following.tls[1].sha256[:16]}
    assert directory.at(NOW + DAY).certificates(CORE) == following.tls


def test_a_renewal_lists_another_spare_and_keeps_the_one_that_is_still_pinned(
    network: Network,
) -> None:
    used, spare = network.directory.core.key_sets[0].tls

    first = renewed(network)
    before_publication = in_the_safe(network)
    publish(network)
    second = renewed(network)

    assert [one in first.tls for one in (used, spare)] == [True, False]
    assert before_publication == {spare.sha256[:16], first.tls[-1].sha256[:16]}
    assert in_the_safe(network) == {first.tls[-1].sha256[:16], second.tls[-1].sha256[:16]}


def test_what_was_renewed_and_not_published_is_no_spare_for_anybody(network: Network) -> None:
    _, spare = network.directory.core.key_sets[0].tls
    renewed(network)

    assert renewed(network, revoke=True).tls[0] == spare


def test_without_the_spare_at_hand_nothing_is_revoked(network: Network) -> None:
    shutil.rmtree(own(network) / SPARE)

    with pytest.raises(KeyMaterialError) as refused:
        renewed(network, revoke=True)

    assert refused.value.reason == "no-spare-certificate"
    assert PrivateKeySet.load(own(network) / "keys").key_set.version == 1
