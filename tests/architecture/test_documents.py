"""Documents say nothing that is not there: links lead somewhere, named files and tests exist."""

import ast
import re
from pathlib import Path

import pytest

from tests.tools.tree import ROOT, parsed, tracked_files

_DOCUMENTS = [path for path in tracked_files() if path.suffix == ".md"]
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)
_TEST = re.compile(r"`(?P<file>[a-z0-9_/]+\.py)::(?P<name>test_[a-z0-9_]+)`")
_FILE = re.compile(r"`(?P<path>(?:certs|codes|config|docs|gateway|policies|tests)/[\w./-]*)`")
_COMMAND = re.compile(r"(?:`|\$ )sekisho (?P<words>[a-z][a-z-]*(?: [a-z][a-z-]*)?)")
_CODE = re.compile(r"```.*?```", re.DOTALL)
_ROW = re.compile(r"^\| (?P<cells>.*) \|$", re.MULTILINE)
_THREAT_COLUMNS = 3
CRASH_POINTS, BESIDE = 12, 11
"""Rows of PROTOCOL §7, and those of the list below it."""
_REQUIRED = (
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "THREAT_MODEL.md"),
    *("docs/glossary.md", "docs/divergences.md", "LICENSE", "Dockerfile"),
    *("docs/operations/install.md", "docs/operations/backup.md", "docs/operations/rotation.md"),
    "docs/operations/alerts.md",
)


def _text(path: Path | str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def _tests_of(file: str) -> set[str]:
    return {
        node.name
        for node in ast.walk(parsed(Path("tests") / file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("name", _REQUIRED)
def test_what_a_newcomer_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("document", _DOCUMENTS, ids=str)
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = {match["target"] for match in _LINK.finditer(_CODE.sub("", _text(document)))}
    # The reference of commands has a table of contents of its own making.
    ours = {to for to in targets if not to.startswith("http") and document.name != "cli.md"}

    assert sorted(target for target in ours if not _leads(document, target)) == []


def _leads(document: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    to = (ROOT / document).parent / name if name else ROOT / document
    if not anchor or not to.exists():
        return to.exists()
    headings = _HEADING.finditer(to.read_text(encoding="utf-8"))
    return anchor in {_anchor(found["text"]) for found in headings}


@pytest.mark.parametrize("document", _DOCUMENTS, ids=str)
def test_every_named_file_is_there(document: Path) -> None:
    named = {match["path"] for match in _FILE.finditer(_CODE.sub("", _text(document)))}

    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_command_that_is_named_exists() -> None:
    known = set(
        re.findall(r"^#{2,3} sekisho ([a-z -]+)$", _text("docs/reference/cli.md"), re.MULTILINE)
    )
    named = {
        (str(document), match["words"])
        for document in _DOCUMENTS
        if document.name != "cli.md"
        for match in _COMMAND.finditer(_text(document))
    }
    missing = {
        (document, words)
        for document, words in named
        # The second word may be an argument of a command without sub-commands.
        if words not in known
        and (
            words.split()[0] not in known
            or any(one.startswith(f"{words.split()[0]} ") for one in known)
        )
    }

    assert named
    assert missing == set()


@pytest.mark.parametrize(
    ("document", "count"), [("THREAT_MODEL.md", 50), ("docs/crash-points.md", 30)]
)
def test_every_test_that_is_named_exists(document: str, count: int) -> None:
    named = [(match["file"], match["name"]) for match in _TEST.finditer(_text(document))]

    assert len(named) > count
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / "tests" / file).is_file() or name not in _tests_of(file)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("document", "heads", "count"),
    [
        ("THREAT_MODEL.md", ("| threat | control | tests |",), 40),
        (
            "docs/crash-points.md",
            ("| dies after | and then | arranged in |", "| what | and then | arranged in |"),
            CRASH_POINTS + BESIDE,
        ),
    ],
)
def test_every_row_has_a_named_test(document: str, heads: tuple[str, ...], count: int) -> None:
    rows = [
        match["cells"]
        for section in _text(document).split("\n## ")[1:]
        if any(head in section for head in heads)
        for match in list(_ROW.finditer(section))[2:]
    ]
    cells = [row.split(" | ") for row in rows]
    without = [row for row in cells if len(row) != _THREAT_COLUMNS or not _TEST.search(row[2])]

    assert len(rows) >= count
    assert without == []


def test_decisions_are_numbered_one_by_one() -> None:
    numbers = sorted(path.name.partition("-")[0] for path in (ROOT / "docs/adr").glob("*.md"))

    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_the_first_screen_of_the_readme_has_the_two_commands() -> None:
    screen = "\n".join(_text("README.md").splitlines()[:24])

    assert "make demo" in screen
    assert "make test" in screen
