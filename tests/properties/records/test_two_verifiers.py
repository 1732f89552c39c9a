"""The program and the one-file verifier were written apart, and say the same about any damage."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.records.erased import ERASURES
from gateway.records.lost import LOSSES
from tests.damage import good as goods
from tests.damage.aged import Aged
from tests.damage.edits import FILES, KINDS, Edit, edited
from tests.damage.judges import by_one_file, by_the_program
from tests.damage.lossy import AFTER, BEFORE, IN_IT, Lossy, Minutes

edits = st.lists(
    st.builds(
        Edit,
        file=st.sampled_from(FILES),
        at=st.integers(0, 100_000),
        length=st.sampled_from((1, 2, 32, 43, 700)),
        kind=st.sampled_from(KINDS),
        mask=st.integers(1, 255),
    ),
    min_size=1,
    max_size=3,
)
FILE = st.sampled_from((ERASURES, "slots/0.json", "slots/1.json"))
LOSSY_FILE = st.sampled_from((LOSSES, LOSSES, "slots/0.json", "slots/1.json", "slots/1.entries"))


@cache
def the_good() -> goods.Good:
    return goods.make()


def root() -> Path:
    return the_good().network.path / "root" / "root.json"


@cache
def the_aged() -> Aged:
    return Aged(good=the_good())


@cache
def the_lossy() -> Lossy:
    return Lossy(good=the_good(), seen_late=27)


@given(edits)
@settings(max_examples=60, derandomize=True)  # `make fuzz` draws anew
def test_both_verifiers_say_the_same(made: list[Edit]) -> None:
    files = edited(the_good().files(), made)

    by_program, by_file = by_the_program(files, root()), by_one_file(files, root())

    assert by_program.agrees(by_file), (by_program, by_file)


@given(st.lists(st.builds(replace, edits.map(lambda made: made[0]), file=FILE), max_size=2))
@settings(max_examples=30, derandomize=True)
def test_both_verifiers_say_the_same_of_an_erased_month(made: list[Edit]) -> None:
    files = edited(the_aged().files(), made)

    by_program, by_file = by_the_program(files, root()), by_one_file(files, root())

    assert by_program.agrees(by_file), (by_program, by_file)


@given(
    st.lists(st.builds(replace, edits.map(lambda made: made[0]), file=LOSSY_FILE), max_size=2),
    st.sampled_from((BEFORE, IN_IT, AFTER)),
)
@settings(max_examples=40, derandomize=True)
def test_both_verifiers_say_the_same_of_a_log_that_lost_records(
    made: list[Edit], minutes: Minutes
) -> None:
    files = edited(the_lossy().files(minutes), made)

    by_program, by_file = by_the_program(files, root()), by_one_file(files, root())

    assert by_program.agrees(by_file), (by_program, by_file)
