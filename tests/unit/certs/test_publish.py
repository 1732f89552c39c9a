"""The next directory: what may change, what nobody follows, and what is kept."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.continuity import Change, Finding, broken_chains, continuity, require_continuity
from certs.directory import Directory
from certs.documents import DocumentSigner
from certs.errors import CertsError, DirectoryError
from certs.held_peers import read_held, write_held
from certs.key_files import write_file
from certs.network import enrol_organisation, make_permit_key
from certs.network_spec import OrganisationSpec
from certs.publish import DirectoryChanges, publish_directory, read_published
from certs.rotation import renew_key_set, renew_root
from codes.canonical import canonical_json, instant
from tests.unit.certs.networks import (
    DAY,
    HOUR,
    NOW,
    Network,
    a_network,
    a_spec,
    entry,
    resigned,
)

FIRST = a_network()


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return FIRST.copy(tmp_path / "network")


def _findings(change: Callable[[dict[str, Any]], object]) -> list[Finding]:
    raw = resigned(FIRST, change)
    following = Directory.parse_archived(raw, root=FIRST.root)
    return continuity(FIRST.directory, following)


def test_an_empty_change_only_refreshes_the_validity(network: Network) -> None:
    later = NOW + 12 * HOUR

    following = publish_directory(network.path, changes=DirectoryChanges(), now=later)

    assert (following.version, following.issued, following.expires) == (2, later, later + DAY)
    assert continuity(network.directory, following) == []
    assert read_published(network.core).directory == following.raw


def test_every_version_and_allow_list_is_kept(network: Network) -> None:
    publish_directory(network.path, changes=DirectoryChanges(allow_list={"facts": ["x"]}), now=NOW)

    published = network.core / "published"
    assert sorted(p.name for p in (published / "directories").iterdir()) == [
        "00000001.json",
        "00000002.json",
    ]
    assert len(list((published / "allow-lists").iterdir())) == 2


def test_the_law_day_is_moved_and_taken_back(network: Network) -> None:
    moved = publish_directory(
        network.path, changes=DirectoryChanges(law_day=date(2026, 6, 13)), now=NOW
    )
    kept = publish_directory(network.path, changes=DirectoryChanges(), now=NOW)
    back = publish_directory(network.path, changes=DirectoryChanges(law_day=None), now=NOW)

    assert (moved.law_day, kept.law_day, back.law_day) == (date(2026, 6, 13), moved.law_day, None)
    assert continuity(kept, back) == [Finding(change=Change.LAW_DAY_MOVED)]


def test_a_new_allow_list_is_named_by_version_and_digest(network: Network) -> None:
    following = publish_directory(
        network.path, changes=DirectoryChanges(allow_list={"facts": ["x"]}), now=NOW
    )

    assert following.allow_list_version == 2
    signed = following.verify_allow_list(read_published(network.path).allow_list)
    assert signed["facts"] == ["x"]


def test_another_allow_list_under_the_same_version_is_not_published(network: Network) -> None:
    changes = DirectoryChanges(allow_list={"facts": ["x"], "version": 1})

    with pytest.raises(DirectoryError) as refusal:
        publish_directory(network.path, changes=changes, now=NOW)

    assert refusal.value.reason == "allow-list-changed-in-place"
    assert read_published(network.path).directory == network.directory.raw


def test_an_organisation_renews_its_key_set_and_both_certificates_are_pinned(
    network: Network,
) -> None:
    document = renew_key_set(network.path / "organisations" / "union", now=NOW + DAY)

    following = publish_directory(
        network.path, changes=DirectoryChanges(key_sets=(document,)), now=NOW + DAY
    )

    assert len(following.certificates("union")) == 2
    assert following.key_set_at("union", NOW).version == 1
    assert following.key_set_at("union", NOW + DAY).version == 2
    assert continuity(network.directory, following) == [
        Finding(change=Change.KEY_SET_ADDED, organisation="union")
    ]


def test_a_new_organisation_is_enrolled(network: Network) -> None:
    spec = OrganisationSpec(name="takasaki", role="gateway", endpoint="https://127.0.0.1:9005")
    root = (network.core / "root.json").read_bytes()
    new = enrol_organisation(spec, network.path, spec=a_spec(), root=root, now=NOW)

    following = publish_directory(
        network.path, changes=DirectoryChanges(organisations=(new,)), now=NOW
    )

    assert following.organisation("takasaki").key_sets[0].version == 1
    assert network.keys("takasaki").organisation == "takasaki"


def test_endpoints_witnesses_and_permit_keys_change(network: Network) -> None:
    key = make_permit_key(network.core, now=NOW)
    following = publish_directory(
        network.path,
        changes=DirectoryChanges(
            endpoints={"union": {"network": "https://union.example:443"}},
            witnesses={"union": ("core", "nagaoka")},
            permit_keys=(key,),
            minimum_suite=network.directory.minimum_suite,
        ),
        now=NOW,
    )

    assert following.organisation("union").url == "https://union.example:443"
    assert following.organisation("union").witnesses == ("core", "nagaoka")
    assert len(following.permit_keys_at(NOW)) == 2
    assert {finding.change for finding in continuity(network.directory, following)} == {
        Change.ENDPOINT_MOVED,
        Change.WITNESSES_CHANGED,
    }


def test_expired_permit_keys_are_dropped_when_new_ones_come(network: Network) -> None:
    later = NOW + 89 * DAY
    publish_directory(
        network.path,
        changes=DirectoryChanges(permit_keys=(make_permit_key(network.core, now=later),)),
        now=later,
        validity=HOUR,
    )
    later = NOW + 90 * DAY - timedelta(minutes=5)
    last = publish_directory(
        network.path,
        changes=DirectoryChanges(permit_keys=(make_permit_key(network.core, now=NOW),)),
        now=later - timedelta(minutes=1),
        validity=HOUR,
    )

    # The directory never outlives the key that signs it.
    assert last.expires == last.directory_key.not_after
    assert len(last.core.permit_keys) == 3


@pytest.mark.parametrize(
    "changes",
    [
        DirectoryChanges(withdrawn=("nobody",)),
        DirectoryChanges(endpoints={"nobody": {}}),
        DirectoryChanges(witnesses={"nobody": ()}),
    ],
    ids=["withdrawn", "endpoints", "witnesses"],
)
def test_a_change_of_nobody_is_refused(network: Network, changes: DirectoryChanges) -> None:
    with pytest.raises(DirectoryError) as refusal:
        publish_directory(network.path, changes=changes, now=NOW)
    assert refusal.value.reason == "unknown-organisation"


def test_what_gateways_would_refuse_is_not_published(network: Network) -> None:
    wrong = (
        (DirectoryChanges(key_sets=(b"{}",)), "member-missing"),
        (DirectoryChanges(key_sets=(b"x",)), "not-json"),
        (DirectoryChanges(endpoints={"union": {"network": "x"}}), "endpoint-malformed"),
        (DirectoryChanges(minimum_suite="rot13"), "unknown-suite"),
    )
    for changes, reason in wrong:
        with pytest.raises(CertsError) as refusal:
            publish_directory(network.path, changes=changes, now=NOW)
        assert refusal.value.reason == reason

    assert read_published(network.path).directory == network.directory.raw


def test_only_the_directory_key_publishes(network: Network) -> None:
    with pytest.raises(CertsError) as refusal:
        publish_directory(
            network.path, changes=DirectoryChanges(), now=NOW, signer=DocumentSigner.generate()
        )
    assert refusal.value.reason == "unknown-key"


def test_a_current_file_that_nobody_signed_is_not_built_upon(network: Network) -> None:
    raw = resigned(network, lambda d: d, signer=DocumentSigner.generate())
    write_file(network.core / "published" / "directory.json", raw)

    with pytest.raises(CertsError) as refusal:
        publish_directory(network.path, changes=DirectoryChanges(), now=NOW)
    assert refusal.value.reason == "unknown-key"


def _drop(signed: dict[str, Any]) -> None:
    signed["version"] = 2
    signed["organisations"].remove(entry(signed, "union"))


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], Change]] = {
    "same version, other content": (
        lambda d: d.update(expires=instant(NOW + HOUR)),
        Change.EQUIVOCATION,
    ),
    "issued before the last": (
        lambda d: d.update(version=2, issued=instant(NOW - timedelta(minutes=1))),
        Change.ISSUED_BEFORE,
    ),
    "somebody forgotten": (_drop, Change.ORGANISATION_DROPPED),
    "fewer streams": (
        lambda d: (d.update(version=2), entry(d, "union").update(slots=7)),
        Change.SLOTS_DROPPED,
    ),
    "another list under the same version": (
        lambda d: (d.update(version=2), d["allow_list"].update(digest="0" * 64)),
        Change.ALLOW_LIST_CHANGED_IN_PLACE,
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_break_is_named_and_refused(what: str) -> None:
    change, expected = CHANGES[what]
    following = Directory.parse_archived(resigned(FIRST, change), root=FIRST.root)

    assert expected in {finding.change for finding in continuity(FIRST.directory, following)}
    with pytest.raises(DirectoryError) as refusal:
        require_continuity(FIRST.directory, following)
    assert refusal.value.reason == expected.value


def test_a_lower_version_is_a_rollback(network: Network) -> None:
    following = publish_directory(
        network.path, changes=DirectoryChanges(allow_list={"facts": ["x"]}), now=NOW
    )

    assert [f.change for f in continuity(following, network.directory) if f.is_refused] == [
        Change.ROLLBACK,
        Change.ALLOW_LIST_ROLLBACK,
    ]
    with pytest.raises(DirectoryError) as refusal:
        require_continuity(following, network.directory)
    assert refusal.value.reason == "rollback"


def test_an_older_root_or_directory_key_is_a_rollback(network: Network) -> None:
    following = renew_root(network.path, now=NOW + HOUR)
    other = replace(network.directory, network="othernet", version=9, issued=following.issued)

    assert {finding.change for finding in continuity(following, other)} == {
        Change.ANOTHER_NETWORK,
        Change.ROOT_ROLLBACK,
        Change.DIRECTORY_KEY_ROLLBACK,
    }


def test_key_sets_unlike_those_seen_before_are_a_re_enrolment(network: Network) -> None:
    spec = OrganisationSpec(name="union", role="gateway", endpoint="https://127.0.0.1:9003")
    root = (network.core / "root.json").read_bytes()
    elsewhere = network.path / "elsewhere"
    new = enrol_organisation(spec, elsewhere, spec=a_spec(), root=root, now=NOW)

    findings = _findings(
        lambda d: (d.update(version=2), entry(d, "union").update(key_sets=new["key_sets"]))
    )

    assert findings == [Finding(change=Change.RE_ENROLLED, organisation="union")]
    assert findings[0].is_refused


def test_a_chain_that_begins_anew_is_published_only_by_whoever_says_so(network: Network) -> None:
    spec = OrganisationSpec(name="union", role="gateway", endpoint="https://127.0.0.1:9003")
    root = (network.core / "root.json").read_bytes()
    new = enrol_organisation(spec, network.path / "anew", spec=a_spec(), root=root, now=NOW)
    key_sets = new["key_sets"]
    assert isinstance(key_sets, list)
    raw = canonical_json(key_sets[0])

    with pytest.raises(CertsError) as refusal:
        publish_directory(network.path, changes=DirectoryChanges(key_sets=(raw,)), now=NOW)
    following = publish_directory(
        network.path, changes=DirectoryChanges(re_enrolled=(raw,)), now=NOW
    )

    assert refusal.value.reason == "signature-missing"
    assert [one.version for one in following.organisation("union").key_sets] == [1]
    (held,) = broken_chains(network.directory, following).values()
    assert held.claimed == following.organisation("union").key_sets[0].digest
    written = write_held({"union": held})
    assert read_held(written, network="testnet") == {"union": held}
    (peer,) = json.loads(written)["peers"]
    with pytest.raises(DirectoryError) as twice:
        read_held(canonical_json({"peers": [peer, peer]}), network="testnet")
    assert twice.value.reason == "peers-order"


def test_who_withdrew_does_not_come_back(network: Network) -> None:
    left = publish_directory(network.path, changes=DirectoryChanges(withdrawn=("union",)), now=NOW)

    assert [f.change for f in continuity(network.directory, left)] == [
        Change.ORGANISATION_WITHDRAWN
    ]
    back = [f for f in continuity(left, network.directory) if f.organisation == "union"]
    assert [f.change for f in back] == [Change.RETURNED]


def test_ordinary_changes_are_named_and_followed() -> None:
    def grow(signed: dict[str, Any]) -> None:
        signed["version"] = 2
        entry(signed, "union").update(slots=9, bodies=[])

    findings = _findings(grow)

    assert findings == [
        Finding(change=Change.SLOTS_ADDED, organisation="union"),
        Finding(change=Change.BODIES_CHANGED, organisation="union"),
    ]
    assert not any(finding.is_refused for finding in findings)
