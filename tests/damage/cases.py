"""Damage done to an export: its rows, what it leaves out, its checkpoints."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from gateway.records.bundle import Files, ProvedNote
from tests.damage.good import FIRST, PEER, SIZE, Good, Log, at
from tests.damage.kept import UNPROVED, Maker, case_of
from tests.unit.records import made

# The rows of slot 0, as somebody with a copy of the export can change them.


def _rows(good: Good, change: Callable[[list[bytes]], object]) -> Files:
    rows = list(good.exports[0].entries)
    change(rows)
    return good.files(replace(good.exports[0], entries=tuple(rows)))


@case_of("one bit of an entry is another", reason="entry-changed", index=11)
def flip(good: Good) -> Files:
    raw = good.exports[0].entries[2]
    flipped = raw[:40] + bytes([raw[40] ^ 1]) + raw[41:]
    return _rows(good, lambda rows: rows.__setitem__(2, flipped))


@case_of("an entry is left out", reason="entry-missing", index=14)
def gap(good: Good) -> Files:
    return _rows(good, lambda rows: rows.pop(5))


@case_of("an entry stands twice", reason="entry-inserted", index=15)
def inserted(good: Good) -> Files:
    return _rows(good, lambda rows: rows.insert(6, rows[1]))


@case_of("two neighbours changed places", reason="entries-reordered", index=16)
def reorder(good: Good) -> Files:
    return _rows(good, lambda rows: rows.insert(7, rows.pop(8)))


@case_of("the last entries are cut off", reason="truncated", index=18)
def truncation(good: Good) -> Files:
    return _rows(good, lambda rows: rows.__delitem__(slice(9, None)))


@case_of("the file of entries is cut in the middle of one", reason="truncated", index=20)
def cut_file(good: Good) -> Files:
    files = dict(good.files())
    return files | {"slots/0.entries": files["slots/0.entries"][:-1]}


@case_of("entry and leaf hash are another's", reason="rewritten", index=12)
def rewritten(good: Good) -> Files:
    export, other = good.exports[0], made.an_entry(number=99, time=at(13))
    entries, leaves = list(export.entries), list(export.leaves)
    entries[4], leaves[4] = other.raw, other.leaf_hash
    return good.files(replace(export, entries=tuple(entries), leaves=tuple(leaves)))


@case_of("a stored leaf hash is another's", reason="leaf-changed", index=15)
def leaf(good: Good) -> Files:
    leaves = list(good.exports[0].leaves)
    leaves[6] = bytes(32)
    return good.files(replace(good.exports[0], leaves=tuple(leaves)))


# What the export leaves out.


@case_of("a slot is left out", reason="missing-slot", slot=1)
def missing_slot(good: Good) -> Files:
    return good.files(slots=[export for export in good.exports if export.slot != 1])


@case_of(
    "the log is shown as it was at an older checkpoint; a peer holds a younger one",
    reason="truncated",
    index=15,
)
def older_checkpoint(good: Good) -> tuple[Files, Sequence[str]]:
    log = good.logs[0]
    old = replace(log, entries=log.entries[:15], sizes=log.sizes[:3])
    return good.files(old.export(end=15)), [log.note(18, cosigners=[])]


@case_of("the same, and no peer shows anything", reason=UNPROVED)
def older_checkpoint_alone(good: Good) -> Files:
    files, _ = _made_by(older_checkpoint, good)
    return files


@case_of("the range begins inside the period", reason="begins-late", index=11)
def begins_late(good: Good) -> Files:
    return good.files(good.logs[0].export(first=11))


@case_of("the entries go beyond the last checkpoint", reason="unsigned", index=15)
def unsigned(good: Good) -> Files:
    return good.files(replace(good.logs[0], sizes=(5, 12, 15)).export())


@case_of("there is no checkpoint", reason="no-checkpoint", index=FIRST)
def no_checkpoint(good: Good) -> Files:
    return good.files(replace(good.exports[0], notes=()))


# Checkpoints: lines stripped, forged, made by somebody else.


def _noted(good: Good, change: Callable[[str], str], *, place: int = -1) -> Files:
    export = good.exports[0]
    notes = list(export.notes)
    notes[place] = replace(notes[place], note=change(notes[place].note))
    return good.files(replace(export, notes=tuple(notes)))


def _without_line(note: str, number: int) -> str:
    lines = note.split("\n")
    del lines[number]
    return "\n".join(lines)


@case_of("the Ed25519 line of a checkpoint is stripped", reason="log-line-missing")
def stripped_ed25519(good: Good) -> Files:
    return _noted(good, lambda note: _without_line(note, 4))


@case_of("the ML-DSA-44 line of a checkpoint is stripped", reason="log-line-missing")
def stripped_mldsa44(good: Good) -> Files:
    return _noted(good, lambda note: _without_line(note, 5))


@case_of("the witness's line of the last checkpoint is stripped", reason=UNPROVED)
def stripped_witness(good: Good) -> Files:
    return _noted(good, lambda note: _without_line(note, 6))


@case_of("a line of the log stands twice", reason="log-line-twice")
def line_twice(good: Good) -> Files:
    return _noted(good, lambda note: note + note.split("\n")[4] + "\n")


@case_of("a checkpoint is signed with another organisation's key", reason="log-line-missing")
def foreign_key(good: Good) -> Files:
    log = replace(good.logs[0], signer=good.network.keys(PEER).log)
    return _noted(good, lambda _: log.note(SIZE))


@case_of("the same, under the key id of the right one", reason="bad-signature")
def foreign_key_hidden(good: Good) -> Files:
    other = replace(good.logs[0], signer=good.network.keys(PEER).log).note(SIZE, cosigners=[])
    return _noted(good, lambda note: _blended(note, other))


@case_of("the same for the ML-DSA-44 line alone", reason="bad-signature")
def foreign_mldsa44_hidden(good: Good) -> Files:
    other = replace(good.logs[0], signer=good.network.keys(PEER).log).note(SIZE, cosigners=[])
    return _noted(good, lambda note: _blended(note, other, 5))


@case_of("another's cosignature under the key id of the witness", reason="bad-cosignature")
def foreign_witness_hidden(good: Good) -> Files:
    name, _ = good.logs[0].witness
    other = good.logs[0].note(SIZE, cosigners=[(name, made.a_witness("forger"))])
    return _noted(good, lambda note: _blended(note, other, 6))


@case_of("a line of the log is one byte short", reason="bad-signature")
def line_cut(good: Good) -> Files:
    def cut(note: str) -> str:
        lines = note.split("\n")
        head, _, blob = lines[4].rpartition(" ")
        lines[4] = f"{head} {b64encode(b64decode(blob)[:-1]).decode('ascii')}"
        return "\n".join(lines)

    return _noted(good, cut)


@case_of("a checkpoint says a time for which nobody had keys", reason="no-log-keys")
def time_without_keys(good: Good) -> Files:
    return _noted(good, lambda _: good.logs[0].note(SIZE, at=at(0) - timedelta(days=400)))


@case_of("a checkpoint of another slot stands here", reason="wrong-origin")
def wrong_origin(good: Good) -> Files:
    return _noted(good, lambda _: good.logs[1].note(SIZE))


@case_of("a cosignature is by another key than the witness's", reason="bad-cosignature")
def forged_cosignature(good: Good) -> Files:
    name, _ = good.logs[0].witness
    forger = (name, made.a_witness("forger"))
    return _noted(good, lambda _: good.logs[0].note(SIZE, cosigners=[forger]))


@case_of("a checkpoint is no note", reason="bad-note")
def no_note(good: Good) -> Files:
    return _noted(good, lambda note: note.replace("\n\n", "\n \n"))


@case_of("a checkpoint says another size", reason="bad-signature")
def other_size(good: Good) -> Files:
    return _noted(good, lambda note: note.replace("\n30\n", "\n29\n", 1))


@case_of("the proof of an older checkpoint is cut", reason="fork", index=0)
def proof_cut(good: Good) -> Files:
    export = good.exports[0]
    cut = replace(export.notes[0], proof=export.notes[0].proof[:-1])
    return good.files(replace(export, notes=(cut, *export.notes[1:])))


def _forked(log: Log, size: int) -> str:
    other = log.rewritten({size - 1: made.an_entry(number=77, time=at(size - 1))})
    return other.note(size, cosigners=[])


@case_of("the log signed two trees, and both are here", reason="fork", index=12)
def fork(good: Good) -> Files:
    export = good.exports[0]
    note = ProvedNote(note=_forked(good.logs[0], 14))
    return good.files(replace(export, notes=(*export.notes, note)))


@case_of("the log signed two trees, and a peer holds the other", reason="fork", index=15)
def fork_shown_to_a_peer(good: Good) -> tuple[Files, Sequence[str]]:
    return good.files(), [_forked(good.logs[0], SIZE)]


def _made_by(maker: Maker, good: Good) -> tuple[Files, Sequence[str]]:
    case = maker(good)
    return case.files, case.peer_notes


def _blended(note: str, other: str, place: int = 4) -> str:
    """Return a note with one line that has its own key id and the other's signature."""
    lines, others = note.split("\n"), other.split("\n")
    ours, theirs = (line.rpartition(" ") for line in (lines[place], others[place]))
    blob = b64decode(ours[2])[:4] + b64decode(theirs[2])[4:]
    lines[place] = f"{ours[0]} {b64encode(blob).decode('ascii')}"
    return "\n".join(lines)
