"""The tree as the architecture tests see it: what is tracked, and its Python parsed once."""

import ast
import gc
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("certs", "codes", "gateway", "policies")
_AUTHORED: Final = (*PACKAGES, "tests")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file of the tree that git knows or would take, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = (Path(name.decode()) for name in listed.stdout.split(b"\0") if name)
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


def python_files(*folders: str) -> list[Path]:
    """Return the Python files below these folders, by default of packages and tests."""
    wanted = folders or _AUTHORED
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and any(path.is_relative_to(folder) for folder in wanted)
    ]


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of one file."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Give every Python file below these folders with its syntax tree."""
    paths = python_files(*folders)
    with _uncollected():
        trees = [parsed(path) for path in paths]
    yield from zip(paths, trees, strict=True)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the collector from half a million nodes: now it would take most of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def module_name(path: Path) -> str:
    """Return the dotted name under which a file is imported."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for such an expression, else an empty text."""
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return node.id if isinstance(node, ast.Name) else ""
