"""What a gateway believes of the network: fail closed, and never two opinions about itself."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from certs.directory import VALIDITY
from certs.errors import CertsError
from certs.log_keys import LogPublicKeys
from certs.network import keys_directory
from certs.own_keys import CertificateFiles, PrivateKeySet
from certs.publish import DirectoryChanges, read_published
from certs.rotation import KeyKind, renew_key_set
from codes.canonical import canonical_json
from gateway.clock import CLOCK_OFF_MAX
from gateway.demo import cast
from gateway.errors import ClockOffError, StaleDirectoryError
from gateway.flows.trust import Trust
from tests.integration.core.world import WorldClock
from tests.integration.flows.trusts import SECOND, UNION, enrolled_anew, opened, publish

LEAD = timedelta(minutes=15)


def in_use(trust: Trust, moment: datetime) -> tuple[CertificateFiles, LogPublicKeys, str]:
    """Return what a gateway shows, signs with at a moment, and wants answers sealed to."""
    return trust.network_certificate, trust.log_signer_at(moment).public, trust.reply_key()


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
    trust = opened(network, clock)
    ours = trust.directory.organisation(UNION).key_set_documents[0]
    false = enrolled_anew(network, UNION, clock)
    other = publish(network, clock, DirectoryChanges(re_enrolled=(false,)))

    assert reason_of(trust, other.raw) == "own-entry-differs"
    assert trust.is_disowned
    right = DirectoryChanges(re_enrolled=(canonical_json(ours),))
    assert trust.adopt(publish(network, clock, right).raw, None)
    assert not trust.is_disowned


def test_new_private_halves_are_taken_up_when_the_directory_lists_them(
    network: Path, clock: WorldClock
) -> None:
    trust = opened(network, clock)
    now = clock.now()
    before = in_use(trust, now)
    begins = now + LEAD
    document = renew_key_set(
        network / "organisations" / UNION, now=now, begins=begins, kinds=frozenset(KeyKind)
    )
    assert trust.adopt(publish(network, clock).raw, None)
    assert in_use(trust, begins) == before

    assert trust.adopt(publish(network, clock, DirectoryChanges(key_sets=(document,))).raw, None)
    assert in_use(trust, now) == before
    clock.ahead += LEAD
    trust.turn()

    newest = trust.keys.key_set
    assert trust.log_signer_at(begins - SECOND) is not trust.log_signer_at(begins)
    assert trust.log_signer_at(begins).public == newest.log
    assert trust.witness_key_at(begins).public == newest.witness
    assert trust.network_certificate == trust.keys.certificate_of(newest) != before[0]
    assert trust.reply_key() == newest.newest_sealing.key_id != before[2]
    assert trust.sealing_private(before[2]) is not None


def test_the_clock_alone_ends_what_a_key_set_announced_for_later_replaces(
    network: Path, clock: WorldClock
) -> None:
    trust, now = opened(network, clock), clock.now()
    seen: list[int] = []
    old = trust.directory.certificates(UNION)[0].sha256
    own = network / "organisations" / UNION
    documents = [
        renew_key_set(own, now=now, begins=now + number * LEAD, kinds=frozenset({KeyKind.TLS}))
        for number in (1, 2)
    ]
    for document in documents:
        changes = DirectoryChanges(key_sets=(document,))
        assert trust.adopt(publish(network, clock, changes).raw, None)
    trust.watch(lambda new, _old: seen.append(len(new.certificates(UNION))))

    trust.turn()
    assert seen == []
    assert trust.directory.organisation_by_certificate(old).name == UNION
    clock.ahead += 2 * LEAD
    trust.turn()

    assert seen == [2]
    with pytest.raises(CertsError):
        trust.directory.organisation_by_certificate(old)


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
