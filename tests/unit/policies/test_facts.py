"""Facts as files: strict, sorted, one fact a line."""

from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from policies import facts as facts_module
from policies.facts import Facts, FactsError, check_facts, load_facts, load_shipped, save_facts
from policies.model import (
    ClassId,
    Consent,
    DeletedRow,
    Phrase,
    ProcedureId,
    Review,
    Term,
    TermId,
)
from tests.unit.policies.builders import (
    DAY,
    FIRST,
    a_grant,
    a_procedure,
    a_scope,
    an_organ,
    refs,
    some_facts,
)


def reason_of(facts: Facts) -> str:
    with pytest.raises(FactsError) as caught:
        check_facts(facts)
    return caught.value.reason


def test_saved_facts_come_back_equal_and_files_are_stable(tmp_path: Path) -> None:
    save_facts(some_facts(), tmp_path / "a")
    loaded = load_facts(tmp_path / "a")
    save_facts(loaded, tmp_path / "b")

    assert set(loaded.grants) == set(some_facts().grants)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_fact_is_one_line(tmp_path: Path) -> None:
    save_facts(some_facts(), tmp_path)

    lines = (tmp_path / "scopes.json").read_text("utf-8").splitlines()
    assert len(lines) == len(some_facts().scopes) + 2


def test_a_stated_default_is_written_like_one_left_out() -> None:
    stated = a_grant("1", "市長", "市長", "T", review=Review(state="sure"))
    assert stated == a_grant("1", "市長", "市長", "T")
    assert facts_module._lines((stated,)) == facts_module._lines(
        (a_grant("1", "市長", "市長", "T"),)
    )
    stated_consent = a_procedure("P", consent=Consent(state="unknown"))
    assert facts_module._lines((stated_consent,)) == facts_module._lines((a_procedure("P"),))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("grants.json", b"[{", "facts-malformed"),
        ("grants.json", b'[{"id":"x"}]', "facts-malformed"),
        ("terms.json", b'[{"id":"a","ja":"b","unknown":"c"}]', "facts-malformed"),
        ("terms.json", b'[{"id":"b","ja":"b"},{"id":"a","ja":"a"}]', "unsorted-facts"),
        (
            "manifest.json",
            b'{"format":2,"version":"v","data_from":"2024-05-27"}',
            "unknown-format",
        ),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    save_facts(some_facts(), tmp_path)
    (tmp_path / name).write_bytes(content)

    with pytest.raises(FactsError) as caught:
        load_facts(tmp_path)
    assert caught.value.reason == reason


def test_a_missing_and_a_huge_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FactsError) as caught:
        load_facts(tmp_path)
    assert caught.value.reason == "facts-missing"
    save_facts(some_facts(), tmp_path)
    monkeypatch.setattr(facts_module, "FILE_BYTES_MAX", 100)
    with pytest.raises(FactsError) as caught:
        load_facts(tmp_path)
    assert caught.value.reason == "facts-too-large"


def test_facts_that_contradict_themselves_are_refused() -> None:
    grants = some_facts().grants
    assert reason_of(some_facts(grants=(*grants, grants[0]))) == "duplicate-fact"
    nobody = a_grant("1", "nobody", "市長", "T-family")
    assert reason_of(some_facts(grants=(nobody,))) == "dangling-reference"
    nothing = a_grant("1", "市長", "市長", "T-nothing")
    assert reason_of(some_facts(grants=(nothing,))) == "dangling-reference"
    backwards = a_grant("1", "市長", "市長", "T-family", DAY, to=FIRST)
    assert reason_of(some_facts(grants=(backwards,))) == "interval-reversed"
    orphan = an_organ("x", "named", base=ClassId("C-none"))
    assert reason_of(some_facts(classes=(orphan,))) == "dangling-reference"
    phrase = Phrase(ja="x", term=TermId("T-none"))
    assert reason_of(some_facts(phrases=(phrase,))) == "dangling-reference"


def test_a_scope_needs_its_procedure_and_unless_unsure_its_term() -> None:
    fee = a_scope("P-fee", "ニ", "x", "T-family")
    lost = replace(fee, procedure=ProcedureId("none"))
    assert reason_of(some_facts(scopes=(lost,))) == "dangling-reference"
    bare = replace(fee, term=None)
    assert reason_of(some_facts(scopes=(bare,))) == "scope-without-term"
    nowhere = replace(fee, term=TermId("T-none"))
    assert reason_of(some_facts(scopes=(nowhere,))) == "dangling-reference"


def test_a_limit_names_known_classes_and_deleted_rows_have_their_own_key() -> None:
    limited = a_procedure("P", inquirer_limit=refs("none"))
    assert reason_of(some_facts(procedures=(limited,), scopes=())) == "dangling-reference"
    twice = (DeletedRow(row_no="1", from_=FIRST), DeletedRow(row_no="1", from_=DAY))
    assert reason_of(some_facts(deleted_rows=twice)) == "duplicate-fact"
    assert reason_of(
        some_facts(terms=(*some_facts().terms, Term(id=TermId("T-family"), ja="")))
    ) == ("duplicate-fact")


def test_the_shipped_facts_load() -> None:
    shipped = load_shipped()

    assert shipped.data_from == date(2024, 5, 27)
    assert shipped.data_until is None
