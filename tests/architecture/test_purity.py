"""The pure parts take clock, randomness and the outer world as arguments, never by themselves."""

import ast
import sys
from pathlib import Path

from tests.tools.tree import PACKAGES, dotted, modules

_PURE = ("codes", "policies", "gateway/domain", "gateway/records")
_FORBIDDEN_MODULES = frozenset(
    {
        *("asyncio", "os", "random", "secrets", "socket", "ssl", "subprocess", "threading", "time"),
        *("uuid", "tempfile", "shutil", "multiprocessing", "urllib", "http"),
    }
)
_FORBIDDEN_CALLS = frozenset(
    {
        *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
        *("datetime.datetime.now", "datetime.date.today", "open", "input", "print"),
    }
)
# What the packages bring along as data, and law texts that a person names.
_READS_FILES = ("codes/tables.py", "policies/release.py", "policies/facts.py", "policies/importer")
# Whoever runs a command, a demo or another program stands outside the service.
_OUTSIDE = ("gateway/cli", "gateway/demo", "gateway/bench", "gateway/client")


# A program of its own that only lies there; it imports nothing of ours, and nobody imports it.
_PROGRAM = Path("gateway/records/standalone_verifier.py")


def _pure() -> list[tuple[Path, ast.Module]]:
    return [(path, tree) for path, tree in modules(*_PURE) if path != _PROGRAM]


def _imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_there_are_pure_parts() -> None:
    assert len(_pure()) > 30


def test_no_pure_part_imports_what_acts() -> None:
    found = {
        str(path): used
        for path, tree in _pure()
        if (used := {name for name in _imported(tree) if name.split(".")[0] in _FORBIDDEN_MODULES})
    }

    assert found == {}


def test_no_pure_part_asks_the_clock_or_draws_lots() -> None:
    found = [
        f"{path}:{node.lineno} {dotted(node.func)}"
        for path, tree in _pure()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and dotted(node.func) in _FORBIDDEN_CALLS
    ]

    assert found == []


def test_no_pure_part_is_asynchronous() -> None:
    waits = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    found = [
        f"{path}:{getattr(node, 'lineno', 0)}"
        for path, tree in _pure()
        for node in ast.walk(tree)
        if isinstance(node, waits)
    ]

    assert found == []


def test_only_tables_and_law_touch_files() -> None:
    reads = {"read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir"}
    found = {
        str(path)
        for path, tree in _pure()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in reads
        and not str(path).startswith(_READS_FILES)
    }

    assert found == set()


def test_the_one_file_verifier_needs_nothing_but_cryptography() -> None:
    ((_, tree),) = [found for found in modules("gateway/records") if found[0] == _PROGRAM]
    roots = {name.split(".")[0] for name in _imported(tree)}

    assert roots - sys.stdlib_module_names == {"cryptography"}


def test_nobody_imports_the_one_file_verifier() -> None:
    imported = {name for _, tree in modules(*PACKAGES) for name in _imported(tree)}

    assert not {name for name in imported if name.endswith(_PROGRAM.stem)}


def test_only_the_clock_asks_what_time_it_is() -> None:
    """Everybody else is told, so that a test can move the time."""
    asks = {"datetime.now", "time.time", "datetime.utcnow", "date.today"}
    found = {
        str(path)
        for path, tree in modules("gateway", "certs")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and dotted(node.func) in asks
    }

    assert {path for path in found if not path.startswith(_OUTSIDE)} == {"gateway/clock.py"}
