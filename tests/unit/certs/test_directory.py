"""The directory: what it tells, and everything that makes it no directory at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.continuity import Change, continuity
from certs.directory import Directory
from certs.documents import DocumentSigner
from certs.errors import CertsError
from certs.keysets import KeySet
from certs.names import SUITE
from certs.own_keys import load_directory_key, load_organisation_key
from certs.publish import DirectoryChanges, publish_directory, read_published, sign_allow_list
from certs.roots import DirectoryKey, Root
from codes.canonical import instant, parse_canonical
from tests.unit.certs.networks import (
    ALLOW_LIST,
    DAY,
    HOUR,
    NAGAOKA_MAYOR,
    NOW,
    SCHOOL_BOARD,
    UNION,
    a_network,
    entry,
    resigned,
)

NETWORK = a_network()
DIRECTORY = NETWORK.directory
STRANGER = DocumentSigner.from_bytes(bytes(range(64)))


def _reason(raw: bytes, **changed: Any) -> str:
    arguments: dict[str, Any] = {"root": NETWORK.root, "now": NOW, **changed}
    with pytest.raises(CertsError) as refusal:
        Directory.parse(raw, **arguments)
    return refusal.value.reason


def _lookup(call: Callable[[], object]) -> str:
    with pytest.raises(CertsError) as refusal:
        call()
    return refusal.value.reason


def test_a_directory_tells_what_was_asked_for() -> None:
    nagaoka = DIRECTORY.organisation("nagaoka")

    assert (DIRECTORY.network, DIRECTORY.version, DIRECTORY.law_day) == ("testnet", 1, None)
    assert (nagaoka.title, nagaoka.role, nagaoka.slots) == ("長岡市", "gateway", 8)
    assert nagaoka.url == "https://127.0.0.1:9002"
    assert nagaoka.witnesses == ("core",)
    assert DIRECTORY.expires - DIRECTORY.issued == timedelta(hours=24)


def test_a_directory_is_the_same_after_reading_and_writing_its_organisations() -> None:
    signed = parse_canonical(DIRECTORY.raw)["signed"]

    assert isinstance(signed, dict)
    assert signed["organisations"] == [o.to_json() for o in DIRECTORY.organisations.values()]


def test_a_directory_is_good_until_its_last_moment_and_not_after() -> None:
    end = DIRECTORY.expires
    Directory.parse(DIRECTORY.raw, root=NETWORK.root, now=end - timedelta(milliseconds=1))

    assert _reason(DIRECTORY.raw, now=end) == "directory-expired"
    assert _lookup(lambda: DIRECTORY.require_fresh(end)) == "directory-expired"


def test_a_directory_of_the_future_is_refused_beyond_a_clock_being_off() -> None:
    Directory.parse(DIRECTORY.raw, root=NETWORK.root, now=NOW - timedelta(seconds=30))

    assert _reason(DIRECTORY.raw, now=NOW - timedelta(seconds=31)) == "directory-not-yet-valid"


def test_an_old_directory_still_serves_to_judge_old_records() -> None:
    archived = Directory.parse_archived(DIRECTORY.raw, root=NETWORK.root)

    assert archived == DIRECTORY


def test_a_law_day_is_refused_outside_demo_and_test() -> None:
    moved = resigned(NETWORK, lambda d: d.update(law_day="2026-06-13"))

    assert _reason(moved) == "law-day-not-allowed"
    assert _reason(moved, environment="staging") == "law-day-not-allowed"
    assert _reason(moved, now=DIRECTORY.expires) == "law-day-not-allowed"
    for environment in ("demo", "test"):
        read = Directory.parse(moved, root=NETWORK.root, now=NOW, environment=environment)
        assert read.law_day == date(2026, 6, 13)


def test_only_the_key_the_root_vouched_for_signs_a_directory() -> None:
    assert _reason(resigned(NETWORK, lambda _: None, signer=STRANGER)) == "unknown-key"

    forged = DirectoryKey(
        network="testnet", version=9, key=STRANGER.public, not_before=NOW, not_after=NOW + DAY
    ).sign(STRANGER)
    raw = resigned(
        NETWORK, lambda d: d.update(directory_key=parse_canonical(forged)), signer=STRANGER
    )
    assert _reason(raw) == "unknown-key"


def test_another_networks_root_is_no_anchor() -> None:
    other = Root.parse(
        Root(
            network="testnet", version=1, key=STRANGER.public, not_before=NOW, not_after=NOW + DAY
        ).sign(STRANGER)
    )

    assert _reason(DIRECTORY.raw, root=other) == "root-not-pinned"


def test_one_changed_byte_anywhere_is_refused() -> None:
    for place in range(0, len(DIRECTORY.raw), 397):
        changed = bytearray(DIRECTORY.raw)
        changed[place] ^= 1
        with pytest.raises(CertsError):
            Directory.parse(bytes(changed), root=NETWORK.root, now=NOW)


def _second(signed: dict[str, Any]) -> None:
    signed["organisations"].append(entry(signed, "nagaoka"))


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a member nobody knows": (lambda d: d.update(extra="x"), "unknown-member"),
    "a member missing": (lambda d: d.pop("minimum_suite"), "member-missing"),
    "a suite nobody knows": (lambda d: d.update(minimum_suite="rot13"), "unknown-suite"),
    "another network": (lambda d: d.update(network="othernet"), "another-network"),
    "eight days": (lambda d: d.update(expires=instant(NOW + 8 * DAY)), "window"),
    "no time at all": (lambda d: d.update(expires=d["issued"]), "window"),
    "beyond its key": (
        lambda d: d.update(issued=instant(NOW + 89 * DAY), expires=instant(NOW + 91 * DAY)),
        "directory-key-expired",
    ),
    "no root": (lambda d: d.update(roots=[]), "root-not-pinned"),
    "a day that is none": (lambda d: d.update(law_day="2026-02-30"), "day"),
    "a day with blanks": (lambda d: d.update(law_day="2026-2-3"), "name-malformed"),
    "an instant that is none": (lambda d: d.update(issued="now"), "instant"),
    "a digest that is none": (
        lambda d: d["allow_list"].update(digest="AA"),
        "name-malformed",
    ),
    "nobody but gateways": (lambda d: d.update(organisations=[]), "no-core"),
    "one name twice": (_second, "duplicate-name"),
    "two cores": (lambda d: entry(d, "union").update(role="core"), "core-name"),
    "a role nobody knows": (lambda d: entry(d, "union").update(role="spy"), "unknown-role"),
    "a role its certificates do not name": (
        lambda d: entry(d, "union").update(role="resident-network"),
        "another-role",
    ),
    "a status nobody knows": (lambda d: entry(d, "union").update(status="x"), "unknown-status"),
    "slots in letters": (lambda d: entry(d, "union").update(slots="8"), "wrong-type"),
    "a number as name": (lambda d: entry(d, "union").update(role=1), "wrong-type"),
    "no list of bodies": (lambda d: entry(d, "union").update(bodies="x"), "wrong-type"),
    "re-enrolled": (lambda d: entry(d, "union").update(status="re-enrolled"), "re-enrolled"),
    "no slot": (lambda d: entry(d, "union").update(slots=0), "out-of-range"),
    "an empty title": (lambda d: entry(d, "union").update(title=""), "text-length"),
    "one address twice": (
        lambda d: entry(d, "union").update(endpoints={"network": "https://127.0.0.1:9002"}),
        "duplicate-endpoint",
    ),
    "a path in an endpoint": (
        lambda d: entry(d, "union")["endpoints"].update(network="https://127.0.0.1:9003/v1"),
        "endpoint-malformed",
    ),
    "an endpoint without TLS": (
        lambda d: entry(d, "union")["endpoints"].update(network="http://127.0.0.1:9003"),
        "endpoint-malformed",
    ),
    "a port that is none": (
        lambda d: entry(d, "union")["endpoints"].update(network="https://127.0.0.1:65536"),
        "endpoint-malformed",
    ),
    "an endpoint nobody knows": (
        lambda d: entry(d, "union")["endpoints"].update(staff="https://127.0.0.1:1"),
        "unknown-member",
    ),
    "one body twice": (
        lambda d: entry(d, "union")["bodies"][0].update(body_code=NAGAOKA_MAYOR),
        "duplicate-body",
    ),
    "a body code too short": (
        lambda d: entry(d, "union")["bodies"][0].update(body_code="X1"),
        "name-malformed",
    ),
    "a delegator nobody knows": (
        lambda d: entry(d, "union")["bodies"][0].update(delegated_by="X" * 16),
        "delegation",
    ),
    "a delegator's delegator": (
        lambda d: entry(d, "union")["bodies"][0].update(delegated_by=SCHOOL_BOARD),
        "delegation",
    ),
    "a class that ends before it begins": (
        lambda d: entry(d, "nagaoka")["bodies"][0]["classes"][0].update(to="2024-05-26"),
        "window",
    ),
    "its own witness": (lambda d: entry(d, "union").update(witnesses=["union"]), "witness"),
    "a witness nobody knows": (lambda d: entry(d, "union").update(witnesses=["x"]), "witness"),
    "permit keys of a gateway": (
        lambda d: entry(d, "union").update(permit_keys=entry(d, "core")["permit_keys"]),
        "unknown-member",
    ),
    "a permit key twice": (
        lambda d: entry(d, "core")["permit_keys"].append(entry(d, "core")["permit_keys"][0]),
        "duplicate-key",
    ),
    "a permit key off the curve": (
        lambda d: entry(d, "core")["permit_keys"][0].update(public="BA" + "A" * 85),
        "key-malformed",
    ),
    "a permit key too short": (
        lambda d: entry(d, "core")["permit_keys"][0].update(public="AA"),
        "key-malformed",
    ),
    "no key set": (lambda d: entry(d, "union").update(key_sets=[]), "chain-broken"),
    "another's key set": (
        lambda d: entry(d, "union").update(key_sets=entry(d, "nagaoka")["key_sets"]),
        "chain-broken",
    ),
    "one key set twice": (
        lambda d: entry(d, "union").update(key_sets=entry(d, "union")["key_sets"] * 2),
        "chain-broken",
    ),
    "a key set changed by the core": (
        lambda d: entry(d, "union")["key_sets"][0]["signed"].update(not_after=instant(NOW + DAY)),
        "signature-invalid",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_directory_with_something_wrong_is_refused_for_it(what: str) -> None:
    change, reason = WRONG[what]

    assert _reason(resigned(NETWORK, change)) == reason


@pytest.mark.parametrize("member", ["tls", "sealing", "log", "witness", "organisation_key"])
def test_a_key_that_another_organisation_lists_is_refused(member: str) -> None:
    signer = load_organisation_key(NETWORK.path / "organisations" / "union")
    nagaoka = DIRECTORY.organisation("nagaoka").key_sets[0].to_signed()
    union = DIRECTORY.organisation("union").key_sets[0].to_signed()
    borrowed = {**union, member: nagaoka[member]}
    if member in ("tls", "organisation_key"):
        with pytest.raises(CertsError) as refusal:
            KeySet.from_signed(borrowed).sign(signer)
        expected = "certificate-of-another" if member == "tls" else "unknown-key"
        assert refusal.value.reason == expected
        return
    document = parse_canonical(KeySet.from_signed(borrowed).sign(signer))

    raw = resigned(NETWORK, lambda d: entry(d, "union").update(key_sets=[document]))

    assert _reason(raw) == "duplicate-key"


def test_a_peer_is_found_by_its_certificate_and_by_no_other() -> None:
    (certificate,) = DIRECTORY.certificates("nagaoka")

    assert DIRECTORY.organisation_by_certificate(certificate.sha256).name == "nagaoka"
    assert _lookup(lambda: DIRECTORY.organisation_by_certificate("0" * 64)) == "unknown-certificate"
    assert len(DIRECTORY.all_certificates()) == 5  # the core's spare, too


def test_what_a_withdrawn_organisation_signed_still_verifies_but_nobody_lets_it_in(
    tmp_path: Path,
) -> None:
    network = NETWORK.copy(tmp_path / "n")
    (certificate,) = DIRECTORY.certificates("union")

    left = publish_directory(network.path, changes=DirectoryChanges(withdrawn=("union",)), now=NOW)

    assert left.log_keys_at("union", NOW) == DIRECTORY.log_keys_at("union", NOW)
    assert left.certificates("union") == ()
    assert _lookup(lambda: left.organisation_by_certificate(certificate.sha256)) == (
        "unknown-certificate"
    )


def test_a_body_holds_a_class_on_the_days_of_the_fact() -> None:
    both = frozenset({"市町村長", "都道府県知事等"})

    assert DIRECTORY.classes_of(NAGAOKA_MAYOR, date(2024, 5, 26)) == frozenset()
    assert DIRECTORY.classes_of(NAGAOKA_MAYOR, date(2026, 6, 13)) == both
    assert DIRECTORY.classes_of(NAGAOKA_MAYOR, date(2026, 6, 14)) == {"市町村長"}
    assert DIRECTORY.classes_of(UNION, date(2026, 6, 14)) == frozenset()


def test_a_body_acting_by_delegation_holds_its_delegators_classes_too() -> None:
    held = DIRECTORY.classes_of(SCHOOL_BOARD, date(2026, 7, 1))

    assert held == {"教育委員会", "市町村長"}


def test_a_body_belongs_to_one_organisation() -> None:
    organisation, body = DIRECTORY.body(SCHOOL_BOARD)

    assert (organisation.name, body.name) == ("nagaoka", "長岡市教育委員会")
    assert _lookup(lambda: DIRECTORY.body("X" * 16)) == "unknown-body"


def test_keys_are_those_of_the_asked_moment() -> None:
    keys = NETWORK.keys("nagaoka")

    assert DIRECTORY.log_keys_at("nagaoka", NOW) == keys.log.public
    assert DIRECTORY.witness_key_at("nagaoka", NOW) == keys.witness.public
    assert _lookup(lambda: DIRECTORY.log_keys_at("nagaoka", NOW - HOUR)) == "key-set-not-yet-valid"
    assert _lookup(lambda: DIRECTORY.log_keys_at("nagaoka", NOW + 90 * DAY)) == "key-set-expired"
    assert _lookup(lambda: DIRECTORY.log_keys_at("nobody", NOW)) == "unknown-organisation"


def test_a_sealing_key_is_its_own_organisations_and_within_its_window() -> None:
    key = DIRECTORY.current_sealing_key("nagaoka", NOW)

    assert DIRECTORY.sealing_key("nagaoka", key.key_id, at=NOW) == key
    assert _lookup(lambda: DIRECTORY.sealing_key("union", key.key_id)) == "unknown-sealing-key"
    late = NOW + 90 * DAY
    assert _lookup(lambda: DIRECTORY.sealing_key("nagaoka", key.key_id, at=late)) == (
        "sealing-key-not-valid"
    )


def test_an_organisation_without_a_key_in_force_is_not_sealed_to() -> None:
    signer = load_organisation_key(NETWORK.path / "organisations" / "union")
    key_set = DIRECTORY.organisation("union").key_sets[0]
    late = replace(key_set.sealing[0], not_before=NOW + DAY)
    document = parse_canonical(replace(key_set, sealing=(late,)).sign(signer))

    raw = resigned(NETWORK, lambda d: entry(d, "union").update(key_sets=[document]))
    directory = Directory.parse(raw, root=NETWORK.root, now=NOW)

    assert _lookup(lambda: directory.current_sealing_key("union", NOW)) == "sealing-key-not-valid"


def test_a_key_below_the_minimum_suite_is_never_sealed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    # Only one suite exists yet; a second one stands for the next.
    stronger = "stronger/2"
    for module in ("certs.directory", "certs.keysets"):
        monkeypatch.setattr(f"{module}.SUITES", (SUITE, stronger))
    raw = resigned(NETWORK, lambda d: d.update(version=2, minimum_suite=stronger))
    directory = Directory.parse(raw, root=NETWORK.root, now=NOW)

    key = directory.organisation("union").key_sets[0].sealing[0]

    assert _lookup(lambda: directory.sealing_key("union", key.key_id)) == "suite-below-minimum"
    back = [finding.change for finding in continuity(directory, DIRECTORY)]
    assert back == [Change.ROLLBACK, Change.SUITE_LOWERED]


def test_permit_keys_are_the_cores_and_within_their_window() -> None:
    (kid,) = NETWORK.keys("core").permit_keys
    private = NETWORK.keys("core").permit_key_at(DIRECTORY.core.permit_keys, NOW)

    assert list(DIRECTORY.permit_keys_at(NOW)) == [kid] == [private.kid]
    assert DIRECTORY.permit_keys_at(NOW)[kid] == private.key.public_key()
    assert DIRECTORY.permit_keys_at(NOW + 90 * DAY) == {}
    reason = _lookup(
        lambda: NETWORK.keys("core").permit_key_at(DIRECTORY.core.permit_keys, NOW + 90 * DAY)
    )
    assert reason == "no-permit-key"


def test_the_allow_list_is_the_one_the_directory_names() -> None:
    published = read_published(NETWORK.path)

    assert published.directory == DIRECTORY.raw
    signed = DIRECTORY.verify_allow_list(published.allow_list)
    assert signed == {**ALLOW_LIST, "type": "allow-list", "version": 1}


def test_another_allow_list_is_refused_even_from_the_right_key() -> None:
    key = load_directory_key(NETWORK.core)
    bodies: list[dict[str, object]] = [{"facts": ["more"]}, {"facts": [], "version": 2}]
    for body in bodies:
        with pytest.raises(CertsError) as refusal:
            DIRECTORY.verify_allow_list(sign_allow_list(body, key))
        assert refusal.value.reason == "another-allow-list"
    forged = sign_allow_list(ALLOW_LIST, STRANGER)
    assert _lookup(lambda: DIRECTORY.verify_allow_list(forged)) == "unknown-key"


def test_verified_key_sets_are_not_verified_again_but_changed_ones_are() -> None:
    again = Directory.parse(DIRECTORY.raw, root=NETWORK.root, now=NOW, previous=DIRECTORY)
    assert again.organisation("union").key_sets[0] is DIRECTORY.organisation("union").key_sets[0]

    change, reason = WRONG["a key set changed by the core"]
    assert _reason(resigned(NETWORK, change), previous=DIRECTORY) == reason
