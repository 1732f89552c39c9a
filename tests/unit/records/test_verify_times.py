"""Offline verification: whose the entries are and when they were made."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.records.verify import verify_bundle
from tests.unit.records import made
from tests.unit.records.made_bundles import (
    CORE,
    a_bundle,
    an_export,
    exports,
    faults,
    trust,
    verify,
)


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
    times: Mapping[int, timedelta],
    fault: tuple[int, int, str] | None,
) -> None:
    log, notes = timed_log(times)

    report = verify_bundle(
        a_bundle(replace(an_export(log, notes, first=0, end=30), private={}), exports()[1]),
        trust=trust(),
    )

    assert faults(report) == ([fault] if fault else [])


def test_two_minutes_are_forgiven_and_not_a_second_more() -> None:
    last = made.NOON + timedelta(minutes=11, seconds=1)  # the cosignature of size 12
    for seconds, expected in ((-120, []), (-121, [(0, 12, "back-dated")])):
        moment = last + timedelta(seconds=seconds) - made.NOON
        times = {index: min(timedelta(minutes=index), moment) for index in range(12)}
        times[12] = moment
        log, notes = timed_log(times)
        export = replace(an_export(log, notes, first=0, end=30), private={})

        assert faults(verify(export, exports()[1])) == expected


def test_entries_of_another_log_are_named() -> None:
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

        assert faults(verify(replace(export, private={}), exports()[1])) == [(0, 13, reason)]


def test_a_log_that_does_not_begin_with_its_opening_is_named() -> None:
    log = made.MadeLog()
    log.grow(30)
    log.entries[0] = made.an_entry(number=0)
    log.grow(0)
    export = replace(an_export(log, [log.note()], first=0), private={})

    assert faults(verify(export, exports()[1])) == [(0, 0, "not-opened")]


def test_a_committed_entry_that_is_none_is_named() -> None:
    log = made.MadeLog()
    log.grow(30)
    raw = log.entries[13].raw.replace(b'"v":1', b'"v":2')
    log.entries[13] = replace(log.entries[13], raw=raw)
    log.grow(0)
    export = replace(an_export(log, [log.note()]), private={})

    assert faults(verify(export, exports()[1])) == [(0, 13, "bad-entry")]
