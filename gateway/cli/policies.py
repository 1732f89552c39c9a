"""`sekisho policies`: ask the law's table, compare days, import amendments; works on files only."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from codes.errors import CodesError
from gateway.cli.output import ExitCode, out, print_fields, print_json, print_one, print_rows
from gateway.errors import ConfigurationError, InvalidRequestError
from policies.allow_list import AllowList
from policies.explain import QuestionError, citation_json, diff, explain, explain_lines
from policies.facts import Facts, FactsError, load_facts, load_shipped
from policies.importer.review import ReviewError
from policies.importer.run import run as import_texts
from policies.importer.source import SourceError
from policies.lint import lint_facts, lint_rules
from policies.model import Body, Procedure
from policies.places import citation_on
from policies.release import ReleaseRules, RulesError, shipped_rules

STDIN: Final = "-"


Json = Annotated[bool, Parameter(name="--json", negative="")]
FactsFolder = Annotated[Path | None, Parameter(name="--facts")]

app = App(name="policies", help="The law's table as data: ask it, compare days, import it.")


@app.command(name="explain")
def explain_command(  # a question has this many parts
    *,
    on_date: str | None = None,
    inquirer_class: str | None = None,
    inquirer_body: str | None = None,
    provider_class: str | None = None,
    provider_body: str | None = None,
    row: str | None = None,
    article: str | None = None,
    paragraph: str | None = None,
    item: str | None = None,
    sub_item: str | None = None,
    procedure: str | None = None,
    information: str | None = None,
    subject_role: str | None = None,
    batch: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    facts: FactsFolder = None,
    bodies: Path | None = None,
    json: Json = False,
) -> int:
    """Say whether the table permits a question, why, and what comes nearest.

    Args:
        on_date: The day (YYYY-MM-DD, Asia/Tokyo) whose law is asked.
        inquirer_class: Who asks, in the law's own words (市町村長).
        inquirer_body: Who asks, by body code (needs --bodies).
        provider_class: Who would answer, in the law's own words.
        provider_body: Who would answer, by body code (needs --bodies).
        row: The row (項) of the table.
        article: The article (117), or a whole citation (第117条第6号ロ).
        paragraph: The paragraph (項) of the article.
        item: The item (号).
        sub_item: The sub-item (イ, ロ …).
        procedure: The procedure id, instead of a citation.
        information: The information: its name or its code.
        subject_role: Whose information it is (person, household …).
        batch: A file of questions as JSON Lines, or `-`; answers come as JSON Lines, in order.
        facts: A folder of facts; else those that come with the program.
        bodies: A JSON file with a list of bodies and their dated classes.
        json: Print one JSON document.
    """
    question = {
        "on_date": on_date,
        "inquirer_class": inquirer_class,
        "inquirer_body": inquirer_body,
        "provider_class": provider_class,
        "provider_body": provider_body,
        "row": row,
        "article": article,
        "paragraph": paragraph,
        "item": item,
        "sub_item": sub_item,
        "procedure": procedure,
        "information": information,
        "subject_role": subject_role,
    }
    named = {name: part for name, part in question.items() if part is not None}
    if batch is None:
        return _explain_one(_allow_list(facts), named, _bodies(bodies), json=json)
    return _explain_batch(_allow_list(facts), named, _bodies(bodies), batch=batch)


@app.command(name="diff")
def diff_command(day_a: date, day_b: date, *, facts: FactsFolder = None, json: Json = False) -> int:
    """Say what the law of the second day permits that the first day's did not, and the reverse.

    Args:
        day_a: The earlier day (YYYY-MM-DD).
        day_b: The later day.
        facts: A folder of facts; else those that come with the program.
        json: Print one JSON document.
    """
    found = diff(_allow_list(facts), day_a, day_b)
    if json:
        print_json(found)
        return ExitCode.DONE
    columns = ("citation", "inquirers", "providers", "information", "scope")
    for name in ("permitted", "withdrawn"):
        print_rows(_rows(found, name), columns=columns, title=f"{name} ({len(_rows(found, name))})")
    print_rows(_rows(found, "moved"), columns=("procedure", "from", "to"), title="moved")
    for name in ("begun", "ended"):
        print_rows(_rows(found, name), columns=("procedure", "citation"), title=name)
    print_fields({"rows_deleted": found["rows_deleted"]})
    return ExitCode.DONE


@app.command(name="import")
def import_command(
    source: Path, target: Path, *, review: Path | None = None, json: Json = False
) -> int:
    """Build a folder of facts from the law's texts, and list what could not be resolved.

    Args:
        source: The folder with the texts (allowlist_row_dates.csv and its companions).
        target: The folder the facts are written to.
        review: The folder of reviewed tables; else those that come with the program.
        json: Print one JSON document.
    """
    with _told():
        report = import_texts(source, target, review_dir=review)
    unresolved = [msgspec.to_builtins(found) for found in report.unresolved]
    if json:
        print_json({"facts": report.facts, "findings": report.counts(), "unresolved": unresolved})
        return ExitCode.DONE
    print_fields(report.facts)
    print_fields(report.counts())
    title = f"refused until reviewed ({len(unresolved)})"
    print_rows(unresolved, columns=("kind", "place", "detail"), title=title)
    return ExitCode.DONE


@app.command
def show(procedure: str, *, on_date: date, facts: FactsFolder = None, json: Json = False) -> int:
    """Show a procedure as of a day: where it stands, who asks whom for what.

    Args:
        procedure: The procedure id.
        on_date: The day (YYYY-MM-DD).
        facts: A folder of facts; else those that come with the program.
        json: Print one JSON document.
    """
    law = _allow_list(facts)
    found = next((one for key, one in law.procedures.items() if key == procedure), None)
    if found is None:
        raise InvalidRequestError("no such procedure")
    shown = _shown(law, found, on_date)
    print_one(shown, as_json=json)
    return ExitCode.DONE


@app.command
def lint(*, facts: FactsFolder = None, rules: Path | None = None, json: Json = False) -> int:
    """Check facts and release rules: contradictions fail, doubts are listed.

    Args:
        facts: A folder of facts; else those that come with the program.
        rules: A file of release rules; else those that come with the program.
        json: Print one JSON document.
    """
    with _told():
        chosen = _facts(facts)
        read = shipped_rules() if rules is None else ReleaseRules.parse(_text(rules))
    doubts = [*lint_facts(chosen), *lint_rules(read)]
    if json:
        print_json({"doubts": doubts})
    else:
        print_rows(doubts, columns=("kind", "what"), title=f"{len(doubts)} doubts")
    return ExitCode.DONE


@contextmanager
def _told() -> Iterator[None]:
    """Turn the refusals of the pure packages into errors that end with the right exit code."""
    try:
        yield
    except QuestionError as error:
        raise InvalidRequestError(str(error)) from error
    except (FactsError, ReviewError, RulesError, SourceError, CodesError) as error:
        raise ConfigurationError(str(error)) from error


def _allow_list(folder: Path | None) -> AllowList:
    with _told():
        return AllowList.build(_facts(folder), version=0)


def _facts(folder: Path | None) -> Facts:
    return load_shipped() if folder is None else load_facts(folder)


def _bodies(path: Path | None) -> dict[str, Body]:
    if path is None:
        return {}
    try:
        found = msgspec.json.decode(path.read_bytes(), type=tuple[Body, ...])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"bodies: {error}") from error
    return {body.body_code: body for body in found}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path.name} is not UTF-8") from error


def _explain_one(
    law: AllowList, question: Mapping[str, object], bodies: dict[str, Body], *, json: bool
) -> int:
    with _told():
        answer = explain(law, question, bodies=bodies)
    if json:
        print_json(answer)
    else:
        _print_answer(answer)
    return ExitCode.DONE if answer["decision"] == "permit" else ExitCode.REFUSED


def _explain_batch(
    law: AllowList, named: Mapping[str, object], bodies: dict[str, Body], *, batch: str
) -> int:
    if named:
        raise InvalidRequestError("a batch holds its questions itself")
    if batch == STDIN:
        _write_lines(explain_lines(law, sys.stdin.buffer, bodies=bodies))
        return ExitCode.DONE
    with Path(batch).open("rb") as lines:
        _write_lines(explain_lines(law, lines, bodies=bodies))
    return ExitCode.DONE


def _write_lines(answers: Iterator[bytes]) -> None:
    for answer in answers:
        sys.stdout.write(answer.decode() + "\n")
        # Whoever asks line by line reads line by line.
        sys.stdout.flush()


def _print_answer(answer: dict[str, object]) -> None:
    out.print(f"{answer['decision']}: {answer['reason']}", markup=False)
    for found in _rows(answer, "basis"):
        out.print(f"  basis    {found.get('text', '')}", markup=False)
    for found in _rows(answer, "nearest"):
        words = (found["citation"], found["information"], found.get("scope"), found.get("note"))
        cited, *rest = words
        text = cited.get("text", "") if isinstance(cited, dict) else ""
        near = "  ".join(str(word) for word in (text, *rest) if word)
        out.print(f"  nearest  {near}", markup=False)


def _rows(answer: dict[str, object], name: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = msgspec.convert(answer[name], type=list[dict[str, object]])
    return found


def _shown(law: AllowList, procedure: Procedure, day: date) -> dict[str, object]:
    citation = citation_on(procedure, day)
    return {
        "procedure": procedure.id,
        "label": procedure.label,
        "citation": citation_json(law, citation),
        "is_in_force": int(procedure.holds_on(day)),
        "consent": procedure.consent.state,
        "grants": [
            {
                "inquirers": [law.classes.name(ref.key) for ref in grant.inquirers],
                "providers": [law.classes.name(ref.key) for ref in grant.providers],
                "information": [law.terms[term].ja for term in grant.terms],
            }
            for grant in law.grants_of.get(citation.row_no or "", ())
            if grant.holds_on(day)
        ],
        "scopes": [
            {
                "scope": scope.ja,
                "information": law.terms[scope.term].ja if scope.term else "",
                "subject_roles": list(scope.subject_roles),
                "review": scope.review.state,
            }
            for scope in law.scopes_of.get(procedure.id, ())
            if scope.holds_on(day)
        ],
    }
