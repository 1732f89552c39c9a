"""What a gateway believes of the network: fail closed, and never two opinions about itself."""

from pathlib import Path

import pytest

from certs.directory import VALIDITY
from certs.errors import CertsError
from certs.network import keys_directory
from certs.own_keys import PrivateKeySet
from certs.publish import DirectoryChanges, read_published
from certs.rotation import renew_key_set
from gateway.demo import cast
from gateway.errors import ClockOffError, StaleDirectoryError
from gateway.flows.trust import CLOCK_OFF_MAX, Trust
from tests.integration.core.world import WorldClock
from tests.integration.flows.trusts import SECOND, UNION, opened, publish


def reason_of(trust: Trust, raw: bytes) -> str:
    """Return why a directory is not taken; what was believed before still is."""
    before = trust.directory, trust.law
    with pytest.raises(CertsError) as refused:
        trust.adopt(raw, None)
    assert (trust.directory, trust.law) == before
    return refused.value.reason


def test_a_directory_that_expired_while_it_was_down_opens_and_lets_nothing_through(
    network: Path, clock: WorldClock
) -> None:
    clock.ahead += 2 * VALIDITY

    trust = opened(network, clock)

    with pytest.raises(StaleDirectoryError):
        trust.require_fresh(clock.now())
    assert trust.adopt(publish(network, clock).raw, None)
    trust.require_fresh(clock.now())


def test_a_forged_directory_does_not_open(network: Path, clock: WorldClock) -> None:
    path = keys_directory(network, UNION) / "directory.json"
    path.write_bytes(path.read_bytes().replace(b'"title":"', b'"title":"X', 1))
    clock.ahead += 2 * VALIDITY

    with pytest.raises(CertsError) as refused:
        opened(network, clock)

    assert refused.value.reason == "signature-invalid"


def test_a_directory_that_says_something_else_of_us_is_refused_until_it_says_what_we_do(
    network: Path, clock: WorldClock
) -> None:
    ours = renew_key_set(network / "organisations" / UNION, now=clock.now())
    trust = opened(network, clock)

    assert reason_of(trust, publish(network, clock).raw) == "own-entry-differs"
    assert trust.is_disowned
    assert trust.adopt(publish(network, clock, DirectoryChanges(key_sets=(ours,))).raw, None)
    assert not trust.is_disowned


def test_a_directory_that_names_another_allow_list_is_taken_with_that_list_alone(
    network: Path, clock: WorldClock
) -> None:
    trust = opened(network, clock)
    law = dict(trust.law.to_document())
    del law["version"]
    following = publish(network, clock, DirectoryChanges(allow_list=law))

    assert trust.needs_allow_list(following.raw)
    assert reason_of(trust, following.raw) == "allow-list-missing"
    assert trust.adopt(following.raw, read_published(network).allow_list)
    assert trust.directory.version == following.version


def test_a_clock_too_far_from_the_cores_lets_nothing_through(
    network: Path, clock: WorldClock
) -> None:
    trust, now = opened(network, clock), clock.now()

    trust.compare_clocks(now + CLOCK_OFF_MAX, now)
    trust.require_fresh(now)
    for theirs in (now + CLOCK_OFF_MAX + SECOND, now - CLOCK_OFF_MAX - SECOND):
        trust.compare_clocks(theirs, now)
        with pytest.raises(ClockOffError):
            trust.require_fresh(now)
    trust.compare_clocks(None, now)  # an answer without a date says nothing of clocks
    with pytest.raises(ClockOffError):
        trust.require_fresh(now)
    trust.compare_clocks(now, now)
    trust.require_fresh(now)


def test_answers_are_opened_with_our_own_keys_alone(network: Path, clock: WorldClock) -> None:
    trust = opened(network, clock)
    others = PrivateKeySet.load(keys_directory(network, cast.NAGAOKA))

    with pytest.raises(CertsError) as refused:
        trust.sealing_private(next(iter(others.sealing)))

    assert refused.value.reason == "unknown-sealing-key"
    assert trust.sealing_private(trust.reply_key()) is not None
