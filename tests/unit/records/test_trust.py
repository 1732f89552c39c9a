"""What the directory says about a log is what the verifier believes."""

from datetime import timedelta

import pytest

from certs.directory import Directory
from certs.errors import DirectoryError
from codes.canonical import instant
from gateway.records.bundle import export_slot, write_bundle
from gateway.records.trust import LogTrust
from gateway.records.verify import verify_bundle
from tests.unit.certs import networks
from tests.unit.records import made


def test_a_log_of_the_directorys_keys_and_witnesses_verifies() -> None:
    network = networks.a_network()
    trust = LogTrust.of(network.directory, "nagaoka")
    witness = ("testnet/core/witness", network.keys("core").witness)
    begins = networks.NOW + timedelta(hours=1)
    exports = []
    for slot in range(trust.slots):
        log = made.MadeLog(slot=slot, signer=network.keys("nagaoka").log, begins=begins)
        log.grow(3)
        exports.append(
            export_slot(
                slot=slot,
                first=0,
                entries=[entry.raw for entry in log.entries],
                leaves=[entry.leaf_hash for entry in log.entries],
                notes=[log.note(cosigners=[witness])],
                node=log.state.node,
            )
        )
    files = dict(
        write_bundle(
            network="testnet",
            organisation="nagaoka",
            begins=instant(begins),
            ends=instant(begins + timedelta(minutes=2)),
            directory=network.directory.raw,
            slots=exports,
        )
    )

    report = verify_bundle(files, trust=trust)

    assert report.faults == ()
    assert report.complete == "proved"
    assert trust.slots == network.directory.organisation("nagaoka").slots
    assert list(trust.witnesses) == ["testnet/core/witness"]


def test_who_was_a_witness_is_told_by_the_directory_of_that_time() -> None:
    network = networks.a_network()
    later = networks.resigned(
        network,
        lambda signed: (
            signed.update(version=2, issued=instant(networks.NOW + networks.HOUR)),
            networks.entry(signed, "nagaoka").update(witnesses=["union", "residents"]),
        ),
    )
    newest = Directory.parse_archived(later, root=network.root)
    trust = LogTrust.of(newest, "nagaoka", older=[network.directory])

    core, union, residents = (f"testnet/{name}/witness" for name in ("core", "union", "residents"))
    assert trust.named(networks.NOW - networks.DAY) == {core}
    assert trust.named(networks.NOW + networks.HOUR / 2) == {core}
    assert trust.named(networks.NOW + networks.HOUR) == {union, residents}
    assert set(trust.witnesses) == {core, union, residents}
    alone = LogTrust.of(newest, "nagaoka")
    assert alone.named(networks.NOW - networks.DAY) == {union, residents}


def test_an_organisation_that_the_directory_does_not_list_is_refused() -> None:
    with pytest.raises(DirectoryError, match="unknown-organisation"):
        LogTrust.of(networks.a_network().directory, "nobody")
