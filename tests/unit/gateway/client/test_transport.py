"""The SDK's way to a gateway: tokens while they last, repeats only where they are safe."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.client import (
    Credentials,
    GatewayBusyError,
    GatewayRefusedError,
    GatewayUnreachableError,
    OutsideRegistrationError,
    RefusedByRuleError,
    RequestInvalidError,
    SignInError,
    transport,
)
from gateway.client.errors import error_of
from gateway.client.transport import Transport
from gateway.wire.problems import Problem


@dataclass
class Scripted:
    """A gateway that answers what the test says, in order; then 200."""

    answers: list[web.Response | None] = field(default_factory=list)
    tokens: int = 0
    calls: list[str] = field(default_factory=list)
    token_answer: Callable[[], web.Response] | None = None

    async def token(self, _request: web.Request) -> web.Response:
        self.tokens += 1
        if self.token_answer is not None:
            return self.token_answer()
        return web.json_response(
            {
                "access_token": f"token-{self.tokens}",
                "token_type": "Bearer",
                "expires_in": 600,
                "scope": "",
            }
        )

    async def any(self, request: web.Request) -> web.Response:
        self.calls.append(request.headers["Authorization"])
        answer = self.answers.pop(0) if self.answers else web.json_response({})
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionError
        return answer


def a_problem(type_: str, status: int, **headers: str) -> web.Response:
    return web.json_response(
        {"type": type_, "title": type_, "status": status}, status=status, headers=headers
    )


@asynccontextmanager
async def talking(script: Scripted) -> AsyncIterator[Transport]:
    application = web.Application()
    application.router.add_post("/oauth2/token", script.token)
    application.router.add_route("*", "/{path:.*}", script.any)
    async with TestServer(application) as server:
        credentials = Credentials(
            url=str(server.make_url("")).rstrip("/"),
            client_id="kokuho",
            audience="urn:test",
            algorithm="HS256",
            tls=ssl.create_default_context(),
            sign=lambda signed: signed[:32],
        )
        async with Transport(credentials) as client:
            yield client


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "BACK_OFF_S", 0.001)
    monkeypatch.setattr(transport, "BACK_OFF_S_MAX", 0.01)


async def test_one_token_serves_many_calls() -> None:
    script = Scripted()
    async with talking(script) as client:
        for _ in range(3):
            await client.call("GET", "/v1/inquiries")

    assert script.tokens == 1
    assert script.calls == ["Bearer token-1"] * 3


async def test_a_token_that_ended_is_fetched_anew_once() -> None:
    script = Scripted(answers=[a_problem("token-invalid", 401)])
    async with talking(script) as client:
        await client.call("GET", "/v1/inquiries")

    assert script.calls == ["Bearer token-1", "Bearer token-2"]


async def test_a_gateway_that_takes_no_token_is_not_asked_for_ever() -> None:
    script = Scripted(answers=[a_problem("token-invalid", 401) for _ in range(9)])
    async with talking(script) as client:
        with pytest.raises(GatewayRefusedError):
            await client.call("GET", "/v1/inquiries")

    assert len(script.calls) == 2


async def test_what_is_safe_is_asked_again_when_the_gateway_is_busy_or_gone() -> None:
    busy = {"Retry-After": "1"}
    script = Scripted(answers=[a_problem("queue-full", 503, **busy), None, None])
    async with talking(script) as client:
        answer = await client.call("GET", "/v1/inquiries", is_safe=True)

    assert answer.status == 200
    assert len(script.calls) == 4


async def test_what_is_not_safe_is_asked_once() -> None:
    script = Scripted(answers=[a_problem("queue-full", 503), None])
    async with talking(script) as client:
        with pytest.raises(GatewayBusyError):
            await client.call("POST", "/v1/subject-flags", body=b"{}")
        with pytest.raises(GatewayUnreachableError):
            await client.call("POST", "/v1/subject-flags", body=b"{}")

    assert len(script.calls) == 2


async def test_a_gateway_that_stays_busy_is_given_up() -> None:
    script = Scripted(answers=[a_problem("queue-full", 503) for _ in range(9)])
    async with talking(script) as client:
        with pytest.raises(GatewayBusyError) as busy:
            await client.call("GET", "/v1/inquiries", is_safe=True)

    assert len(script.calls) == transport.ATTEMPTS_MAX
    assert busy.value.retry_after_s == 1


async def test_a_refused_sign_in_tells_oauths_word() -> None:
    script = Scripted(
        token_answer=lambda: web.json_response({"error": "invalid_client"}, status=401)
    )
    async with talking(script) as client:
        with pytest.raises(SignInError) as refused:
            await client.call("GET", "/v1/inquiries")

    assert refused.value.error == "invalid_client"
    assert script.calls == []


async def test_a_sign_in_that_is_not_possible_now_is_tried_again() -> None:
    refusals = [503, 503]

    def busy_at_first() -> web.Response:
        if refusals:
            return web.json_response({"error": "temporarily_unavailable"}, status=refusals.pop())
        answer = {"access_token": "t", "token_type": "Bearer", "expires_in": 600, "scope": ""}
        return web.json_response(answer)

    script = Scripted(token_answer=busy_at_first)
    async with talking(script) as client:
        with pytest.raises(GatewayBusyError) as busy:
            await client.call("POST", "/v1/subject-flags", body=b"{}")
        answer = await client.call("GET", "/v1/inquiries", is_safe=True)

    assert busy.value.problem.status == 503
    assert answer.status == 200
    assert len(script.calls) == 1


async def test_an_answer_that_is_no_problem_document_is_still_an_error() -> None:
    script = Scripted(answers=[web.Response(status=500, text="<html>")])
    async with talking(script) as client:
        with pytest.raises(GatewayBusyError) as error:
            await client.call("GET", "/v1/inquiries")

    assert error.value.type == "internal-error"


@pytest.mark.parametrize(
    ("type_", "status", "error"),
    [
        ("refused", 403, RefusedByRuleError),
        ("withheld", 403, RefusedByRuleError),
        ("outside-registration", 403, OutsideRegistrationError),
        ("invalid-body", 422, RequestInvalidError),
        ("conflict", 409, GatewayRefusedError),
        ("a-name-of-tomorrow", 403, GatewayRefusedError),
        ("slot-stopped", 503, GatewayBusyError),
    ],
)
def test_every_problem_becomes_an_error_by_its_name(
    type_: str, status: int, error: type[Exception]
) -> None:
    problem = Problem(type=type_, title="", status=status)

    assert type(error_of(problem, retry_after_s=1)) is error
