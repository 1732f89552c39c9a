"""A network made from nothing: what lies where, who may read it, and what is refused."""

import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from certs.directory import Directory
from certs.errors import CertsError, KeyMaterialError
from certs.key_files import read_p256, read_pair, read_private, write_file, write_pair
from certs.log_keys import LogSigner
from certs.network import init_network, keys_directory
from certs.network_spec import NetworkSpec, OrganisationSpec
from certs.own_keys import (
    PrivateKeySet,
    load_ca,
    load_directory_key,
    load_organisation_key,
    read_certificate,
    read_root,
)
from certs.publish import DirectoryChanges, publish_directory
from certs.rotation import (
    KeyKind,
    renew_directory_key,
    renew_key_set,
    renew_permit_key,
    renew_root,
)
from tests.unit.certs.networks import ALLOW_LIST, DAY, HOUR, NOW, Network, a_network, a_spec

FIRST = a_network()
SPEC = """
network = "testnet"
environment = "demo"
law_day = 2026-07-01
validity_h = 48

[[organisations]]
name = "core"
role = "core"
endpoint = "https://127.0.0.1:9001"

[[organisations]]
name = "nagaoka"
title = "長岡市"
role = "gateway"
endpoint = "https://127.0.0.1:9002"
hosts = ["localhost"]
slots = 2
witnesses = ["core"]

[[organisations.bodies]]
body_code = "XB15202000000001"
name = "長岡市長"
classes = [{ class = "市町村長", from = 2024-05-27, fact = "市である" }]
"""


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return FIRST.copy(tmp_path / "network")


def _refused(call: Callable[[], object]) -> str:
    with pytest.raises(CertsError) as refusal:
        call()
    return refusal.value.reason


def test_a_network_is_made_as_its_file_says(tmp_path: Path) -> None:
    spec = NetworkSpec.parse(SPEC)

    directory = init_network(spec, tmp_path / "n", allow_list=ALLOW_LIST, now=NOW)

    nagaoka = directory.organisation("nagaoka")
    assert (nagaoka.title, nagaoka.slots, nagaoka.witnesses) == ("長岡市", 2, ("core",))
    assert directory.law_day == date(2026, 7, 1)
    assert directory.expires - directory.issued == timedelta(hours=48)
    assert directory.classes_of("XB15202000000001", date(2026, 7, 1)) == {"市町村長"}
    assert spec.organisations[1].certificate_hosts == ("127.0.0.1", "localhost")


def test_many_organisations_share_nothing(tmp_path: Path) -> None:
    core = OrganisationSpec(name="core", role="core", endpoint="https://127.0.0.1:1")
    others = tuple(
        OrganisationSpec(name=f"city-{n}", role="gateway", endpoint=f"https://127.0.0.1:{n}")
        for n in range(2, 22)
    )
    spec = NetworkSpec(network="many", organisations=(core, *others))

    directory = init_network(spec, tmp_path / "n", allow_list=ALLOW_LIST, now=NOW)

    sets = [organisation.key_sets[0] for organisation in directory.organisations.values()]
    assert len(sets) == 21
    for member in ("log", "witness", "organisation_key", "sealing", "tls"):
        assert len({repr(key_set.to_signed()[member]) for key_set in sets}) == 21


def test_secrets_are_read_by_their_owner_alone() -> None:
    for path in FIRST.path.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif path.suffix == ".key" or path.name.endswith(".key.pem"):
            assert mode == 0o600, path


def test_openssl_reads_keys_and_certificates() -> None:
    keys = FIRST.core
    for words in (
        ["pkey", "-noout", "-in", str(log_key(keys) / "ed25519.key.pem")],
        ["pkey", "-noout", "-in", str(FIRST.keys("core").network_certificate.key)],
        ["x509", "-noout", "-in", str(FIRST.keys("core").network_certificate.certificate)],
        [
            "verify",
            "-CAfile",
            str(keys / "tls" / "staff-ca.cert.pem"),
            "-no_check_time",
            str(keys / "tls" / "staff.cert.pem"),
        ],
    ):
        subprocess.run(["openssl", *words], check=True, capture_output=True)


