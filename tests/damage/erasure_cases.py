"""Months that are said to be erased, and are not, or not so."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from codes.canonical import instant
from gateway.records.bundle import Files, ProvedNote
from gateway.records.erased import ERASURES
from gateway.records.tree import consistency_proof
from tests.damage.aged import ENDED, GONE, SEEN, TOLD, Aged
from tests.damage.good import LONG_AGO, SIZE, Good, at
from tests.damage.kept import UNPROVED, case_of
from tests.unit.records import made


def _told(good: Good, change: Callable[[list[dict[str, Any]]], object]) -> Files:
    """Return the bundle of a log that tells of other ranges than those that are gone."""

    def changed(ranges: list[dict[str, Any]]) -> list[dict[str, Any]]:
        copies = [dict(one) for one in ranges]
        change(copies)
        return copies

    return Aged(good=good, telling={"ranges": changed}).files()


@case_of("the range begins late, and no erasure is told", reason="begins-late", index=GONE)
def no_erasure(good: Good) -> Files:
    return Aged(good=good).files(proofs=[])


@case_of("nothing is left of a slot, and no erasure is told", reason="begins-late", slot=1, index=9)
def empty_slot(good: Good) -> Files:
    return Aged(good=good).files(proofs=[])


@case_of("the erasure tells of a smaller minimum index", reason="begins-late", index=GONE)
def erasure_of_less(good: Good) -> Files:
    return _told(good, lambda ranges: ranges[0].update(end=GONE - 1))


@case_of("the erasure tells of another range", reason="begins-late", index=GONE)
def erasure_of_another_range(good: Good) -> Files:
    return _told(good, lambda ranges: ranges[0].update(first=GONE, end=GONE + 2))


@case_of("the erasure tells of another slot", reason="begins-late", slot=1, index=GONE)
def erasure_of_another_slot(good: Good) -> Files:
    return _told(good, lambda ranges: ranges.pop(1))


@case_of("the erasure names a root that is not this tree's", reason="begins-late", index=GONE)
def erasure_with_another_root(good: Good) -> Files:
    return _told(good, lambda ranges: ranges[0].update(root="0" * 64))


@case_of("a month is erased before seven years are over", reason="begins-late", index=GONE)
def erasure_too_early(good: Good) -> Files:
    ended = instant(at(TOLD) - timedelta(days=7 * 365 - 1))
    return Aged(good=good, telling={"ended": lambda _: ended}).files()


@case_of("the erasure is dated ahead of the log", reason="begins-late", slot=1, index=GONE)
def erasure_dated_ahead(good: Good) -> Files:
    return Aged(good=good, told_at=at(SIZE) + timedelta(minutes=3)).files()


@case_of("half of a month is erased", reason="begins-late", index=GONE)
def erasure_of_half_a_month(good: Good) -> Files:
    kept, seen = LONG_AGO + timedelta(minutes=10), LONG_AGO + timedelta(minutes=9)
    return Aged(good=good, first_kept_at=kept, seen_at=seen).files()


@case_of("an entry of another kind tells of the erasure", reason="begins-late", index=GONE)
def erasure_by_another_kind(good: Good) -> Files:
    return Aged(good=good, kind="records-read").files()


@case_of("the private part of the erasure is edited", reason="begins-late", index=GONE)
def erasure_edited(good: Good) -> Files:
    aged = Aged(good=good, telling={"month": lambda _: "2019-04"})
    private = aged.proof().private.replace(b"2019-04", b"2019-05")
    return aged.files(proofs=[aged.proof(private=private)])


@case_of("the range begins late with a forged erasure", reason="begins-late", index=GONE)
def forged_erasure(good: Good) -> Files:
    aged = Aged(good=good)
    said = aged.said(aged.logs[0], aged.logs[1:])
    entry = made.an_entry("erased", members={}, private=said, number=99, time=at(TOLD))
    forged = aged.proof(entry=entry.raw, private=entry.private_plaintext)
    return aged.files(proofs=[forged])


@case_of("the erasure is said to stand elsewhere in the log", reason="begins-late", index=GONE)
def erasure_moved(good: Good) -> Files:
    aged = Aged(good=good)
    return aged.files(proofs=[aged.proof(index=TOLD + 1)])


@case_of("a slot that is said to be erased goes on", reason="truncated", slot=1, index=GONE)
def erased_slot_goes_on(good: Good) -> Files:
    aged = Aged(good=good)
    log = good.logs[1]
    longer = replace(log, entries=(*aged.logs[1].entries, *log.entries[GONE:SEEN]))
    export = aged.exports[1]
    proof = consistency_proof(GONE, SEEN, longer.at(SEEN).state.node)
    note = ProvedNote(note=longer.note(SEEN, cosigners=[]), proof=tuple(proof))
    return aged.files(replace(export, notes=(*export.notes, note)))


@case_of("no witness saw all that is gone when its month was over", reason=UNPROVED)
def erasure_unseen(good: Good) -> Files:
    return Aged(good=good, seen_at=ENDED + timedelta(minutes=3)).files()


@case_of("the file of erasures is none", reason="bad-bundle", slot=None)
def erasures_unreadable(good: Good) -> Files:
    return {**Aged(good=good).files(), ERASURES: b'{"erasures":['}
