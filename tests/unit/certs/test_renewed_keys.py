"""What a renewed or revoked key still does, and what it never does again."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.directory import Directory
from certs.errors import DirectoryError
from certs.organisations import LATE_MAX
from certs.publish import DirectoryChanges, publish_directory
from certs.rotation import KeyKind, renew_key_set
from tests.unit.certs.networks import DAY, HOUR, NOW, Network, a_network

FIRST = a_network()
DIRECTORY = FIRST.directory


def with_renewed(network: Network, **how: Any) -> Directory:
    """Return the directory after the union renewed, or revoked, keys a day later."""
    own = network.path / "organisations" / "union"
    document = renew_key_set(own, now=NOW + DAY, kinds=frozenset(KeyKind), **how)
    return publish_directory(
        network.path, changes=DirectoryChanges(key_sets=(document,)), now=NOW + DAY
    )


@pytest.mark.parametrize("revoke", [False, True])
def test_a_replaced_log_key_verifies_what_it_signed_and_nothing_new(
    tmp_path: Path, *, revoke: bool
) -> None:
    before = DIRECTORY.organisation("union").key_sets[0].log
    begins = NOW + DAY + HOUR
    directory = with_renewed(FIRST.copy(tmp_path / "n"), begins=begins, revoke=revoke)
    union = directory.organisation("union")
    begins = union.key_sets[1].not_before
    late, second = begins + LATE_MAX, timedelta(seconds=1)

    assert directory.log_keys_at("union", begins - second) == before
    assert directory.log_keys_at("union", begins) == union.key_sets[1].log != before
    assert union.live_log_keys(begins - second, late - second) == before
    with pytest.raises(DirectoryError) as refused:
        union.live_log_keys(begins - second, late)
    assert refused.value.reason == "log-key-retired"
    assert (late <= NOW + DAY) == revoke  # of a stolen key nothing is on its way
    # A sender whose clock is a little ahead of ours signs with the key that is to come.
    assert union.live_log_keys(begins + second, begins - second) == union.key_sets[1].log


def test_answers_are_sealed_to_a_replaced_key_while_it_is_listed_and_never_to_a_revoked_one(
    tmp_path: Path,
) -> None:
    old = DIRECTORY.organisation("union").key_sets[0].sealing[0].key_id
    renewed = with_renewed(FIRST.copy(tmp_path / "renewed"))
    revoked = with_renewed(FIRST.copy(tmp_path / "revoked"), revoke=True)

    assert renewed.sealing_key("union", old, at=NOW + DAY).key_id == old
    with pytest.raises(DirectoryError) as refused:
        revoked.sealing_key("union", old, at=NOW + DAY)
    assert refused.value.reason == "sealing-key-revoked"
