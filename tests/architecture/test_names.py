"""Names that others rely on: problems, metrics, fields of log lines."""

import ast
import re

from gateway.logs import ALLOWED_FIELDS
from gateway.wire.problems import PROBLEM_TYPES
from tests.tools.reference import all_errors, all_metrics, kind_of, labels_of, name_of
from tests.tools.tree import dotted, modules

_SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "exception", "log"})
_EVENT = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Hands on a problem's slug and its message for operators, where there is a problem.
_BUNDLED = frozenset({"gateway/http/edge.py"})
_UNITS = ("seconds", "entries", "items", "rows", "bytes", "version", "connections")
_COUNTED = (
    *("conflicts", "ready", "wanted", "open", "frozen", "broken", "unconfirmed", "locked"),
    "overdue",
)
# What a label may tell: words of this program or names of the directory, never of a person.
_LABELS = frozenset(
    {
        *("listener", "method", "route", "status", "problem", "reason", "level", "outcome"),
        *("kind", "peer", "what", "operation"),
    }
)
# Answered for whole list items or made at the edge, without an error class of their own.
_WITHOUT_A_CLASS = frozenset[str]()
# What structlog reads itself.
_OF_STRUCTLOG = frozenset({"exc_info", "event"})


def _log_calls() -> list[tuple[str, ast.Call]]:
    return [
        (f"{path}:{node.lineno}", node)
        for path, tree in modules("gateway")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _LEVELS
        and dotted(node.func.value) in {"log", "_log", "self._log"}
    ]


def _fields(place: str, call: ast.Call) -> set[str]:
    named = {word.arg for word in call.keywords}
    if place.partition(":")[0] in _BUNDLED:
        named.discard(None)
    return {str(name) for name in named}


def _words(said: ast.expr) -> list[str]:
    """Return the constants an event is one of; a text made while running is no word."""
    if isinstance(said, ast.IfExp):
        return [*_words(said.body), *_words(said.orelse)]
    return [str(said.value)] if isinstance(said, ast.Constant) else [""]


def test_problem_slugs_are_slugs_and_belong_to_an_error() -> None:
    raised = {error.problem for error in all_errors()}

    assert [slug for slug in PROBLEM_TYPES if not _SLUG.fullmatch(slug)] == []
    assert raised - PROBLEM_TYPES.keys() == set()
    assert PROBLEM_TYPES.keys() - raised == _WITHOUT_A_CLASS


def test_every_error_says_when_it_is_raised() -> None:
    assert [error.__qualname__ for error in all_errors() if not (error.__doc__ or "").strip()] == []


def test_metrics_have_the_prefix_base_units_and_a_sentence() -> None:
    for metric in all_metrics():
        name = name_of(metric)

        assert re.fullmatch(r"sekisho(_[a-z]+)+", name), name
        assert str(vars(metric)["_documentation"]).endswith("."), name
        if kind_of(metric) != "counter":
            assert name.rpartition("_")[2] in (*_UNITS, *_COUNTED), name


def test_no_label_can_tell_a_person() -> None:
    told = {name_of(metric): set(labels_of(metric)) - _LABELS for metric in all_metrics()}

    assert {name: labels for name, labels in told.items() if labels} == {}


def test_log_lines_are_found() -> None:
    assert len(_log_calls()) > 20


def test_log_lines_tell_only_reviewed_fields() -> None:
    unknown = {
        place: sorted(fields)
        for place, call in _log_calls()
        if (fields := _fields(place, call) - ALLOWED_FIELDS - _OF_STRUCTLOG)
    }

    assert unknown == {}


def test_log_events_are_constant_facts() -> None:
    odd = []
    for place, call in _log_calls():
        said = call.args[1 if getattr(call.func, "attr", "") == "log" else 0 :]
        if len(said) != 1 or not all(map(_EVENT.fullmatch, _words(said[0]))):
            odd.append(place)

    assert odd == []
