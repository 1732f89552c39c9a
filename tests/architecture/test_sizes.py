"""Sizes: a module holds one idea, a function fits a screen (docs: CONTRIBUTING.md)."""

import ast

from tests.tools.tree import ROOT, modules, python_files

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def test_no_module_is_over_400_lines() -> None:
    lengths = {
        str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines())
        for path in python_files()
    }

    assert {path: n for path, n in lengths.items() if n > MODULE_LINES_MAX} == {}


def test_no_function_is_over_60_lines() -> None:
    too_long = {
        f"{path}:{node.name}": length
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }

    assert too_long == {}
