"""Offline verification: forks, stripped lines and forged cosignatures are named."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from certs.errors import DirectoryError
from certs.log_keys import LogPublicKeys, WitnessKey
from gateway.records import bundle as bundles
from gateway.records.tiles import RightEdge
from gateway.records.verify import verify_bundle
from tests.unit.records import made
from tests.unit.records.made_bundles import (
    CORE,
    ENDS,
    a_bundle,
    an_export,
    exports,
    faults,
    logs,
    trust,
    verify,
)


def forked(log: made.MadeLog, size: int, at: datetime | None = None) -> str:
    """The log signs another tree of this size: an entry was exchanged."""
    entries = [*log.entries[: size - 1], made.an_entry(number=77, slot=log.slot)]
    state = RightEdge().extend([entry.leaf_hash for entry in entries])
    other = made.MadeLog(slot=log.slot, entries=entries, state=state)
    return other.note(at=at)


@pytest.mark.parametrize(("size", "index"), [(3, 0), (7, 5), (14, 12), (16, 15)])
def test_a_fork_is_named(
    size: int,
    index: int,
) -> None:
    log, notes = logs()[0]
    fork = forked(log, size)

    report = verify(an_export(log, [*notes, fork]), exports()[1])

    assert faults(report) == [(0, index, "fork")]


@pytest.mark.parametrize(("size", "index"), [(12, 5), (14, 12), (30, 15)])
def test_a_fork_shown_to_another_party_is_named(
    size: int,
    index: int,
) -> None:
    report = verify(*exports(), foreign=[forked(logs()[0][0], size)])

    assert faults(report) == [(0, index, "fork")]


def test_a_foreign_note_that_cannot_be_compared_says_nothing() -> None:
    log, _ = logs()[0]

    report = verify(*exports(), foreign=[forked(log, 25, at=ENDS + timedelta(days=1))])

    assert report.is_sound


@pytest.mark.parametrize("stripped", [4, 5])
def test_a_stripped_log_line_is_named(stripped: int) -> None:
    log, notes = logs()[0]
    lines = notes[1].split("\n")
    del lines[stripped]

    report = verify(an_export(log, [notes[0], "\n".join(lines), *notes[2:]]), exports()[1])

    assert faults(report) == [(0, None, "log-line-missing")]
    assert report.faults[0].detail == "checkpoint of size 12"


def test_a_forged_cosignature_is_named() -> None:
    log, notes = logs()[0]
    name, _ = CORE
    forger: WitnessKey = made.a_witness("forger")
    forged = log.note(cosigners=[(name, forger)])

    report = verify(an_export(log, [*notes, forged]), exports()[1])

    assert faults(report) == [(0, None, "bad-cosignature")]
    short = log.note() + f"\u2014 {name} AAAAAAA=\n"
    assert faults(verify(an_export(log, [*notes, short]), exports()[1])) == [
        (0, None, "bad-cosignature")
    ]


def test_a_malformed_note_is_named() -> None:
    broken = (*exports()[0].notes, bundles.ProvedNote(note="nonsense"))

    report = verify(replace(exports()[0], notes=broken), exports()[1])

    assert faults(report) == [(0, None, "bad-note")]


def test_a_time_for_which_the_directory_has_no_keys_is_named() -> None:
    def no_keys(_moment: datetime) -> LogPublicKeys:
        raise DirectoryError("no-key-set", "directory")

    report = verify_bundle(a_bundle(*exports()), trust=replace(trust(), log_keys=no_keys))

    assert {fault.reason for fault in report.faults} == {"no-log-keys", "no-checkpoint"}
