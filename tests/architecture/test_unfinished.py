"""Nothing is left unfinished or switched off: what is there works, what is not is not there."""

import re

from tests.tools.tree import ROOT, python_files, tracked_files

_MARKS = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
_STUBS = re.compile(r"\bNotImplementedError\b")
_SWITCHED_OFF = re.compile(
    r"\bmark\.(?:skip|skipif|xfail)\b|\bpytest\.(?:skip|xfail|importorskip)\b|\bunittest\.mock\b"
)
_TEXT = frozenset({".py", ".sql", ".md", ".toml", ".yml", ".yaml", ""})
# Only root can drop to another account, so three tests of that wait for root.
_EXCUSED = ("tests/integration/storage/test_embedded.py",)
_HERE = "tests/architecture/test_unfinished.py"


def _found(pattern: re.Pattern[str], *, python_only: bool) -> list[str]:
    paths = python_files() if python_only else tracked_files()
    return [
        f"{path}:{number}: {line.strip()}"
        for path in paths
        if path.suffix in _TEXT and str(path) != _HERE
        for number, line in enumerate((ROOT / path).read_text("utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later() -> None:
    # Documents may name the marks: they say that there are none.
    assert [row for row in _found(_MARKS, python_only=True) if ".md:" not in row] == []


def test_nothing_is_a_stub() -> None:
    assert _found(_STUBS, python_only=True) == []


def test_no_test_is_switched_off_and_none_mocks() -> None:
    found = [row.partition(":")[0] for row in _found(_SWITCHED_OFF, python_only=True)]

    assert found == list(_EXCUSED)
