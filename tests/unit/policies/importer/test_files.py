"""Reading sources and reviewed tables from files, and writing facts."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest

from policies.facts import load_facts
from policies.importer import ReviewError, SourceError, run
from policies.importer import review as review_module
from policies.importer import source as source_module
from policies.importer.review import load_reviewed
from policies.importer.source import read_source

SHIPPED = Path(review_module.__file__).parents[1] / "law" / "review"
ROW = {
    "row_no": "117",
    "inquirer": "市町村長",
    "affair": "",
    "provider": "内閣総理大臣",
    "information": "公的給付支給等口座登録簿関係情報であって第百十九条で定めるもの",
    "valid_from": "2024-05-27",
    "valid_to": "",
    "first_seen_version": "2024-05-27-0",
}
LINE = {
    "article": "119",
    "paragraph": "1",
    "row_no": "117",
    "item_no": "",
    "sub_item": "",
    "text": "第二条の表百十七の項で定める事務は、還付に関する事務とし、同項で定める情報は、"
    "当該還付を受ける者に係る公的給付支給等口座登録簿関係情報とする。",
    "parent_item_text": "",
    "valid_from": "2024-05-27",
    "valid_to": "",
    "first_seen_version": "2024-05-27-0",
    "line": "1",
}
WHOLE = {
    "source_table": "order19-8_art2@2024-05-27",
    **{name: ROW[name] for name in ("row_no", "inquirer", "affair", "provider", "information")},
}
SPLIT = {
    "article": "119",
    "item_no": "",
    "sub_item": "",
    "affair": "還付に関する事務",
    "information": "",
    "split_method": "single",
}


def write(path: Path, *lines: Mapping[str, str]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / source_module.ROW_DATES, ROW)
    write(tmp_path / source_module.PROCEDURE_DATES, LINE)
    write(tmp_path / source_module.ROWS, WHOLE)
    write(tmp_path / source_module.PROCEDURES, SPLIT)
    return tmp_path


def test_a_folder_of_texts_becomes_a_folder_of_facts(folder: Path, tmp_path: Path) -> None:
    report = run(folder, tmp_path / "facts")

    facts = load_facts(tmp_path / "facts")
    assert report.findings == ()
    assert report.facts["procedures"] == 1
    assert facts.scopes[0].ja == "公的給付支給等口座登録簿関係情報"


def test_the_same_texts_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "one")
    run(folder, tmp_path / "other")

    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def reason_of(folder: Path) -> str:
    with pytest.raises(SourceError) as caught:
        read_source(folder)
    return caught.value.reason


def test_a_missing_source_is_refused(folder: Path) -> None:
    (folder / source_module.ROWS).unlink()

    assert reason_of(folder) == "source-missing"


def test_an_oversized_source_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "FILE_BYTES_MAX", 10)

    assert reason_of(folder) == "source-too-large"


def test_too_many_lines_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "LINES_MAX", 0)

    assert reason_of(folder) == "source-too-large"


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / source_module.ROW_DATES).write_bytes(b"row_no\n\xff\n")

    assert reason_of(folder) == "source-malformed"


@pytest.mark.parametrize(
    "changed",
    [
        "row_no\n1\n",
        "row_no,inquirer\n1\n",
        "row_no\n1,2\n",
    ],
)
def test_a_line_of_another_shape_is_refused(folder: Path, changed: str) -> None:
    (folder / source_module.ROW_DATES).write_text(changed, encoding="utf-8")

    assert reason_of(folder) == "source-malformed"


def test_a_day_that_is_none_is_refused(folder: Path) -> None:
    write(folder / source_module.ROW_DATES, ROW | {"valid_from": "令和八年"})

    assert reason_of(folder) == "source-malformed"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "review"
    folder.mkdir()
    for path in SHIPPED.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def table_reason(folder: Path) -> str:
    with pytest.raises(ReviewError) as caught:
        load_reviewed(folder)
    return caught.value.reason


def test_the_shipped_tables_hold_together(tables: Path) -> None:
    assert load_reviewed(tables).phrases == load_reviewed().phrases


def test_a_missing_table_is_refused(tables: Path) -> None:
    (tables / "terms.toml").unlink()

    assert table_reason(tables) == "review-missing"


@pytest.mark.parametrize("text", ["nonsense = = 1", 'unknown = "key"', "term = 1"])
def test_a_table_of_another_shape_is_refused(tables: Path, text: str) -> None:
    (tables / "terms.toml").write_text(text, encoding="utf-8")

    assert table_reason(tables) == "review-malformed"


def test_an_oversized_table_is_refused(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_module, "FILE_BYTES_MAX", 10)

    assert table_reason(tables) == "review-too-large"


@pytest.mark.parametrize(
    ("name", "addition", "reason"),
    [
        ("phrases.toml", '[[phrase]]\nja = "某情報"\nterms = ["nobody"]\n', "unknown-term"),
        ("classes.toml", '[[cell]]\ntext = "某"\nclasses = ["nobody"]\n', "unknown-class"),
        ("phrases.toml", '[[compound]]\nja = "某"\nparts = ["知らない"]\n', "unknown-phrase"),
    ],
)
def test_a_key_that_leads_nowhere_is_refused(
    tables: Path, name: str, addition: str, reason: str
) -> None:
    with (tables / name).open("a", encoding="utf-8") as stream:
        stream.write("\n" + addition)

    assert table_reason(tables) == reason
