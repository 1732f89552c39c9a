"""Lists answered item by item: one refused item never fails its message (PROTOCOL §3)."""

import msgspec

from gateway import metrics
from gateway.errors import SekishoError
from gateway.http.problems import problem_members
from gateway.wire.problems import Problem


def item_problem(error: SekishoError, *, listener: str) -> Problem:
    """Return the problem document that stands in the place of one item's answer."""
    metrics.HTTP_PROBLEMS.labels(listener=listener, problem=error.problem).inc()
    return msgspec.convert(problem_members(error), Problem)
