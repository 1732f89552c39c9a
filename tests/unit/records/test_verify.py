"""Offline verification: every way to falsify entries is named, with the first bad index."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from codes.canonical import instant
from gateway.records import bundle as bundles
from gateway.records.bundle import SlotExport
from gateway.records.errors import RecordsError
from gateway.records.verify import Report, verify_bundle
from tests.unit.records import made
from tests.unit.records.made_bundles import (
    BEGINS,
    CORE,
    ENDS,
    PEER,
    THIRD,
    a_bundle,
    an_export,
    exports,
    faults,
    logs,
    trust,
    verify,
)


def test_an_untouched_export_is_sound_and_complete() -> None:
    report = verify(*exports())

    assert report.faults == ()
    assert report.is_sound
    assert report.complete == "proved"
    assert report.entries == 24
    assert (report.begins, report.ends) == (instant(BEGINS), instant(ENDS))
    first = report.slots[0]
    assert (first.slot, first.first, first.end) == (0, 9, 21)
    assert first.cosigned_size == 30
    assert first.cosigned_at == int((made.NOON + timedelta(minutes=29)).timestamp()) + 1


def test_a_bundle_holds_what_was_exported() -> None:
    files = a_bundle(*exports())

    assert bundles.read_slot(files, 1) == exports()[1]
    assert bundles.read_manifest(files).slots == (0, 1)
    assert bundles.read_peer_notes(files) == ()


def test_a_whole_log_from_leaf_0_verifies() -> None:
    whole = [an_export(log, notes, first=0, end=30) for log, notes in logs()]

    report = verify_bundle(
        a_bundle(*whole, begins=made.NOON, ends=made.NOON + timedelta(minutes=29)), trust=trust()
    )

    assert report.faults == ()
    assert report.complete == "proved"


def test_without_cosignatures_completeness_is_unproved() -> None:
    bare = [an_export(log, [log.note()]) for log, _ in logs()]

    report = verify(*bare)

    assert report.is_sound
    assert report.complete == "unproved"
    assert report.slots[0].cosigned_size is None
    assert report.slots[0].cosigned_at is None


def test_more_than_half_of_the_witnesses_must_have_signed() -> None:
    assert verify(*exports(), witnesses=[CORE, PEER]).complete == "unproved"
    assert verify(*exports(), witnesses=[CORE, PEER, THIRD]).complete == "unproved"

    both = [an_export(log, [*notes, log.note(cosigners=[CORE, PEER])]) for log, notes in logs()]

    assert verify(*both, witnesses=[CORE, PEER]).complete == "proved"
    assert verify(*both, witnesses=[CORE, PEER, THIRD]).complete == "proved"
    assert verify(*both, witnesses=[PEER, THIRD]).complete == "unproved"


def test_witnesses_may_have_signed_different_sizes() -> None:
    def grown(*, second: int) -> Report:
        exports = []
        for log, notes in logs():
            smaller = made.MadeLog(slot=log.slot, entries=log.entries[:second])
            smaller.grow(0)
            note = smaller.note(cosigners=[PEER], at=log.time_of(max(20, second - 1)))
            exports.append(an_export(log, [*notes, note]))
        return verify(*exports, witnesses=[CORE, PEER])

    enough = grown(second=26)
    assert (enough.faults, enough.complete) == ((), "proved")
    as_of = int(logs()[0][0].time_of(25).timestamp()) + 1
    assert (enough.slots[0].cosigned_size, enough.slots[0].cosigned_at) == (26, as_of)
    # The period's last entry is the twentieth: a tree without it says nothing about it.
    short = grown(second=19)
    assert (short.faults, short.complete) == ((), "unproved")
    assert short.slots[0].cosigned_size == 19


def test_another_partys_note_stands_in_for_a_cosignature() -> None:
    bare = [an_export(log, [log.note()]) for log, _ in logs()]
    held = [log.note() for log, _ in logs()]

    assert verify(*bare, foreign=held).complete == "proved"
    assert verify(*bare, foreign=held[:1]).complete == "unproved"
    assert verify(*bare, foreign=["nonsense", *held]).complete == "proved"


def changed(
    export: SlotExport, position: int, *, entry: bytes | None = None, leaf: bytes | None = None
) -> SlotExport:
    """Change one entry (and its leaf, if the attacker thought of it)."""
    entries, leaves = list(export.entries), list(export.leaves)
    entries[position] = entry or entries[position]
    leaves[position] = leaf or leaves[position]
    return replace(export, entries=tuple(entries), leaves=tuple(leaves))


@pytest.mark.parametrize("position", range(12))
def test_one_changed_byte_is_named(position: int) -> None:
    raw = exports()[0].entries[position]
    flipped = raw[:40] + bytes([raw[40] ^ 1]) + raw[41:]

    report = verify(changed(exports()[0], position, entry=flipped), exports()[1])

    assert (0, 9 + position, "entry-changed") in faults(report)
    assert {slot for slot, _, _ in faults(report)} == {0}
    assert report.complete == "unproved"


def test_an_entry_changed_together_with_its_leaf_is_bracketed_by_signed_sizes() -> None:
    forged = made.an_entry(number=99, time=made.NOON + timedelta(minutes=13))

    report = verify(changed(exports()[0], 4, entry=forged.raw, leaf=forged.leaf_hash), exports()[1])

    assert (0, 12, "rewritten") in faults(report)


def test_a_changed_leaf_beside_a_true_entry_is_named() -> None:
    report = verify(changed(exports()[0], 4, leaf=bytes(32)), exports()[1])

    assert faults(report) == [(0, 13, "leaf-changed")]


ROWS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int, str]] = {
    "a gap": (lambda rows: rows[:5] + rows[6:], 14, "entry-missing"),
    "an inserted row": (lambda rows: [*rows[:5], rows[0], *rows[5:]], 14, "entry-inserted"),
    "two rows swapped": (
        lambda rows: [*rows[:5], rows[6], rows[5], *rows[7:]],
        14,
        "entries-reordered",
    ),
    "a row moved": (
        lambda rows: [*rows[:5], rows[8], *rows[6:8], rows[5], *rows[9:]],
        14,
        "entries-reordered",
    ),
    "the last rows cut off": (lambda rows: rows[:10], 19, "truncated"),
    "a row too many": (lambda rows: [*rows, rows[0]], 21, "entry-inserted"),
}


@pytest.mark.parametrize("what", ROWS)
def test_rows_moved_removed_or_added_are_named(what: str) -> None:
    change, index, reason = ROWS[what]
    rows = tuple(change(list(exports()[0].entries)))

    report = verify(replace(exports()[0], entries=rows), exports()[1])

    assert (0, index, reason) in faults(report)


def test_an_export_that_stops_inside_the_period_is_truncated() -> None:
    log, notes = logs()[0]

    report = verify(an_export(log, notes, end=18), exports()[1])

    assert faults(report) == [(0, 18, "truncated")]


def test_an_export_that_begins_inside_the_period_is_named() -> None:
    log, notes = logs()[0]

    report = verify(replace(an_export(log, notes, first=11), private={}), exports()[1])

    assert faults(report) == [(0, 11, "begins-late")]


def test_a_bundle_cut_at_an_older_checkpoint_is_not_complete() -> None:
    log, notes = logs()[0]
    cut = an_export(log, notes[:3], end=15)

    report = verify(cut, exports()[1])

    assert report.is_sound
    assert report.complete == "unproved"
    older = made.MadeLog(entries=log.entries[:18], state=log.state)
    older.grow(0)
    held = older.note()
    assert faults(verify(cut, exports()[1], foreign=[held])) == [(0, 15, "truncated")]


def test_a_slot_left_out_is_named() -> None:
    report = verify(exports()[0])

    assert faults(report) == [(1, None, "missing-slot")]
    assert report.complete == "unproved"


def test_entries_that_nobody_signed_are_named() -> None:
    log, notes = logs()[0]

    report = verify(an_export(log, notes[:3]), exports()[1])
    assert faults(report) == [(0, 15, "unsigned")]
    report = verify(an_export(log, []), exports()[1])
    assert faults(report) == [(0, 9, "no-checkpoint")]


def test_opened_private_parts_must_be_the_committed_ones() -> None:
    export = exports()[0]
    private = {**export.private, 12: export.private[9], 14: b"{}", 8: b"{}", 40: b"{}"}

    report = verify(replace(export, private=private), exports()[1])

    assert faults(report) == [(0, index, "private-mismatch") for index in (8, 12, 14, 40)]


def test_a_wrong_left_edge_is_named() -> None:
    export = exports()[0]

    other = replace(export, left=(bytes(32), *export.left[1:]))
    assert (0, 9, "rewritten") in faults(verify(other, exports()[1]))
    fewer = replace(export, left=export.left[1:])
    assert (0, None, "bad-bundle") in faults(verify(fewer, exports()[1]))


def test_the_auditor_may_ask_about_another_period() -> None:
    files = a_bundle(*exports())

    report = verify_bundle(files, trust=trust(), begins=instant(made.NOON))
    assert {fault.reason for fault in report.faults} == {"begins-late"}
    report = verify_bundle(files, trust=trust(), ends=instant(made.NOON + timedelta(hours=2)))
    assert {fault.reason for fault in report.faults} == {"truncated"}
    for begins, ends in (("yesterday", None), (instant(ENDS), instant(BEGINS))):
        with pytest.raises(RecordsError) as caught:
            verify_bundle(files, trust=trust(), begins=begins, ends=ends)
        assert caught.value.reason == "bad-period"


def test_a_bundle_of_another_log_is_refused() -> None:
    files = a_bundle(*exports())

    for other in (
        replace(trust(), organisation="gunma-union"),
        replace(trust(), network="othernet"),
    ):
        with pytest.raises(RecordsError) as caught:
            verify_bundle(files, trust=other)
        assert caught.value.reason == "other-log"
