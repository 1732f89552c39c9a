"""The shipped law answers as a person who read the texts of each day does."""

from functools import lru_cache

import pytest

from policies.allow_list import AllowList
from policies.explain import explain
from policies.facts import load_shipped
from tests.integration.policies.read_cases import READ

CASES = [tuple(line.split("|")) for line in READ.splitlines() if line and line[0] != "#"]


@lru_cache(maxsize=1)
def shipped_law() -> AllowList:
    return AllowList.build(load_shipped(), version=1)


@pytest.mark.parametrize("case", CASES, ids=["|".join(case[:6]) for case in CASES])
def test_a_case_read_by_hand_is_answered_with_its_reason(case: tuple[str, ...]) -> None:
    day, inquirer, provider, row, place, information, reason = case

    answer = explain(
        shipped_law(),
        {
            "on_date": day,
            "inquirer_class": inquirer,
            "provider_class": provider,
            "row": row,
            "article": place,
            "information": information,
        },
    )

    assert answer["reason"] == reason


def test_enough_cases_across_many_rows_were_read() -> None:
    permits = [case for case in CASES if case[6] in {"permitted", "narrowed"}]

    assert len(CASES) >= 150
    assert len({case[3] for case in CASES}) >= 40
    assert len(permits) >= 60
    assert len(CASES) - len(permits) >= 50
