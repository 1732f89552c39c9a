"""docs/reference says what the code says: `make reference` writes it, this compares it."""

import pytest

from tests.tools.reference import FOLDER, documents, problem_meanings, problems_reference

_DOCUMENTS = documents()


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_the_reference_is_up_to_date(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")

    assert written == _DOCUMENTS[name], f"{name}: run `make reference` and look at what changed"


def test_nothing_else_pretends_to_be_generated() -> None:
    by_hand = {"bundle.md"}

    assert {path.name for path in FOLDER.iterdir()} - _DOCUMENTS.keys() == by_hand


def test_every_problem_type_is_explained() -> None:
    rows = [line for line in problems_reference().splitlines() if line.startswith("| `")]

    assert [row for row in rows if row.rstrip(" |").endswith("|")] == []
    assert [slug for slug, said in problem_meanings().items() if not all(said)] == []
