"""What of a replica answers a question: records of the time asked for, cut to what is permitted.

Pure. A record has a period (both days included, either may be open) and items; an item has a
value or the reason why it has none (項目単位の空値理由).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, TypeAlias, assert_never

from certs.terms import Condition, Latest, OfPeriod, OfYear

FISCAL_YEAR_MONTH: Final = 4
"""A year (年度) begins in April."""
REASON_OF_NULL: Final = "reason_of_null"

ItemValue: TypeAlias = str | int | Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRecord:
    """One record about one person: what it is about, for which time, in which generation."""

    record_key: str
    period_from: date | None
    period_to: date | None
    generation: int
    items: Mapping[str, ItemValue] = field(repr=False)


def matching(records: Iterable[ReplicaRecord], condition: Condition) -> list[ReplicaRecord]:
    """Return the records of the time asked for, by period and key; the latest only if so asked."""
    ordered = sorted(records, key=_order)
    match condition:
        case Latest():
            return ordered[-1:]
        case OfYear(year=year):
            begin, end = _days_of(year)
            return [record for record in ordered if _overlaps(record, begin, end)]
        case OfPeriod(first=first, last=last):
            return [
                record
                for record in ordered
                if _overlaps(record, date.fromisoformat(first), date.fromisoformat(last))
            ]
        case _:
            assert_never(condition)


def payload_of(
    records: Sequence[ReplicaRecord], items: Sequence[str], *, term: str, scope: str
) -> dict[str, object] | None:
    """Return the answer cut to the permitted items, or None if nothing of it is there.

    Shape: `{"term", "scope", "records": [{"key", "from"?, "to"?, "items": {code: value}}]}`.
    """
    cut = [_cut(record, items) for record in records]
    filled = [record for record in cut if record["items"]]
    if not filled:
        return None
    return {"term": term, "scope": scope, "records": filled}


def _cut(record: ReplicaRecord, items: Sequence[str]) -> dict[str, object]:
    answer: dict[str, object] = {
        "key": record.record_key,
        "items": {code: record.items[code] for code in items if code in record.items},
    }
    if record.period_from is not None:
        answer["from"] = record.period_from.isoformat()
    if record.period_to is not None:
        answer["to"] = record.period_to.isoformat()
    return answer


def _days_of(year: int) -> tuple[date, date]:
    """Return the first and last day of a year (年度), as far as dates reach."""
    is_first, is_last = year < date.min.year, year >= date.max.year
    begin = date.min if is_first else date(year, FISCAL_YEAR_MONTH, 1)
    end = date.max if is_last else date(year + 1, FISCAL_YEAR_MONTH - 1, 31)
    return begin, end


def _overlaps(record: ReplicaRecord, first: date, last: date) -> bool:
    begins = record.period_from is None or record.period_from <= last
    ends = record.period_to is None or record.period_to >= first
    return begins and ends


def _order(record: ReplicaRecord) -> tuple[date, date, str]:
    return (record.period_from or date.min, record.period_to or date.max, record.record_key)
