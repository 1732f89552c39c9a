"""Which records of a replica a question is about: by year, by period, or the latest."""

from datetime import date

import pytest

from certs.terms import YEAR_MAX, Latest, OfPeriod, OfYear
from gateway.domain.replica import ReplicaRecord, matching


def a_record(key: str, first: str | None, last: str | None) -> ReplicaRecord:
    return ReplicaRecord(
        record_key=key,
        period_from=date.fromisoformat(first) if first is not None else None,
        period_to=date.fromisoformat(last) if last is not None else None,
        generation=1,
        items={},
    )


RECORDS = (
    a_record("open", None, None),
    a_record("2026", "2026-04-01", "2027-03-31"),
    a_record("2025", "2025-04-01", "2026-03-31"),
    a_record("since", "2026-07-01", None),
    a_record("until", None, "2025-03-31"),
)


def keys(condition: Latest | OfYear | OfPeriod) -> list[str]:
    return [record.record_key for record in matching(RECORDS, condition)]


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2024, ["until", "open"]),
        (2025, ["open", "2025"]),
        (2026, ["open", "2026", "since"]),
        (2027, ["open", "since"]),
    ],
)
def test_a_year_is_from_april_to_march_and_not_a_day_more(year: int, expected: list[str]) -> None:
    assert keys(OfYear(year=year)) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-03-31", "2026-03-31", ["open", "2025"]),
        ("2026-03-31", "2026-04-01", ["open", "2025", "2026"]),
        ("2025-03-31", "2025-03-31", ["until", "open"]),
        ("2026-06-30", "2026-06-30", ["open", "2026"]),
        ("2026-07-01", "2026-07-01", ["open", "2026", "since"]),
    ],
)
def test_a_period_holds_both_its_days(first: str, last: str, expected: list[str]) -> None:
    assert keys(OfPeriod(first=first, last=last)) == expected


def test_the_latest_begins_last() -> None:
    assert keys(Latest()) == ["since"]
    assert matching((), Latest()) == []


@pytest.mark.parametrize(
    ("year", "expected"), [(0, ["until", "open"]), (YEAR_MAX, ["open", "since"])]
)
def test_the_first_and_the_last_year_there_is_have_an_answer(
    year: int, expected: list[str]
) -> None:
    assert keys(OfYear(year=year)) == expected
