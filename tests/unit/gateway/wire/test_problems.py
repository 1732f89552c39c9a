import inspect
import re

import msgspec
import pytest

import gateway.errors
from gateway.errors import InvalidBodyError, QueueFullError, RefusedError, SekishoError
from gateway.http.problems import problem_members, problem_response, problem_type
from gateway.wire.problems import PROBLEM_TYPES, Problem

ERRORS = [
    error
    for _, error in inspect.getmembers(gateway.errors, inspect.isclass)
    if issubclass(error, SekishoError)
]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_of_the_tree_has_a_name_in_the_catalogue(error: type[SekishoError]) -> None:
    assert error.problem in PROBLEM_TYPES


@pytest.mark.parametrize("slug", PROBLEM_TYPES)
def test_every_name_is_a_slug_with_a_status_of_an_error(slug: str) -> None:
    row = PROBLEM_TYPES[slug]

    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", slug)
    assert 400 <= row.status <= 599
    assert row.title


def test_the_drawing_of_the_tree_names_every_class() -> None:
    drawing = gateway.errors.__doc__ or ""

    assert [error.__name__ for error in ERRORS if error.__name__ not in drawing] == []


def test_an_error_without_a_name_of_its_own_in_the_catalogue_takes_the_status_above() -> None:
    class BusySlotError(QueueFullError):
        problem = "slot-busy"

    row = problem_type(BusySlotError)

    assert (row.slug, row.status) == ("slot-busy", 503)


def test_a_problem_says_the_reason_and_the_place_and_no_message() -> None:
    refused = problem_members(RefusedError("for operators", reason="no-legal-ground"))
    misshapen = problem_members(InvalidBodyError("for operators", pointer="/items/0"))

    assert refused == {
        "type": "refused",
        "title": "A rule refuses this",
        "status": 403,
        "reason": "no-legal-ground",
    }
    assert misshapen["pointer"] == "/items/0"
    assert "for operators" not in str(refused | misshapen)


def test_members_cannot_replace_what_rfc_9457_fixes() -> None:
    error = SekishoError(members={"status": 200, "type": "about:blank", "pointer": "/a"})

    assert problem_members(error)["status"] == 500
    assert problem_members(error)["type"] == "internal-error"


def test_a_response_is_a_problem_document_that_says_when_to_return() -> None:
    response = problem_response(QueueFullError(retry_after_s=7), request_id="ab" * 16)

    assert response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "7"
    assert isinstance(response.body, bytes)
    problem = msgspec.json.decode(response.body, type=Problem)
    assert (problem.type, problem.status, problem.request_id) == ("queue-full", 503, "ab" * 16)


def test_a_reader_ignores_members_it_does_not_know() -> None:
    raw = b'{"type":"refused","title":"t","status":403,"nearest":[]}'

    assert msgspec.json.decode(raw, type=Problem).type == "refused"
