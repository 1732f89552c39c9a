"""Roots: each vouched for by the one before, and none by itself once another is pinned."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from certs.documents import DocumentSigner, sign_document
from certs.errors import CertsError
from certs.roots import DirectoryKey, Root, read_roots
from codes.canonical import parse_canonical
from tests.unit.certs.networks import DAY, NOW

FIRST, SECOND, STRANGER = (
    DocumentSigner.from_bytes(bytes(range(start, start + 64))) for start in (0, 64, 128)
)
ROOT = Root(
    network="testnet", version=1, key=FIRST.public, not_before=NOW, not_after=NOW + 3650 * DAY
)
NEXT = replace(ROOT, version=2, key=SECOND.public, previous=ROOT.digest)
CHAIN = [ROOT.sign(FIRST), NEXT.sign(SECOND, previous=FIRST)]
KEY = DirectoryKey(
    network="testnet", version=1, key=STRANGER.public, not_before=NOW, not_after=NOW + 90 * DAY
)


def _read(*raws: bytes, pinned: Root = ROOT) -> Root:
    return read_roots([parse_canonical(raw) for raw in raws], pinned=pinned)


def _refused(call: Callable[[], object]) -> str:
    with pytest.raises(CertsError) as refusal:
        call()
    return refusal.value.reason


def test_the_newest_root_of_the_chain_is_followed() -> None:
    assert _read(CHAIN[0]) == ROOT
    assert _read(*CHAIN) == NEXT
    assert _read(*CHAIN, pinned=Root.parse(CHAIN[1])) == NEXT


def test_a_next_root_without_its_predecessors_signature_is_refused() -> None:
    alone = NEXT.sign(SECOND)

    assert _refused(lambda: _read(CHAIN[0], alone)) == "signature-missing"
    assert Root.parse(alone) == NEXT


def test_a_next_root_that_only_the_predecessor_signed_is_refused() -> None:
    half = sign_document(NEXT.to_signed(), [FIRST])

    assert _refused(lambda: _read(CHAIN[0], half)) == "signature-missing"
    assert _refused(lambda: Root.parse(half)) == "signature-missing"


@pytest.mark.parametrize(
    "wrong",
    [
        replace(NEXT, version=3),
        replace(NEXT, previous="0" * 64),
        replace(NEXT, network="othernet"),
    ],
    ids=["a gap", "a wrong link", "another network"],
)
def test_a_broken_chain_is_refused(wrong: Root) -> None:
    raw = wrong.sign(SECOND, previous=FIRST)

    assert _refused(lambda: _read(CHAIN[0], raw)) == "root-chain-broken"


def test_a_new_root_has_a_new_key() -> None:
    same = replace(NEXT, key=FIRST.public)

    assert _refused(lambda: _read(CHAIN[0], same.sign(FIRST))) == "root-chain-broken"


def test_a_chain_without_the_pinned_root_is_refused() -> None:
    assert _refused(lambda: _read(CHAIN[1])) == "root-not-pinned"
    assert _refused(_read) == "root-not-pinned"


def test_only_the_first_root_has_none_before_it() -> None:
    for wrong in (replace(ROOT, version=2), replace(ROOT, previous="0" * 64)):
        raw = wrong.sign(FIRST)
        assert _refused(partial(Root.parse, raw)) == "root-chain-broken"


def test_a_root_is_signed_by_its_own_key_alone() -> None:
    assert _refused(lambda: ROOT.sign(SECOND)) == "unknown-key"


def test_a_directory_key_is_good_for_90_days_under_its_own_root_and_network() -> None:
    def read(key: DirectoryKey, signer: DocumentSigner) -> DirectoryKey:
        return DirectoryKey.from_parsed(parse_canonical(key.sign(signer)), root=ROOT)

    assert read(KEY, FIRST) == KEY
    assert KEY.holds_at(NOW)
    assert not KEY.holds_at(NOW + 90 * DAY)
    assert _refused(lambda: read(KEY, SECOND)) == "unknown-key"
    assert _refused(lambda: read(replace(KEY, network="othernet"), FIRST)) == "another-network"
    longer = replace(KEY, not_after=KEY.not_after + timedelta(milliseconds=1))
    assert _refused(lambda: read(longer, FIRST)) == "window"
