"""Key sets: signed by their owner in a chain, and by nobody else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from certs.documents import DocumentSigner, sign_document
from certs.errors import CertsError
from certs.keysets import KeySet, SealingPublicKey, read_chain
from certs.names import SUITE
from certs.own_keys import load_organisation_key
from certs.rotation import renew_key_set
from certs.sealing import SealingPrivateKey
from codes.canonical import b64, instant, parse_canonical
from tests.unit.certs.networks import DAY, NOW, Network, a_network

FIRST = a_network()
OWNER = load_organisation_key(FIRST.path / "organisations" / "union")
STRANGER = DocumentSigner.from_bytes(bytes(range(64)))
KEY_SET = FIRST.directory.organisation("union").key_sets[0]
DOCUMENT = (FIRST.path / "organisations/union/keys/key-sets/00001.json").read_bytes()


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return FIRST.copy(tmp_path / "network")


def _refused(call: Callable[[], object]) -> str:
    with pytest.raises(CertsError) as refusal:
        call()
    return refusal.value.reason


def _chain(*raws: bytes, organisation: str = "union") -> tuple[KeySet, ...]:
    values = [parse_canonical(raw) for raw in raws]
    return read_chain(values, network="testnet", organisation=organisation)


def test_a_key_set_is_read_as_it_was_signed() -> None:
    assert KeySet.parse(DOCUMENT, previous_key=None) == KEY_SET
    assert KeySet.from_signed(KEY_SET.to_signed()) == KEY_SET


def test_the_enrolled_key_is_asked_for_where_it_is_known() -> None:
    KeySet.parse(DOCUMENT, previous_key=OWNER.public)

    assert _refused(lambda: KeySet.parse(DOCUMENT, previous_key=STRANGER.public)) == (
        "signature-missing"
    )


def test_the_core_cannot_make_anybodys_key_set() -> None:
    forged = replace(KEY_SET, organisation_key=STRANGER.public, version=2, previous=KEY_SET.digest)

    assert _refused(lambda: _chain(DOCUMENT, forged.sign(STRANGER))) == "signature-missing"
    assert _refused(lambda: KEY_SET.sign(STRANGER)) == "unknown-key"


def test_a_new_organisation_key_is_vouched_for_by_the_one_before(network: Network) -> None:
    own = network.path / "organisations" / "union"
    second = renew_key_set(own, now=NOW + DAY, new_organisation_key=True)
    third = renew_key_set(own, now=NOW + 2 * DAY)

    chain = _chain(DOCUMENT, second, third)

    assert [key_set.version for key_set in chain] == [1, 2, 3]
    assert chain[0].organisation_key == OWNER.public
    assert chain[1].organisation_key == chain[2].organisation_key != OWNER.public
    assert chain[2].log == chain[0].log
    assert network.keys("union").key_set == chain[2]


def test_a_gap_a_swap_and_a_wrong_link_break_the_chain(network: Network) -> None:
    own = network.path / "organisations" / "union"
    second = renew_key_set(own, now=NOW + DAY)
    third = renew_key_set(own, now=NOW + 2 * DAY)
    unlinked = replace(KeySet.from_signed(_signed(second)), previous="0" * 64).sign(OWNER)

    for raws in ((DOCUMENT, third), (second, DOCUMENT), (DOCUMENT, second, second)):
        assert _refused(partial(_chain, *raws)) == "chain-broken"
    assert _refused(lambda: _chain(DOCUMENT, unlinked)) == "chain-broken"
    assert _refused(_chain) == "chain-broken"


def test_another_organisations_chain_is_refused() -> None:
    assert _refused(lambda: _chain(DOCUMENT, organisation="nagaoka")) == "chain-broken"


def test_a_set_does_not_begin_before_the_one_before_it() -> None:
    early = replace(
        KEY_SET,
        version=2,
        previous=KEY_SET.digest,
        not_before=KEY_SET.not_before - timedelta(seconds=1),
    )

    assert _refused(lambda: _chain(DOCUMENT, early.sign(OWNER))) == "window"


def test_a_set_of_one_day_is_good_for_that_day() -> None:
    assert KEY_SET.holds_at(KEY_SET.not_before)
    assert not KEY_SET.holds_at(KEY_SET.not_after)


def test_a_sealing_key_is_named_by_suite_and_bytes() -> None:
    private = SealingPrivateKey.generate()
    key = SealingPublicKey(suite=SUITE, public=private.public, not_before=NOW, not_after=NOW + DAY)

    assert key.key_id == private.key_id
    assert SealingPublicKey.from_json(key.to_json()) == key
    assert key.holds_at(NOW)
    assert not key.holds_at(NOW + DAY)


def _signed(raw: bytes) -> dict[str, Any]:
    signed = parse_canonical(raw)["signed"]
    assert isinstance(signed, dict)
    return signed


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a member nobody knows": (lambda s: s.update(extra="x"), "unknown-member"),
    "a name in capitals": (lambda s: s.update(organisation="Union"), "name-malformed"),
    "a first one with a link": (lambda s: s.update(previous="0" * 64), "chain-broken"),
    "a second one without": (lambda s: s.update(version=2), "chain-broken"),
    "a window backwards": (lambda s: s.update(not_after=s["not_before"]), "window"),
    "years": (lambda s: s.update(not_after=instant(NOW + 500 * DAY)), "window"),
    "no certificate": (lambda s: s.update(tls=[]), "duplicate-certificate"),
    "one certificate twice": (lambda s: s["tls"].append(s["tls"][0]), "duplicate-certificate"),
    "nine certificates": (lambda s: s.update(tls=s["tls"] * 9), "too-many"),
    "a role nobody knows": (lambda s: s["tls"][0].update(role="spy"), "unknown-role"),
    "another role": (lambda s: s["tls"][0].update(role="core"), "certificate-of-another"),
    "no certificate at all": (
        lambda s: s["tls"][0].update(certificate="AAAA"),
        "certificate-malformed",
    ),
    "no sealing key": (lambda s: s.update(sealing=[]), "duplicate-key"),
    "one sealing key twice": (lambda s: s["sealing"].append(s["sealing"][0]), "duplicate-key"),
    "a suite nobody knows": (lambda s: s["sealing"][0].update(suite="x"), "unknown-suite"),
    "a short sealing key": (lambda s: s["sealing"][0].update(public="AA"), "key-malformed"),
    "a short log key": (lambda s: s["log"].update(ed25519="AA"), "key-malformed"),
    "a short witness key": (lambda s: s.update(witness="AA"), "key-malformed"),
    "the log key as witness": (
        lambda s: s.update(witness=s["log"]["mldsa44"]),
        "witness-key-reused",
    ),
    "the organisation key as witness": (
        lambda s: s.update(witness=b64(OWNER.public.mldsa44)),
        "witness-key-reused",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_key_set_with_something_wrong_is_refused_for_it(what: str) -> None:
    change, reason = WRONG[what]
    signed = _signed(DOCUMENT)
    change(signed)
    raw = sign_document(signed, [OWNER])

    assert _refused(lambda: KeySet.parse(raw, previous_key=None)) == reason
