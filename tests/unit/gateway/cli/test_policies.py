"""`sekisho policies`: what it prints and how it ends."""

import io
import json
from pathlib import Path

import pytest

from gateway.cli.main import call
from gateway.cli.output import ExitCode
from gateway.cli.policies import app
from policies.facts import save_facts
from tests.unit.policies.builders import some_facts

ASKED = {
    "on_date": "2026-07-01",
    "inquirer_class": "広域連合",
    "provider_class": "市長",
    "article": "第117条第6号ロ",
    "information": "地方税関係情報",
}


@pytest.fixture
def facts(tmp_path: Path) -> str:
    save_facts(some_facts(), tmp_path / "facts")
    return str(tmp_path / "facts")


def arguments(**changed: str) -> list[str]:
    asked = ASKED | changed
    named = (("--" + name.replace("_", "-"), part) for name, part in asked.items() if part)
    return ["explain", *(word for pair in named for word in pair)]


def test_a_permit_ends_with_done_and_a_refusal_with_refused(
    facts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(app, [*arguments(), "--facts", facts, "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["reason"] == "narrowed"

    refused = arguments(information="道府県民税に関する情報")
    assert call(app, [*refused, "--facts", facts]) == ExitCode.REFUSED
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "refuse: information-not-in-procedure"
    assert "nearest  115の項 第117条第6号ロ  地方税関係情報  市町村民税に関する情報" in printed


def test_a_malformed_question_is_a_usage_error(
    facts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for changed in ({"article": ""}, {"on_date": "today"}, {"article": "第条"}):
        assert call(app, [*arguments(**changed), "--facts", facts]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("sekisho: ")
    assert call(app, ["explain", "--nonsense", "1"]) == ExitCode.USAGE


def test_a_batch_answers_line_by_line_in_order(
    facts: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [json.dumps(ASKED), "nonsense", json.dumps(ASKED | {"information": "x"})]
    raw = "\n".join(lines).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))

    assert call(app, ["explain", "--batch", "-", "--facts", facts]) == ExitCode.DONE
    from_stdin = capsys.readouterr().out
    (tmp_path / "questions.jsonl").write_bytes(raw)
    batch = str(tmp_path / "questions.jsonl")
    assert call(app, ["explain", "--batch", batch, "--facts", facts]) == ExitCode.DONE

    assert capsys.readouterr().out == from_stdin
    reasons = [json.loads(line)["reason"] for line in from_stdin.splitlines()]
    assert reasons == ["narrowed", "malformed-question", "information-not-in-row"]


def test_a_batch_takes_no_question_beside_it(facts: str) -> None:
    assert call(app, [*arguments(), "--batch", "-", "--facts", facts]) == ExitCode.USAGE


def test_bodies_are_read_from_a_file(
    facts: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = {"from": "2024-05-27", "class_id": "C-市長", "fact": "f"}
    body = {"body_code": "B1", "organisation": "o", "name": "n", "classes": [stated]}
    path = tmp_path / "bodies.json"
    path.write_text(json.dumps([body]))
    asked = [*arguments(provider_class="", provider_body="B1"), "--facts", facts, "--json"]

    assert call(app, [*asked, "--bodies", str(path)]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["decision"] == "permit"
    path.write_text("[{}]")
    assert call(app, [*asked, "--bodies", str(path)]) == ExitCode.USAGE


def test_facts_that_cannot_be_read_are_a_usage_error(tmp_path: Path) -> None:
    assert call(app, [*arguments(), "--facts", str(tmp_path)]) == ExitCode.USAGE


def test_two_days_are_compared(facts: str, capsys: pytest.CaptureFixture[str]) -> None:
    days = ["diff", "2026-06-13", "2026-06-14", "--facts", facts]

    assert call(app, [*days, "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["from"] == "2026-06-13"
    assert call(app, days) == ExitCode.DONE
    printed = capsys.readouterr().out
    assert "115の項 第117条第6号" in printed
    assert "permitted (" in printed


def test_a_procedure_is_shown_as_of_a_day(facts: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = ["show", "P-fee", "--on-date", "2026-07-01", "--facts", facts]

    assert call(app, [*shown, "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["citation"]["text"] == "115の項 第117条第6号"
    assert found["is_in_force"] == 1
    assert "市町村民税に関する情報" in [scope["scope"] for scope in found["scopes"]]
    assert len(found["grants"]) == 3
    assert call(app, shown) == ExitCode.DONE
    assert call(app, ["show", "P-none", "--on-date", "2026-07-01", "--facts", facts]) == (
        ExitCode.USAGE
    )


def test_lint_lists_doubts_and_fails_on_contradictions(
    facts: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(app, ["lint", "--facts", facts, "--json"]) == ExitCode.DONE
    kinds = {found["kind"] for found in json.loads(capsys.readouterr().out)["doubts"]}
    assert "open-class-without-member" in kinds
    assert call(app, ["lint", "--facts", facts]) == ExitCode.DONE
    rules = tmp_path / "rules.toml"
    rules.write_text("format = 2")
    assert call(app, ["lint", "--facts", facts, "--rules", str(rules)]) == ExitCode.USAGE
    rules.write_bytes(b"\xff")
    assert call(app, ["lint", "--facts", facts, "--rules", str(rules)]) == ExitCode.USAGE


def test_the_shipped_facts_answer_without_naming_a_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        call(app, [*arguments(inquirer_class="後期高齢者医療広域連合"), "--json"]) == ExitCode.DONE
    )
    assert json.loads(capsys.readouterr().out)["decision"] == "permit"


def test_an_import_without_its_texts_is_a_usage_error(tmp_path: Path) -> None:
    asked = ["import", str(tmp_path / "none"), str(tmp_path / "facts")]

    assert call(app, asked) == ExitCode.USAGE
