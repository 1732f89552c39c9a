"""The program and the one-file verifier were written apart, and say the same about any damage."""

from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import good as goods
from tests.damage.edits import FILES, KINDS, Edit, edited
from tests.damage.judges import by_one_file, by_the_program

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


@cache
def the_good() -> goods.Good:
    return goods.make()


def root() -> Path:
    return the_good().network.path / "root" / "root.json"


@given(edits)
@settings(max_examples=100, derandomize=True)  # `make fuzz` draws anew
def test_both_verifiers_say_the_same(made: list[Edit]) -> None:
    files = edited(the_good().files(), made)

    by_program, by_file = by_the_program(files, root()), by_one_file(files, root())

    assert by_program.agrees(by_file), (by_program, by_file)
