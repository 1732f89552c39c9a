"""Offline verification: every way to falsify a log is named, with the first bad index."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

import pytest

from certs.errors import DirectoryError
from certs.log_keys import LogPublicKeys, WitnessKey, WitnessPublicKey
from codes.canonical import instant
from gateway.records import bundle as bundles
from gateway.records.bundle import SlotExport, export_slot, write_bundle
from gateway.records.errors import RecordsError
from gateway.records.note import parse_note, witness_name
from gateway.records.tiles import RightEdge
from gateway.records.trust import LogTrust
from gateway.records.verify import Report, verify_bundle
from tests.unit.records import made

CORE = (witness_name(made.NETWORK, "core"), made.a_witness("core"))
PEER = (witness_name(made.NETWORK, "gunma-union"), made.a_witness("peer"))
BEGINS = made.NOON + timedelta(minutes=10)
ENDS = made.NOON + timedelta(minutes=20)
SLOTS = 2


def witness_key(key: WitnessKey, _moment: datetime) -> WitnessPublicKey:
    return key.public


def trust(cosigners_min: int = 1) -> LogTrust:
    return LogTrust(
        network=made.NETWORK,
        organisation=made.ORGANISATION,
        slots=SLOTS,
        log_keys=lambda _moment: made.a_signer().public,
        witnesses={name: partial(witness_key, key) for name, key in (CORE, PEER)},
        cosigners_min=cosigners_min,
    )


def a_log(slot: int = 0) -> tuple[made.MadeLog, list[str]]:
    """Thirty entries, a minute apart, cosigned at sizes 5, 12, 15 and 30."""
    log, notes = made.MadeLog(slot=slot), []
    for size in (5, 12, 15, 30):
        log.grow(size - log.size)
        notes.append(log.note(cosigners=[CORE]))
    return log, notes


def an_export(
    log: made.MadeLog, notes: Sequence[str], *, first: int = 9, end: int = 21
) -> SlotExport:
    return export_slot(
        slot=log.slot,
        first=first,
        entries=[entry.raw for entry in log.entries[first:end]],
        leaves=[entry.leaf_hash for entry in log.entries[first:end]],
        notes=notes,
        node=log.state.node,
        private={9: log.entries[9].private_plaintext, 12: log.entries[12].private_plaintext},
    )


def a_bundle(
    *exports: SlotExport, begins: datetime = BEGINS, ends: datetime = ENDS
) -> bundles.Files:
    return dict(
        write_bundle(
            network=made.NETWORK,
            organisation=made.ORGANISATION,
            begins=instant(begins),
            ends=instant(ends),
            directory=b"{}",
            slots=exports,
        )
    )


@pytest.fixture(scope="module")
def logs() -> list[tuple[made.MadeLog, list[str]]]:
    return [a_log(slot) for slot in range(SLOTS)]


@pytest.fixture(scope="module")
def exports(logs: list[tuple[made.MadeLog, list[str]]]) -> list[SlotExport]:
    return [an_export(log, notes) for log, notes in logs]


def verify(*exports: SlotExport, foreign: Sequence[str] = (), cosigners_min: int = 1) -> Report:
    return verify_bundle(a_bundle(*exports), trust=trust(cosigners_min), foreign_notes=foreign)


def faults(report: Report) -> list[tuple[int, int | None, str]]:
    return [(fault.slot, fault.index, fault.reason) for fault in report.faults]


def test_an_untouched_export_is_sound_and_complete(exports: list[SlotExport]) -> None:
    report = verify(*exports)

    assert report.faults == ()
    assert report.is_sound
    assert report.complete == "proved"
    assert report.entries == 24
    assert (report.begins, report.ends) == (instant(BEGINS), instant(ENDS))
    first = report.slots[0]
    assert (first.slot, first.first, first.end) == (0, 9, 21)
    assert first.cosigned_size == 30
    assert first.cosigned_at == int((made.NOON + timedelta(minutes=29)).timestamp()) + 1


def test_a_bundle_holds_what_was_exported(exports: list[SlotExport]) -> None:
    files = a_bundle(*exports)

    assert bundles.read_slot(files, 1) == exports[1]
    assert bundles.read_manifest(files).slots == (0, 1)
    assert bundles.read_peer_notes(files) == ()


def test_a_whole_log_from_leaf_0_verifies(logs: list[tuple[made.MadeLog, list[str]]]) -> None:
    whole = [an_export(log, notes, first=0, end=30) for log, notes in logs]

    report = verify_bundle(
        a_bundle(*whole, begins=made.NOON, ends=made.NOON + timedelta(minutes=29)), trust=trust()
    )

    assert report.faults == ()
    assert report.complete == "proved"


def test_without_cosignatures_completeness_is_unproved(
    logs: list[tuple[made.MadeLog, list[str]]],
) -> None:
    bare = [an_export(log, [log.note()]) for log, _ in logs]

    report = verify(*bare)

    assert report.is_sound
    assert report.complete == "unproved"
    assert report.slots[0].cosigned_size is None
    assert report.slots[0].cosigned_at is None


def test_as_many_witnesses_as_asked_for_must_have_signed(
    logs: list[tuple[made.MadeLog, list[str]]], exports: list[SlotExport]
) -> None:
    assert verify(*exports, cosigners_min=2).complete == "unproved"

    both = [an_export(log, [*notes, log.note(cosigners=[CORE, PEER])]) for log, notes in logs]

    assert verify(*both, cosigners_min=2).complete == "proved"


def test_another_partys_note_stands_in_for_a_cosignature(
    logs: list[tuple[made.MadeLog, list[str]]],
) -> None:
    bare = [an_export(log, [log.note()]) for log, _ in logs]
    held = [log.note() for log, _ in logs]

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
def test_one_changed_byte_is_named(exports: list[SlotExport], position: int) -> None:
    raw = exports[0].entries[position]
    flipped = raw[:40] + bytes([raw[40] ^ 1]) + raw[41:]

    report = verify(changed(exports[0], position, entry=flipped), exports[1])

    assert (0, 9 + position, "entry-changed") in faults(report)
    assert {slot for slot, _, _ in faults(report)} == {0}
    assert report.complete == "unproved"


def test_an_entry_changed_together_with_its_leaf_is_bracketed_by_signed_sizes(
    exports: list[SlotExport],
) -> None:
    forged = made.an_entry(number=99, time=made.NOON + timedelta(minutes=13))

    report = verify(changed(exports[0], 4, entry=forged.raw, leaf=forged.leaf_hash), exports[1])

    assert (0, 12, "rewritten") in faults(report)


def test_a_changed_leaf_beside_a_true_entry_is_named(exports: list[SlotExport]) -> None:
    report = verify(changed(exports[0], 4, leaf=bytes(32)), exports[1])

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
def test_rows_moved_removed_or_added_are_named(exports: list[SlotExport], what: str) -> None:
    change, index, reason = ROWS[what]
    rows = tuple(change(list(exports[0].entries)))

    report = verify(replace(exports[0], entries=rows), exports[1])

    assert (0, index, reason) in faults(report)


def test_an_export_that_stops_inside_the_period_is_truncated(
    logs: list[tuple[made.MadeLog, list[str]]],
    exports: list[SlotExport],
) -> None:
    log, notes = logs[0]

    report = verify(an_export(log, notes, end=18), exports[1])

    assert faults(report) == [(0, 18, "truncated")]


def test_an_export_that_begins_inside_the_period_is_named(
    logs: list[tuple[made.MadeLog, list[str]]],
    exports: list[SlotExport],
) -> None:
    log, notes = logs[0]

    report = verify(replace(an_export(log, notes, first=11), private={}), exports[1])

    assert faults(report) == [(0, 11, "begins-late")]


def test_a_bundle_cut_at_an_older_checkpoint_is_not_complete(
    logs: list[tuple[made.MadeLog, list[str]]],
    exports: list[SlotExport],
) -> None:
    log, notes = logs[0]
    cut = an_export(log, notes[:3], end=15)

    report = verify(cut, exports[1])

    assert report.is_sound
    assert report.complete == "unproved"
    older = made.MadeLog(entries=log.entries[:18], state=log.state)
    older.grow(0)
    held = older.note()
    assert faults(verify(cut, exports[1], foreign=[held])) == [(0, 15, "truncated")]


def test_a_slot_left_out_is_named(exports: list[SlotExport]) -> None:
    report = verify(exports[0])

    assert faults(report) == [(1, None, "missing-slot")]
    assert report.complete == "unproved"


def test_entries_that_nobody_signed_are_named(
    logs: list[tuple[made.MadeLog, list[str]]],
    exports: list[SlotExport],
) -> None:
    log, notes = logs[0]

    report = verify(an_export(log, notes[:3]), exports[1])
    assert faults(report) == [(0, 15, "unsigned")]
    report = verify(an_export(log, []), exports[1])
    assert faults(report) == [(0, 9, "no-checkpoint")]


def forked(log: made.MadeLog, size: int, at: datetime | None = None) -> str:
    """The log signs another tree of this size: an entry was exchanged."""
    entries = [*log.entries[: size - 1], made.an_entry(number=77, slot=log.slot)]
    state = RightEdge().extend([entry.leaf_hash for entry in entries])
    other = made.MadeLog(slot=log.slot, entries=entries, state=state)
    return other.note(at=at)


@pytest.mark.parametrize(("size", "index"), [(3, 0), (7, 5), (14, 12), (16, 15)])
def test_a_fork_is_named(
    logs: list[tuple[made.MadeLog, list[str]]],
    exports: list[SlotExport],
    size: int,
    index: int,
) -> None:
    log, notes = logs[0]
    fork = forked(log, size)

    report = verify(an_export(log, [*notes, fork]), exports[1])

    assert faults(report) == [(0, index, "fork")]


@pytest.mark.parametrize(("size", "index"), [(12, 5), (14, 12), (30, 15)])
def test_a_fork_shown_to_another_party_is_named(
    logs: list[tuple[made.MadeLog, list[str]]],
    exports: list[SlotExport],
    size: int,
    index: int,
) -> None:
    report = verify(*exports, foreign=[forked(logs[0][0], size)])

    assert faults(report) == [(0, index, "fork")]


def test_a_foreign_note_that_cannot_be_compared_says_nothing(
    logs: list[tuple[made.MadeLog, list[str]]],
    exports: list[SlotExport],
) -> None:
    log, _ = logs[0]

    report = verify(*exports, foreign=[forked(log, 25, at=ENDS + timedelta(days=1))])

    assert report.is_sound


@pytest.mark.parametrize("stripped", [4, 5])
def test_a_stripped_log_line_is_named(
    logs: list[tuple[made.MadeLog, list[str]]], exports: list[SlotExport], stripped: int
) -> None:
    log, notes = logs[0]
    lines = notes[1].split("\n")
    del lines[stripped]

    report = verify(an_export(log, [notes[0], "\n".join(lines), *notes[2:]]), exports[1])

    assert faults(report) == [(0, None, "log-line-missing")]
    assert report.faults[0].detail == "checkpoint of size 12"


def test_a_forged_cosignature_is_named(
    logs: list[tuple[made.MadeLog, list[str]]], exports: list[SlotExport]
) -> None:
    log, notes = logs[0]
    name, _ = CORE
    forger: WitnessKey = made.a_witness("forger")
    forged = log.note(cosigners=[(name, forger)])

    report = verify(an_export(log, [*notes, forged]), exports[1])

    assert faults(report) == [(0, None, "bad-cosignature")]
    short = log.note() + f"\u2014 {name} AAAAAAA=\n"
    assert faults(verify(an_export(log, [*notes, short]), exports[1])) == [
        (0, None, "bad-cosignature")
    ]


def test_a_malformed_note_is_named(exports: list[SlotExport]) -> None:
    broken = (*exports[0].notes, bundles.ProvedNote(note="nonsense"))

    report = verify(replace(exports[0], notes=broken), exports[1])

    assert faults(report) == [(0, None, "bad-note")]


def test_a_time_for_which_the_directory_has_no_keys_is_named(exports: list[SlotExport]) -> None:
    def no_keys(_moment: datetime) -> LogPublicKeys:
        raise DirectoryError("no-key-set", "directory")

    report = verify_bundle(a_bundle(*exports), trust=replace(trust(), log_keys=no_keys))

    assert {fault.reason for fault in report.faults} == {"no-log-keys", "no-checkpoint"}


def timed_log(times: Mapping[int, timedelta]) -> tuple[made.MadeLog, list[str]]:
    """A log in which some entries carry another time; the cosignatures are honest."""
    log, notes = made.MadeLog(), []
    for index in range(30):
        shift = times.get(index, timedelta(minutes=index))
        kind = "inquiry" if index else "opened"
        log.entries.append(made.an_entry(kind, number=index, time=made.NOON + shift))
        if index + 1 in {5, 12, 15, 30}:
            log.grow(0)
            notes.append(log.note(cosigners=[CORE], at=made.NOON + timedelta(minutes=index)))
    return log, notes


@pytest.mark.parametrize(
    ("times", "fault"),
    [
        ({12: timedelta(minutes=10)}, (0, 12, "time-decreases")),
        ({12: timedelta(minutes=12), 13: timedelta(minutes=12)}, None),
        (
            {index: timedelta(minutes=index - 7) for index in range(15, 30)},
            (0, 15, "time-decreases"),
        ),
        ({index: timedelta(minutes=14) for index in range(15, 30)}, None),
        (
            {index: timedelta(minutes=8, seconds=index) for index in range(9, 30)},
            (0, 12, "back-dated"),
        ),
        (
            {index: timedelta(minutes=20, seconds=index) for index in range(13, 30)},
            (0, 13, "back-dated"),
        ),
    ],
    ids=["earlier", "equal", "all earlier", "just in time", "too early", "too late"],
)
def test_times_must_fit_the_order_and_the_cosignatures(
    exports: list[SlotExport],
    times: Mapping[int, timedelta],
    fault: tuple[int, int, str] | None,
) -> None:
    log, notes = timed_log(times)

    report = verify_bundle(
        a_bundle(replace(an_export(log, notes, first=0, end=30), private={}), exports[1]),
        trust=trust(),
    )

    assert faults(report) == ([fault] if fault else [])


def test_two_minutes_are_forgiven_and_not_a_second_more(exports: list[SlotExport]) -> None:
    last = made.NOON + timedelta(minutes=11, seconds=1)  # the cosignature of size 12
    for seconds, expected in ((-120, []), (-121, [(0, 12, "back-dated")])):
        moment = last + timedelta(seconds=seconds) - made.NOON
        times = {index: min(timedelta(minutes=index), moment) for index in range(12)}
        times[12] = moment
        log, notes = timed_log(times)
        export = replace(an_export(log, notes, first=0, end=30), private={})

        assert faults(verify(export, exports[1])) == expected


def test_entries_of_another_log_are_named(exports: list[SlotExport]) -> None:
    for change, reason in (
        ({"organisation": "gunma-union"}, "wrong-organisation"),
        ({"slot": 1}, "wrong-slot"),
    ):
        log = made.MadeLog()
        log.grow(30)
        stranger = made.an_entry(number=50, time=made.NOON + timedelta(minutes=13), **change)
        log.entries[13] = stranger
        log.grow(0)
        export = an_export(log, [log.note(cosigners=[CORE])])

        assert faults(verify(replace(export, private={}), exports[1])) == [(0, 13, reason)]


def test_a_log_that_does_not_begin_with_its_opening_is_named(exports: list[SlotExport]) -> None:
    log = made.MadeLog()
    log.grow(30)
    log.entries[0] = made.an_entry(number=0)
    log.grow(0)
    export = replace(an_export(log, [log.note()], first=0), private={})

    assert faults(verify(export, exports[1])) == [(0, 0, "not-opened")]


def test_a_committed_entry_that_is_none_is_named(exports: list[SlotExport]) -> None:
    log = made.MadeLog()
    log.grow(30)
    raw = log.entries[13].raw.replace(b'"v":1', b'"v":2')
    log.entries[13] = replace(log.entries[13], raw=raw, leaf_hash=sha256(b"\x00" + raw).digest())
    log.grow(0)
    export = replace(an_export(log, [log.note()]), private={})

    assert faults(verify(export, exports[1])) == [(0, 13, "bad-entry")]


def test_opened_private_parts_must_be_the_committed_ones(exports: list[SlotExport]) -> None:
    export = exports[0]
    private = {**export.private, 12: export.private[9], 14: b"{}", 8: b"{}", 40: b"{}"}

    report = verify(replace(export, private=private), exports[1])

    assert faults(report) == [(0, index, "private-mismatch") for index in (8, 12, 14, 40)]


def test_a_wrong_left_edge_is_named(exports: list[SlotExport]) -> None:
    export = exports[0]

    other = replace(export, left=(bytes(32), *export.left[1:]))
    assert (0, 9, "rewritten") in faults(verify(other, exports[1]))
    fewer = replace(export, left=export.left[1:])
    assert (0, None, "bad-bundle") in faults(verify(fewer, exports[1]))


def test_the_auditor_may_ask_about_another_period(exports: list[SlotExport]) -> None:
    files = a_bundle(*exports)

    report = verify_bundle(files, trust=trust(), begins=instant(made.NOON))
    assert {fault.reason for fault in report.faults} == {"begins-late"}
    report = verify_bundle(files, trust=trust(), ends=instant(made.NOON + timedelta(hours=2)))
    assert {fault.reason for fault in report.faults} == {"truncated"}
    for begins, ends in (("yesterday", None), (instant(ENDS), instant(BEGINS))):
        with pytest.raises(RecordsError) as caught:
            verify_bundle(files, trust=trust(), begins=begins, ends=ends)
        assert caught.value.reason == "bad-period"


def test_a_bundle_of_another_log_is_refused(exports: list[SlotExport]) -> None:
    files = a_bundle(*exports)

    for other in (
        replace(trust(), organisation="gunma-union"),
        replace(trust(), network="othernet"),
    ):
        with pytest.raises(RecordsError) as caught:
            verify_bundle(files, trust=other)
        assert caught.value.reason == "other-log"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":1', b'"version":2'),
        (b'"type":"record-bundle"', b'"type":"x"'),
        (b'"begins":"2026-07-01T12', b'"begins":"2026-07-01T25'),
        (b'"begins":"2026-07-01T12', b'"begins":"2026-07-02T12'),
        (b'"slots"', b'"x":1,"slots"'),
        (b"{", b"\xff"),
    ],
)
def test_a_manifest_that_is_none_is_refused(
    exports: list[SlotExport], old: bytes, new: bytes
) -> None:
    files = dict(a_bundle(*exports))
    files["bundle.json"] = files["bundle.json"].replace(old, new, 1)

    with pytest.raises(RecordsError) as caught:
        verify_bundle(files, trust=trust())

    assert caught.value.reason == "bad-bundle"


FILES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "another slot": ("slots/0.json", lambda raw: raw.replace(b'"slot":0', b'"slot":1')),
    "no JSON": ("slots/0.json", lambda _raw: b"["),
    "a hash that is no base64": (
        "slots/0.json",
        lambda raw: raw.replace(b'"left":["', b'"left":["*'),
    ),
    "a short hash": ("slots/0.json", lambda raw: raw.replace(b'"left":["', b'"left":["AA","')),
    "half a leaf": ("slots/0.leaves", lambda raw: raw[:-1]),
    "no leaves": ("slots/0.leaves", lambda _raw: b""),
    "half a private part": ("slots/0.private", lambda raw: raw[:-1]),
    "too long a private part": (
        "slots/0.private",
        lambda raw: raw[:8] + b"\xff\xff\xff\xff" + raw[12:],
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_a_malformed_slot_file_is_named(exports: list[SlotExport], what: str) -> None:
    name, change = FILES[what]
    files = dict(a_bundle(*exports))
    files[name] = change(files[name])

    report = verify_bundle(files, trust=trust())

    assert faults(report) == [(0, None, "bad-bundle")]


@pytest.mark.parametrize("name", ["slots/0.json", "slots/0.leaves", "slots/0.entries"])
def test_a_missing_slot_file_is_named(exports: list[SlotExport], name: str) -> None:
    files = {key: raw for key, raw in a_bundle(*exports).items() if key != name}

    assert faults(verify_bundle(files, trust=trust())) == [(0, None, "bad-bundle")]


def test_a_file_larger_than_the_limit_is_refused(
    exports: list[SlotExport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "JSON_BYTES_MAX", 10)

    with pytest.raises(RecordsError, match="bad-bundle"):
        bundles.read_manifest(a_bundle(*exports))


@pytest.mark.parametrize("cut", [1, 100])
def test_entries_cut_in_the_middle_are_truncated(exports: list[SlotExport], cut: int) -> None:
    files = dict(a_bundle(*exports))
    files["slots/0.entries"] = files["slots/0.entries"][:-cut]

    assert (0, 20, "truncated") in faults(verify_bundle(files, trust=trust()))


def test_a_stray_byte_after_the_entries_is_no_entry(exports: list[SlotExport]) -> None:
    files = dict(a_bundle(*exports))
    files["slots/0.entries"] += b"\x00"

    assert verify_bundle(files, trust=trust()).is_sound


def test_a_bundle_without_private_parts_or_peer_notes_is_a_bundle(
    exports: list[SlotExport],
) -> None:
    bare = [replace(export, private={}) for export in exports]

    assert verify(*bare).is_sound


def test_notes_of_peers_travel_in_the_bundle(
    logs: list[tuple[made.MadeLog, list[str]]], exports: list[SlotExport]
) -> None:
    held = logs[0][1]
    files = dict(
        write_bundle(
            network=made.NETWORK,
            organisation="gunma-union",
            begins=instant(BEGINS),
            ends=instant(ENDS),
            directory=b"{}",
            slots=exports,
            peer_notes=held,
        )
    )

    assert bundles.read_peer_notes(files) == tuple(held)
    assert parse_note(held[0]).checkpoint.size == 5
