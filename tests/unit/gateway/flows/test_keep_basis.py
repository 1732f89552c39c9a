"""Which basis is recorded next, as which kind, and where it stands among the others."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from certs.bodies import ListedBodies
from gateway.flows.keep_basis import LAW_KIND, RULES_KIND, next_basis
from gateway.flows.stood import MARGIN, SPREAD, StoodBases, StoodBasis, Window
from gateway.storage.basis import Basis
from policies.allow_list import AllowList
from policies.facts import Facts
from policies.release import shipped_rules

NOON: Final = datetime(2026, 7, 1, 3, tzinfo=UTC)
FIRST: Final = Basis(
    number=1,
    entry_id="0" * 32,
    since=NOON,
    directory_version=5,
    directory="d5",
    allow_list_version=1,
    allow_list="list-1",
    law_version="law-1",
    allow_list_document="document-1",
    bodies="bodies-1",
    rules_version="rules-1",
    rules="rules-1",
)


def of_version(version: int, **changed: object) -> Basis:
    return replace(FIRST, directory_version=version, directory=f"d{version}", **changed)  # type: ignore[arg-type]  # names of fields


def ordered(*rows: Basis) -> list[Basis]:
    return sorted(rows, key=lambda row: (row.directory_version, row.number))


def test_the_first_is_recorded_as_it_is() -> None:
    due = next_basis([], FIRST, is_start=True)

    assert due is not None
    assert due == (LAW_KIND, replace(FIRST, entry_id=due[1].entry_id))


def test_a_version_with_the_same_law_bodies_and_rules_makes_none() -> None:
    assert next_basis([FIRST], of_version(9), is_start=True) is None


def test_other_bodies_are_recorded_under_the_rules_in_use() -> None:
    present = of_version(9, bodies="bodies-2", rules="rules-2", rules_version="rules-2")

    due = next_basis([FIRST], present, is_start=False)

    assert due is not None
    assert (due[0], due[1].number) == (LAW_KIND, 2)
    assert (due[1].bodies, due[1].rules, due[1].rules_version) == ("bodies-2", "rules-1", "rules-1")


def test_other_rules_are_recorded_at_a_start_and_never_with_a_directory() -> None:
    present = of_version(9, rules="rules-2", rules_version="rules-2")

    due = next_basis([FIRST], present, is_start=True)

    assert next_basis([FIRST], present, is_start=False) is None
    assert due is not None
    assert (due[0], due[1].directory_version, due[1].rules) == (RULES_KIND, 5, "rules-2")


def test_rules_of_before_may_come_back() -> None:
    second = replace(FIRST, number=2, rules="rules-2", rules_version="rules-2")

    due = next_basis([FIRST, second], FIRST, is_start=True)

    assert due is not None
    assert (due[0], due[1].number, due[1].rules) == (RULES_KIND, 3, "rules-1")


def test_a_worker_that_is_behind_does_not_bring_an_older_law_back() -> None:
    newer = of_version(9, number=2, allow_list="list-2")

    assert next_basis([FIRST, newer], of_version(7), is_start=True) is None


def test_a_law_that_another_worker_passed_over_takes_its_place_before_the_newest() -> None:
    newest = of_version(9, number=2, allow_list="list-3")
    between = of_version(7, allow_list="list-2")

    due = next_basis([FIRST, newest], between, is_start=False)

    assert due is not None
    late = due[1]
    assert (late.number, late.allow_list) == (3, "list-2")
    rows = ordered(FIRST, newest, late)
    assert [row.allow_list for row in rows] == ["list-1", "list-2", "list-3"]
    assert next_basis(rows, newest, is_start=True) is None


def test_nothing_is_known_of_before_the_first_nor_where_one_cannot_be_read() -> None:
    readable = StoodBasis(
        row=FIRST,
        law=AllowList.build(Facts(version="law-1", data_from=date(2024, 5, 27)), version=1),
        bodies=ListedBodies.of({}),
        rules=shipped_rules(),
    )
    begins, moment = NOON - SPREAD, NOON - MARGIN
    one, none = (Window(basis=basis, begins=begins, ends=None) for basis in (readable, None))

    def around(instant: datetime, *windows: Window) -> tuple[int, bool]:
        found = StoodBases(windows=windows, first=NOON).around(instant)
        return len(found.bases), found.is_known

    assert around(moment, one) == (1, False)
    assert around(NOON, one) == (1, True)
    assert around(NOON, one, none) == (1, False)
    assert around(NOON) == (0, False)
    assert around(begins - MARGIN, one) == (0, False)
