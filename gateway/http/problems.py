"""Errors to problem documents: the one place where an error gets its status."""

from typing import Final

import msgspec
from aiohttp import web

from gateway.errors import (
    NotAuthenticatedError,
    SekishoError,
    TooManyRequestsError,
    UnavailableError,
)
from gateway.wire.problems import PROBLEM_JSON, PROBLEM_TYPES, ProblemType

# The catalogue says all a caller needs; operators find the message by the request id.
_RESERVED: Final = frozenset({"type", "title", "status", "detail", "request_id"})
_BEARER: Final = "Bearer"
# How a bearer token is asked for again (RFC 6750 §3.1).
_CHALLENGES: Final = {
    "token-invalid": 'Bearer error="invalid_token"',
    "insufficient-scope": 'Bearer error="insufficient_scope"',
}


def problem_type(error: type[SekishoError]) -> ProblemType:
    """Return the catalogue's row for this error, or for the nearest error above it.

    A slug of its own keeps its name and takes status and title from above.
    """
    for ancestor in error.__mro__:
        slug = getattr(ancestor, "problem", None)
        if isinstance(slug, str) and slug in PROBLEM_TYPES:
            row = PROBLEM_TYPES[slug]
            return ProblemType(slug=error.problem, status=row.status, title=row.title)
    return PROBLEM_TYPES[SekishoError.problem]


def problem_members(error: SekishoError, *, request_id: str | None = None) -> dict[str, object]:
    """Return the problem document as a JSON object, also for one item of a list."""
    row = problem_type(type(error))
    document: dict[str, object] = {"type": row.slug, "title": row.title, "status": row.status}
    document |= {name: value for name, value in error.members.items() if name not in _RESERVED}
    if request_id is not None:
        document["request_id"] = request_id
    return document


def problem_response(error: SekishoError, *, request_id: str | None = None) -> web.Response:
    """Return the response that carries the problem document, never to be cached."""
    document = problem_members(error, request_id=request_id)
    response = web.Response(
        status=problem_type(type(error)).status,
        body=msgspec.json.encode(document),
        content_type=PROBLEM_JSON,
        headers={"Cache-Control": "no-store"},
    )
    if isinstance(error, UnavailableError | TooManyRequestsError):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, NotAuthenticatedError) or error.problem in _CHALLENGES:
        response.headers["WWW-Authenticate"] = _CHALLENGES.get(error.problem, _BEARER)
    return response