def test_a_gateway_needs_neither_root_nor_organisation_key_nor_others(
    network: Network, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(keys_directory(network.path, "nagaoka"), alone)
    shutil.rmtree(network.path)

    own = PrivateKeySet.load(alone)
    directory = Directory.parse((alone / "directory.json").read_bytes(), root=own.root, now=NOW)

    assert own.organisation == "nagaoka"
    assert directory.organisation("nagaoka").key_sets[-1] == own.key_set
    assert directory.verify_allow_list((alone / "allow-list.json").read_bytes())
    assert own.permit_keys == {}
    assert "PRIVATE" not in repr(own)


def test_keys_are_never_made_over_others(network: Network) -> None:
    again = _refused(lambda: init_network(a_spec(), network.path, allow_list=ALLOW_LIST, now=NOW))

    assert again == "target-not-empty"


UNSOUND: dict[str, tuple[str, str, str]] = {
    "a word nobody knows": ("slots = 2", "slot = 2", "unknown-member"),
    "no TOML": ("slots = 2", "slots =", "not-toml"),
    "no core": ('name = "core"', 'name = "kernel"', "no-core"),
    "one name twice": ('name = "nagaoka"', 'name = "core"', "duplicate-name"),
    "a gateway as core": ('role = "core"', 'role = "gateway"', "core-name"),
    "a role nobody knows": ('role = "gateway"', 'role = "spy"', "unknown-role"),
    "a way out of the directory": ('name = "nagaoka"', 'name = "../x"', "name-malformed"),
    "a law day in production": ('"demo"', '"production"', "law-day-not-allowed"),
    "nine days": ("validity_h = 48", "validity_h = 200", "out-of-range"),
    "no host": ('"https://127.0.0.1:9002"', '"nagaoka"', "endpoint-malformed"),
    "slots in letters": ("slots = 2", 'slots = "2"', "wrong-type"),
}


@pytest.mark.parametrize("what", UNSOUND)
def test_an_unsound_file_is_refused_for_it(what: str) -> None:
    before, after, reason = UNSOUND[what]

    assert _refused(lambda: NetworkSpec.parse(SPEC.replace(before, after, 1))) == reason


def test_a_spec_made_in_code_is_checked_before_it_names_a_directory(tmp_path: Path) -> None:
    spec = a_spec()
    wrong = replace(spec.organisations[1], name="../outside")

    reason = _refused(
        lambda: init_network(
            replace(spec, organisations=(spec.organisations[0], wrong)),
            tmp_path / "n",
            allow_list=ALLOW_LIST,
            now=NOW,
        )
    )

    assert reason == "name-malformed"
    assert list(tmp_path.iterdir()) == []


def test_a_network_file_of_any_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "network.toml"
    path.write_text(SPEC, encoding="utf-8")
    assert NetworkSpec.read(path) == NetworkSpec.parse(SPEC)

    path.write_bytes(b"#" * (16 * 1024 * 1024 + 1))
    assert _refused(lambda: NetworkSpec.read(path)) == "too-large"


def test_a_key_that_others_may_read_is_refused(network: Network) -> None:
    path = log_key(network.core) / "ed25519.key.pem"
    path.chmod(0o640)

    assert _refused(lambda: network.keys("core")) == "key-file-too-open"


def test_a_private_half_that_is_not_the_published_one_is_refused(network: Network) -> None:
    write_pair(log_key(network.core), LogSigner.generate().to_bytes())
    assert _refused(lambda: network.keys("core")) == "key-of-another"

    nagaoka, union = (keys_directory(network.path, name) for name in ("nagaoka", "union"))
    shutil.rmtree(union / "tls")
    shutil.copytree(nagaoka / "tls", union / "tls")
    assert _refused(lambda: network.keys("union")) == "key-of-another"
    (sealing,) = (nagaoka / "sealing").iterdir()
    sealing.rename(sealing.with_name("0" * 64 + ".key"))
    assert _refused(lambda: network.keys("nagaoka")) == "key-of-another"


def test_a_certificate_with_another_key_is_refused(network: Network) -> None:
    tls = keys_directory(network.path, "union") / "tls"
    shutil.copyfile(tls / "staff.key.pem", network.keys("union").network_certificate.key)

    assert _refused(lambda: network.keys("union")) == "key-of-another"


def test_a_missing_sealing_key_is_refused(network: Network) -> None:
    (sealing,) = (network.core / "sealing").iterdir()
    sealing.unlink()

    assert _refused(lambda: network.keys("core")) == "key-file-unreadable"


def test_a_draft_left_by_a_crash_does_not_count(network: Network) -> None:
    (network.core / "sealing" / ".abc.key.77.new").write_bytes(b"half")

    assert network.keys("core").organisation == "core"


def test_files_that_hold_no_key_are_refused(network: Network, tmp_path: Path) -> None:
    (sealing,) = (network.core / "sealing").iterdir()
    sealing.write_bytes(b"not a key")
    assert _refused(lambda: network.keys("core")) == "key-malformed"

    private = tmp_path / "x.key.pem"
    write_file(private, b"no PEM", mode=0o600)
    assert _refused(lambda: read_p256(private)) == "key-malformed"
    write_file(private, bytes(65 * 1024), mode=0o600)
    assert _refused(lambda: read_private(private)) == "key-file-too-large"
    assert _refused(lambda: read_p256(log_key(FIRST.core) / "ed25519.key.pem")) == (
        "key-of-another-kind"
    )
    log = log_key(network.core)
    shutil.copyfile(log / "mldsa44.key.pem", log / "ed25519.key.pem")
    assert _refused(lambda: read_pair(log)) == "key-of-another-kind"
    assert _refused(lambda: read_certificate(sealing)) == "key-malformed"
    assert _refused(lambda: load_ca(FIRST.core, "ops")) == "unknown-listener"


def test_key_sets_that_are_missing_or_no_documents_are_refused(network: Network) -> None:
    place = network.core / "key-sets"
    (place / "00001.json").write_bytes(b"{}")
    assert _refused(lambda: network.keys("core")) == "member-missing"
    shutil.rmtree(place)
    assert _refused(lambda: network.keys("core")) == "key-file-unreadable"


def log_key(keys: Path) -> Path:
    """Return the folder of the one log key there is."""
    (place,) = (keys / "log").iterdir()
    return place


def test_keys_that_must_be_offline_are_nowhere_near_the_gateway() -> None:
    own = FIRST.path / "organisations" / "nagaoka"

    assert load_organisation_key(own).public == FIRST.keys("nagaoka").key_set.organisation_key
    assert not list((own / "keys").rglob("organisation-key"))
    with pytest.raises(KeyMaterialError):
        load_directory_key(own / "keys")


def test_each_key_set_finds_its_own_private_halves_among_all_there_are(network: Network) -> None:
    own = network.path / "organisations" / "union"
    first = network.keys("union")
    renew_key_set(own, now=NOW + DAY, kinds=frozenset(KeyKind))

    both = network.keys("union")

    before, after = both.key_sets
    assert both.log_of(before).public == first.log.public == before.log != after.log
    assert both.witness_of(before).public == before.witness != after.witness
    assert both.log.public == after.log
    assert both.certificate_of(before) == first.network_certificate != both.network_certificate
    assert [one.sha256 for one in after.tls][1:] == [before.tls[0].sha256]


def test_what_is_revoked_is_listed_no_longer_and_from_a_moment_ago_on(network: Network) -> None:
    own = network.path / "organisations" / "union"
    planned = NOW + DAY + HOUR
    renew_key_set(own, now=NOW + DAY, begins=planned)
    renew_key_set(own, now=NOW + 2 * DAY, kinds=frozenset(KeyKind), revoke=True)

    _, announced, last = network.keys("union").key_sets

    assert announced.not_before == planned == announced.newest_sealing.not_before
    assert last.not_before < NOW + 2 * DAY
    assert not {one.sha256 for one in last.tls} & {one.sha256 for one in announced.tls}
    assert not {one.key_id for one in last.sealing} & {one.key_id for one in announced.sealing}
    assert last.log != announced.log
    assert last.organisation_key == announced.organisation_key


def test_a_replaced_sealing_key_stays_listed_for_a_month(network: Network) -> None:
    own = network.path / "organisations" / "union"
    before = network.keys("union").key_set.sealing[0]
    renew_key_set(own, now=NOW + DAY)

    new, old = network.keys("union").key_set.sealing

    assert (old.key_id, old.not_after) == (before.key_id, NOW + 31 * DAY)
    assert new.key_id != old.key_id
    assert set(network.keys("union").sealing) == {new.key_id, old.key_id}


def test_a_new_directory_key_takes_over_with_the_roots_leave(network: Network) -> None:
    before = load_directory_key(network.core).public

    directory = renew_directory_key(network.path, now=NOW + DAY)
    following = publish_directory(network.path, changes=DirectoryChanges(), now=NOW + 2 * DAY)

    assert directory.directory_key.key != before
    assert following.directory_key == directory.directory_key
    assert following.allow_list_digest == network.directory.allow_list_digest


def test_a_site_that_pinned_the_first_root_follows_to_the_next(network: Network) -> None:
    pinned = network.root

    first = renew_root(network.path, now=NOW + HOUR)
    second = renew_root(network.path, now=NOW + 2 * HOUR)

    assert [first.root.version, second.root.version] == [2, 3]
    read = Directory.parse(second.raw, root=pinned, now=NOW + 2 * HOUR)
    assert read.root == second.root == read_root(network.path / "root" / "root.json")
    late = Directory.parse(second.raw, root=first.root, now=NOW + 2 * HOUR)
    assert late.digest == read.digest
    assert _refused(lambda: Directory.parse(first.raw, root=second.root, now=NOW + 2 * HOUR)) == (
        "root-not-pinned"
    )


def test_a_root_that_is_not_the_newest_makes_no_next(network: Network) -> None:
    shutil.copytree(network.path / "root", network.path / "old-root")
    renew_root(network.path, now=NOW + HOUR)
    shutil.rmtree(network.path / "root")
    shutil.copytree(network.path / "old-root", network.path / "root")

    assert _refused(lambda: renew_root(network.path, now=NOW + HOUR)) == "key-of-another"


def test_permit_keys_overlap(network: Network) -> None:
    directory = renew_permit_key(network.path, now=NOW + DAY)

    core = network.keys("core")
    assert len(directory.permit_keys_at(NOW + DAY)) == len(core.permit_keys) == 2
    newest = core.permit_key_at(directory.core.permit_keys, NOW + DAY)
    assert newest.kid == directory.core.permit_keys[-1].kid


def test_a_witness_alone_writes_no_slots() -> None:
    text = SPEC + '\n[[organisations]]\nname = "auditors"\nrole = "witness"\n'
    text += 'endpoint = "https://127.0.0.1:9009"\n'

    (*_, auditors) = NetworkSpec.parse(text).organisations

    assert (auditors.role, auditors.slots) == ("witness", 0)
    assert _refused(lambda: NetworkSpec.parse(text + "slots = 1\n")) == "out-of-range"
